public import MarketModel
internal import Primitives

/// What became of a provider's bar in a `ResampleMachine`.
public enum ProviderBarOutcome: Hashable, Sendable {
    /// It is in its windows, but for those that are listed as missed.
    case taken
    /// It has another length, or is of other data, than the node takes.
    case ofOthers
    /// Its symbol is not known, or another source feeds it.
    case unknownSymbol
    /// It was fetched later, and counts in repairs only.
    case backfilled
    /// The provider will send it again, or it was sent as the state at the start of a subscription.
    case unfinished
    /// It begins at no multiple of its length, or has a value that is missing or impossible.
    case undefined
}

/// A window of a series that did not take a bar, because the bar came too late.
public struct MissedWindow: Hashable, Sendable {
    /// The index of the series in the machine's rule.
    public let series: UInt16
    public let start: Int64
}

// A provider's bars as the finer bars of a machine. A bar with the start of an earlier one replaces
// it, in the order of the tape. A bar is late when the watermark has passed its end by the lateness
// of the choice, whether or not its windows are still open.
extension ResampleMachine {
    /// Takes a provider's bar. Appends the windows that did not take it to `missed`, at most one
    /// for each series: the latest.
    public mutating func bar(
        _ bar: ProviderBar, source: Int, _ tables: PartitionTables,
        missing missed: inout [MissedWindow]
    ) -> ProviderBarOutcome {
        guard let choice = rule.provider, choice.takes(bar) else { return .ofOthers }
        guard tables.symbols.isFed(bar.header.symbol, by: source) else { return .unknownSymbol }
        guard isRepair || !bar.header.flags.contains(.backfilled) else { return .backfilled }
        guard bar.header.isNew, !bar.flags.contains(.inProgress) else { return .unfinished }
        guard let fine = Bar(bar, width: choice.bars.widthNanoseconds) else { return .undefined }
        let end = bar.closeTime.nanoseconds
        let through = tables.closedThrough(Int(bar.header.symbol))
        guard isRepair || end + choice.bars.lateness > through else {
            noteLate(fine, &missed)
            return .taken
        }
        take(fine, before: nil, tables, missing: &missed)
        return .taken
    }
}

extension ProviderBarChoice {
    /// Returns whether the bar has the length and is of the data.
    func takes(_ bar: ProviderBar) -> Bool {
        let (length, overflow) = bar.closeTime.nanoseconds.subtractingReportingOverflow(
            bar.openTime.nanoseconds)
        return !overflow && length == bars.widthNanoseconds && bar.kind == data.rawValue
    }
}

extension Bar {
    /// The greatest count and volume of a provider's bar. A bar with more has no count or volume
    /// that can be true. The sums of as many bars as a window may have stay in range.
    static let providerTradesMax: Int64 = 1 << 40
    static let providerVolumeMax: Int128 = 1 << 100

    /// Makes a finer bar of a provider's bar; `nil` when a value is missing or impossible.
    ///
    /// - A bar with the count 0 is of a time without trades and sets no price: its prices repeat an
    ///   earlier close. A bar without a count counts as one tick, so that it sets a price.
    /// - A bar with a volume but without a VWAP has no known notional. That is the end of the range
    ///   then, as for a notional beyond it, so bars that are made of it have no VWAP.
    init?(_ bar: ProviderBar, width: Int64) {
        let count = bar.trades == ProviderBar.undefinedCount ? 1 : bar.trades
        let volume = bar.volume == ProviderBar.undefinedVolume ? 0 : bar.volume
        guard bar.openTime.isUsable, bar.openTime.nanoseconds % width == 0,
            bar.open.isDefined, bar.high.isDefined, bar.low.isDefined, bar.close.isDefined,
            bar.low <= min(bar.open, bar.close), bar.high >= max(bar.open, bar.close),
            (0...Self.providerTradesMax).contains(count),
            (0...Self.providerVolumeMax).contains(volume)
        else { return nil }
        self.init(
            symbol: bar.header.symbol, series: 0, openTime: bar.openTime,
            closeTime: bar.closeTime)
        trades = UInt64(count)
        self.volume = volume
        if volume > 0 { notional = Self.notional(volume, bar.vwap) }
        guard count > 0 else { return }
        open = bar.open
        high = bar.high
        low = bar.low
        close = bar.close
    }

    private static func notional(_ volume: Int128, _ vwap: Price) -> Int128 {
        guard vwap.isDefined else { return Int128.max }
        let (product, overflow) = volume.multipliedReportingOverflow(by: Int128(vwap.raw))
        return overflow ? (vwap.raw < 0 ? Int128.min : Int128.max) : product
    }
}

extension [MissedWindow] {
    /// Notes a window, if none of its series is noted. Windows come from the latest on.
    mutating func note(_ series: Int, _ start: Int64) {
        guard !contains(where: { Int($0.series) == series }) else { return }
        append(MissedWindow(series: UInt16(truncatingIfNeeded: series), start: start))
    }
}
