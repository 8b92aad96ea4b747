package import MarketModel
package import Primitives

/// The identity of a bar.
package struct BarIdentity: Hashable, Sendable {
    package let symbol: Symbol
    package let source: SourceName
    package let series: SeriesName
    package let openTime: Timestamp
    /// 0 for bars of time; counts for the others.
    package let number: Int64

    package init(
        symbol: Symbol, source: SourceName, series: SeriesName, openTime: Timestamp, number: Int64
    ) {
        self.symbol = symbol
        self.source = source
        self.series = series
        self.openTime = openTime
        self.number = number
    }
}

/// One published version of a bar.
package struct BarVersion: Equatable, Sendable {
    /// What it says of the trades. Undefined prices are those of a bar without any.
    package struct Values: Equatable, Sendable {
        package var open = Price.undefined
        package var high = Price.undefined
        package var low = Price.undefined
        package var close = Price.undefined
        package var vwap = Price.undefined
        /// In units of `Quantity`.
        package var volume: Int128 = 0
        package var trades: UInt64 = 0

        package init() {}

        package init(_ bar: Bar) {
            open = bar.open
            high = bar.high
            low = bar.low
            close = bar.close
            vwap = bar.vwap
            volume = bar.volume
            trades = bar.trades
        }
    }

    /// The output ordinal.
    package let revision: UInt64
    package let reason: String
    package let values: Values
    package let isWithdrawn: Bool
    /// The epoch of the owner that published it; `nil` when only a table has the version.
    package var epoch: UInt64?
    /// The sequence of its packet in the stream of bars.
    package var sequence: UInt64?
    /// When the owner sent it, by its clock.
    package var sent: Timestamp?
    /// When the tape stored it, or what a table says of that.
    package var known: Timestamp?

    package init(revision: UInt64, reason: String, values: Values, isWithdrawn: Bool) {
        self.revision = revision
        self.reason = reason
        self.values = values
        self.isWithdrawn = isWithdrawn
    }

    /// Returns the time from the bar's end to the publication, in seconds. `nil` if it is not known
    /// when that was.
    package func delay(after close: Timestamp) -> String? {
        known.map { known in
            let milliseconds = known.nanoseconds(since: close) / 1_000_000
            return "\(FixedPoint.text(milliseconds, decimals: 3)) s"
        }
    }
}
