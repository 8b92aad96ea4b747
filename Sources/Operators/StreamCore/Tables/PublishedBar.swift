public import MarketModel
internal import Primitives

/// A bar on the tape: what a repair of a `NumberMachine` or an `InactivityMachine` has to know to
/// withdraw it, or to see that nothing about it changed.
public struct PublishedBar: Hashable, Sendable {
    /// The index of the symbol in the tables, and of the series in the rule of the machine.
    public var symbol: UInt32
    public var series: UInt16
    public var openTime: Int64
    public var closeTime: Int64
    /// The bar's number in its session, where bars are numbered; otherwise 0.
    public var number: Int64
    /// A hash of the bar's content, without its key, reason and generation; 0 when it is not
    /// needed.
    public var content: UInt64

    /// `bar` is the last version of its key, and is not withdrawn.
    public init(_ bar: Bar) {
        symbol = bar.symbol
        series = bar.series
        openTime = bar.openTime.nanoseconds
        closeTime = bar.closeTime.nanoseconds
        number = bar.number
        content = bar.contentHash
    }

    /// Makes a bar of which only the key and the end are known, to be withdrawn.
    init(symbol: UInt32, series: UInt16, openTime: Int64, closeTime: Int64) {
        self.symbol = symbol
        self.series = series
        self.openTime = openTime
        self.closeTime = closeTime
        number = 0
        content = 0
    }

    /// Returns whether `bar`, of the same symbol and series, is a version of this bar.
    func isSameKey(_ bar: Bar) -> Bool {
        openTime == bar.openTime.nanoseconds && number == bar.number
    }

    /// Returns the version that withdraws the bar, without prices. `reason` is a raw `BarReason`.
    func withdrawal(reason: UInt8, excluded: Bar.Excluded = Bar.Excluded()) -> Bar {
        var bar = Bar(
            symbol: symbol, series: series, openTime: Timestamp(nanoseconds: openTime),
            closeTime: Timestamp(nanoseconds: closeTime))
        bar.number = number
        bar.flags = [.final, .withdrawn]
        bar.reason = reason
        bar.excluded = excluded
        return bar
    }
}

extension Bar {
    /// The hash for `PublishedBar.content`. It is computed without allocation, because a
    /// `NumberMachine` needs it for every bar that it publishes.
    var contentHash: UInt64 {
        var hash = UInt64(flags.rawValue)
        func mix(_ value: UInt64) { hash = SeededRandom.mixed(hash &+ 1 ^ value) }
        mix(UInt64(bitPattern: open.raw))
        mix(UInt64(bitPattern: high.raw))
        mix(UInt64(bitPattern: low.raw))
        mix(UInt64(bitPattern: close.raw))
        mix(UInt64(bitPattern: closeTime.nanoseconds))
        mix(trades)
        mix(UInt64(excluded.condition) << 32 | UInt64(excluded.oddLot))
        mix(UInt64(excluded.filter) << 32 | UInt64(excluded.undefined))
        mix(UInt64(truncatingIfNeeded: volume))
        mix(UInt64(truncatingIfNeeded: volume >> 64))
        mix(UInt64(truncatingIfNeeded: notional))
        mix(UInt64(truncatingIfNeeded: notional >> 64))
        return hash
    }
}

extension [Bar] {
    /// Sorts the bars from `start` on into the order of output: end, series, symbol, start, number.
    /// No two versions are equal in it. A withdrawal comes before other bars of its window. A
    /// filled bar comes before the bar without a price of the same window, which is for a
    /// resampling machine.
    mutating func sortOutput(from start: Int) {
        guard count > start + 1 else { return }
        func rank(_ bar: Bar) -> Int {
            bar.flags.contains(.withdrawn) ? 0 : bar.flags.contains(.filled) ? 1 : 2
        }
        self[start...].sort {
            ($0.closeTime, $0.series, $0.symbol, $0.openTime, $0.number, rank($0))
                < ($1.closeTime, $1.series, $1.symbol, $1.openTime, $1.number, rank($1))
        }
    }
}

extension [PublishedBar] {
    /// The bars by symbol. Looked up and never walked over.
    var bySymbol: [UInt32: [PublishedBar]] { Dictionary(grouping: self, by: \.symbol) }
}
