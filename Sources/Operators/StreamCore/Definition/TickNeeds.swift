public import MarketModel

/// The ticks that decide the windows of a machine: those that it takes, and those that they depend
/// on. Behind a join these are the quotes that trades were paired with, and behind depth the
/// earlier changes of the book.
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

    /// How long a tick may decide the windows of later ones, in nanoseconds; 0 when none does.
    var age: Int64 { kind == .depth ? BookRule.knownFor : quoteAge }
    /// The kind of ticks that may.
    var earlierKind: DataKind { kind == .depth ? .depth : .quote }

    /// Returns the range in which its windows are dirty because of a dirty range of ticks; `nil`
    /// when none are. Quotes of [a, b) decide trades of [a, b + `age`), and so do changes of books
    /// later ones.
    public func dirty(_ range: DirtyRange) -> DirtyRange? {
        guard age > 0, range.concerns(earlierKind) else {
            return range.concerns(kind) ? range : nil
        }
        return range.widened(to: (range.from, StreamLimits.usable(later(range.to))))
    }

    /// Returns the time from which on a tick before `time` decides nothing any more.
    func later(_ time: Int64) -> Int64 {
        let (later, overflow) = time.addingReportingOverflow(age)
        return overflow ? Int64.max : later
    }

    /// Returns the time from which on an earlier tick may decide about one at `time`.
    func earlier(_ time: Int64) -> Int64 {
        let (earlier, overflow) = time.subtractingReportingOverflow(age)
        return overflow ? Int64.min : earlier
    }
}

extension MissingStretches {
    /// Returns whether ticks that decide a window over [from, to) are missing, so that the window
    /// is partial.
    public func touches(_ symbol: UInt32, _ needs: TickNeeds, from: Int64, to: Int64) -> Bool {
        touches(symbol, needs.kind, from: from, to: to)
            || needs.age > 0
                && touches(symbol, needs.earlierKind, from: needs.earlier(from), to: to)
    }

    /// Returns whether a gap says so. Beginnings of subscriptions do not count.
    public func hasGap(_ symbol: UInt32, _ needs: TickNeeds, from: Int64, to: Int64) -> Bool {
        guard let all = bySymbol[symbol] else { return false }
        return all.missing(needs.kind).hasGap(from: from, to: to)
            || needs.age > 0
                && all.missing(needs.earlierKind).hasGap(from: needs.earlier(from), to: to)
    }
}

extension PartitionTables {
    /// Returns the time before which ticks that decide the symbol's windows were not received.
    func seenFrom(_ symbol: Int, _ needs: TickNeeds) -> Int64 { needs.later(seenFrom(symbol)) }
}
