internal import MarketModel
internal import Primitives
internal import StreamCore

/// The effect of a gap record on windows. Its `init` returns `nil` when the record has none.
struct GapMeaning {
    /// The kind of records: `.any`, `.trade`, `.quote`, `.depth` or `.providerBar`.
    let kind: DataKind
    /// The time [from, to) of the gap, in nanoseconds since 1970.
    let from: Int64
    let to: Int64
    /// True when the gap's ticks have been filled in; false when they are missing.
    let isFilled: Bool

    init?(_ gap: GapRecord) {
        guard let kind = DataKind(rawValue: gap.kind),
            [.any, .trade, .quote, .depth, .providerBar].contains(kind)
        else { return nil }
        self.kind = kind
        switch GapState(rawValue: gap.state) {
        case .open, .abandoned: isFilled = false
        case .filled: isFilled = true
        case .filling, nil: return nil
        }
        // A gap without an end is still open. It counts up to the event time of its record, and a
        // later record will state where it ended.
        let end = gap.to.isDefined ? gap.to : gap.header.eventTime
        let limit = StreamLimits.eventTimeNanosecondsMax
        from = max(gap.from.nanoseconds, -limit)
        to = min(end.nanoseconds, limit)
        guard from < to else { return nil }
    }

    /// The reason that new versions of the bars carry.
    var reason: BarReason { isFilled ? .backfill : .gap }

    /// Returns what the record states about one symbol.
    func change(of symbol: UInt32) -> MissingChange {
        MissingChange(symbol: symbol, kind: kind, from: from, to: to, isFilled: isFilled)
    }
}
