internal import StreamCore

/// Ticks that series left out, by why: once for each series, and for each of its windows where
/// windows overlap. What came too late is not among them: it is listed.
public struct ExcludedTicks: Hashable, Sendable {
    /// The symbol has no room in the tables, or another source feeds it.
    public var unknownSymbol: UInt64 = 0
    /// Fetched later: only repairs count them.
    public var backfilled: UInt64 = 0
    /// Kept back by a node before, or no new tick: a correction, a cancel, a snapshot.
    public var filter: UInt64 = 0
    /// Without a price, a size or a usable time.
    public var undefined: UInt64 = 0
    /// No price, by the node's rule for sale conditions or odd lots.
    public var rule: UInt64 = 0
    public var outsideSession: UInt64 = 0
    /// Too late or beyond a limit, and the list of such ticks was full.
    public var unlisted: UInt64 = 0

    public init() {}

    /// What people read, in this order.
    public static var reasons: [(name: String, count: WritableKeyPath<ExcludedTicks, UInt64>)] {
        [
            ("unknown_symbol", \.unknownSymbol), ("backfilled", \.backfilled),
            ("filter", \.filter), ("undefined", \.undefined), ("rule", \.rule),
            ("outside_session", \.outsideSession), ("unlisted", \.unlisted),
        ]
    }

    public mutating func add(_ other: ExcludedTicks) {
        for (_, count) in Self.reasons { self[keyPath: count] &+= other[keyPath: count] }
    }

    /// What came on top of an earlier state of the same counts.
    public func since(_ before: ExcludedTicks) -> ExcludedTicks {
        var rest = self
        for (_, count) in Self.reasons { rest[keyPath: count] &-= before[keyPath: count] }
        return rest
    }

    fileprivate mutating func add(_ counters: BarCounters) {
        let series = UInt64(counters.series.count)
        unknownSymbol &+= counters.unknownSymbol &* series
        backfilled &+= counters.backfilled &* series
        filter &+= counters.filter &* series
        undefined &+= counters.undefined &* series
        for one in counters.series {
            rule &+= one.leftOut
            outsideSession &+= one.outsideSession
            unlisted &+= one.lateUnlisted
        }
    }
}

extension GraphMachine {
    /// Of all that its account holds, which goes from owner to owner with the state.
    public var excluded: ExcludedTicks {
        var excluded = ExcludedTicks()
        for (leaf, plan) in leaves.plans.enumerated() {
            // Several machines may make the numbers of one series: the first speaks for all.
            let isFirst = !leaves.plans[..<leaf].contains {
                $0.node == plan.node && $0.maker == plan.maker
            }
            if isFirst { excluded.add(leaves.account(of: leaf)) }
        }
        return excluded
    }
}
