package import MarketModel
package import Primitives

/// The row of a bar: the version that stands, and what is known of the bar besides.
package struct BarRow: Equatable, Sendable {
    package let identity: BarIdentity
    package let closeTime: Timestamp
    package let partition: Int64
    package let generation: Int64
    /// How many earlier versions the row replaced.
    package let replaced: Int64
    /// Ticks of its time are missing.
    package let isPartial: Bool
    package let isMixed: Bool
    package let isFilled: Bool
    package let excluded: Bar.Excluded
    package let standing: BarVersion
}

/// What a bar has besides its values, in words.
package struct BarMarks: Sendable {
    package let isPartial: Bool
    package let isMixed: Bool
    package let isFilled: Bool
    package let isWithdrawn: Bool

    package init(isPartial: Bool, isMixed: Bool, isFilled: Bool, isWithdrawn: Bool) {
        self.isPartial = isPartial
        self.isMixed = isMixed
        self.isFilled = isFilled
        self.isWithdrawn = isWithdrawn
    }

    package init(_ row: BarRow) {
        self.init(
            isPartial: row.isPartial, isMixed: row.isMixed, isFilled: row.isFilled,
            isWithdrawn: row.standing.isWithdrawn)
    }

    package var texts: [String] { texts(partialAs: nil) }

    /// `cause`: why it is partial, where that is known.
    package func texts(partialAs cause: String?) -> [String] {
        let partial = cause ?? "a gap touches its time, or its feed began again within it"
        return [
            (isPartial, "partial: \(partial)"),
            (isMixed, "of two providers"),
            (isFilled, "filled: no trade, the prices are the close before it"),
            (isWithdrawn, "withdrawn: it is void"),
        ].filter(\.0).map(\.1)
    }

    /// Returns how many ticks of the window a rule left out, by rule.
    package static func leftOut(_ excluded: Bar.Excluded) -> [String] {
        [
            (excluded.condition, "by condition"), (excluded.oddLot, "odd lots"),
            (excluded.filter, "by a filter, or no new trade"),
            (excluded.undefined, "undefined"),
        ].filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
    }
}

/// A record of a gap that touches a bar's window. Its times are texts of UTC.
package struct WindowGap: Equatable, Sendable {
    package let kind: String
    package let state: String
    package let reason: String
    package let from: String
    package let to: String
    package let source: String
    package let noted: String
}

/// Neighbouring bars of one symbol, source and series, the oldest first.
package struct BarPage: Equatable, Sendable {
    /// The most bars.
    package static let barsMax = 120
    /// The most replaced versions of them. Beyond it those of the oldest bars are left out.
    package static let versionsMax = 1_000

    /// A bar of the page, with what belongs to it.
    package struct Item: Equatable, Sendable {
        package let row: BarRow
        /// The replaced versions, the oldest first.
        package var replaced: [BarVersion] = []
        /// The bid and ask at its end. `nil` if none was found.
        package var quote: StandingQuote?

        package init(row: BarRow, replaced: [BarVersion] = []) {
            self.row = row
            self.replaced = replaced
        }
    }

    package var items: [Item] = []
    /// Where the page before this one begins. `nil` if this is the first one.
    package var earlier: Timestamp?
    /// Where the page after this one begins. `nil` if this is the newest one.
    package var later: Timestamp?
    /// Whether the bars have more replaced versions than are here.
    package var lacksVersions = false
    /// Why no quotes are with the bars. `nil`: those that were found are.
    package var quotesProblem: String?

    package init() {}
}

/// Which bars the database has.
package struct BarChoices: Equatable, Sendable {
    package static let symbolsMax = 100
    package static let offersMax = 256

    /// A series of a source that has bars.
    package struct Offer: Equatable, Sendable {
        package let series: String
        package let source: String

        package init(series: String, source: String) {
            self.series = series
            self.source = source
        }
    }

    /// Symbols from a text on, in the database's order.
    package var symbols: [String] = []
    package var hasMoreSymbols = false
    /// Those of the symbol that was asked for.
    package var offers: [Offer] = []

    package init() {}
}
