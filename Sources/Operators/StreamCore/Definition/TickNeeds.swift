public import MarketModel

/// The ticks that decide the windows of a machine: those that it takes, and behind a join the
/// quotes that trades were paired with.
public struct TickNeeds: Hashable, Sendable {
    /// The kind of ticks of which its windows are made.
    public var kind: DataKind
    /// Behind a join, how long after a quote a trade may be paired with it, in nanoseconds; 0
    /// without a join.
    public var quoteAge: Int64

    public init(_ kind: DataKind, quoteAge: Int64 = 0) {
        self.kind = kind
        self.quoteAge = quoteAge
    }

    /// Returns the range in which its windows are dirty because of a dirty range of ticks; `nil`
    /// when none are. Quotes of [a, b) decide trades of [a, b + `quoteAge`).
    public func dirty(_ range: DirtyRange) -> DirtyRange? {
        guard quoteAge > 0, range.concerns(.quote) else {
            return range.concerns(kind) ? range : nil
        }
        return range.widened(to: (range.from, StreamLimits.usable(later(range.to))))
    }

    /// Returns the time from which on a quote before `time` decides nothing any more.
    func later(_ time: Int64) -> Int64 {
        let (later, overflow) = time.addingReportingOverflow(quoteAge)
        return overflow ? Int64.max : later
    }

    /// Returns the time from which on a quote may decide what a trade at `time` is paired with.
    func earlier(_ time: Int64) -> Int64 {
        let (earlier, overflow) = time.subtractingReportingOverflow(quoteAge)
        return overflow ? Int64.min : earlier
    }
}

extension MissingStretches {
    /// Returns whether ticks that decide a window over [from, to) are missing, so that the window
    /// is partial.
    public func touches(_ symbol: UInt32, _ needs: TickNeeds, from: Int64, to: Int64) -> Bool {
        touches(symbol, needs.kind, from: from, to: to)
            || needs.quoteAge > 0 && touches(symbol, .quote, from: needs.earlier(from), to: to)
    }

    /// Returns whether a gap says so. Beginnings of subscriptions do not count.
    public func hasGap(_ symbol: UInt32, _ needs: TickNeeds, from: Int64, to: Int64) -> Bool {
        guard let all = bySymbol[symbol] else { return false }
        return all.missing(needs.kind).hasGap(from: from, to: to)
            || needs.quoteAge > 0 && all.quotes.hasGap(from: needs.earlier(from), to: to)
    }
}

extension PartitionTables {
    /// Returns the time before which ticks that decide the symbol's windows were not received.
    func seenFrom(_ symbol: Int, _ needs: TickNeeds) -> Int64 { needs.later(seenFrom(symbol)) }
}
