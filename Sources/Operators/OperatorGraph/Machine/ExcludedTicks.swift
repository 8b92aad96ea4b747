internal import StreamCore

/// The number of ticks that series excluded, by reason. A tick is counted once for each series, and
/// once for each window where windows overlap. Late ticks are not included, because they are
/// listed.
package struct ExcludedTicks: Hashable, Sendable {
    /// The symbol has no room in the tables, or another source feeds it.
    package var unknownSymbol: UInt64 = 0
    /// The tick was fetched later, and counts in repairs only.
    package var backfilled: UInt64 = 0
    /// A stage kept it back, or it is no new tick: a correction, a cancel, or the state at the
    /// start of a subscription (`snapshot`).
    package var filter: UInt64 = 0
    /// The tick has no price, size or usable time.
    package var undefined: UInt64 = 0
    /// The tick sets no price, by the node's rule for sale conditions or odd lots.
    package var rule: UInt64 = 0
    package var outsideSession: UInt64 = 0
    /// The tick was late or beyond a limit on windows, and the list of such ticks was full.
    package var unlisted: UInt64 = 0

    package init() {}

    /// The names of the reasons in metrics and /status, with their counts, in this order.
    package static var reasons: [(name: String, count: WritableKeyPath<ExcludedTicks, UInt64>)] {
        [
            ("unknown_symbol", \.unknownSymbol), ("backfilled", \.backfilled),
            ("filter", \.filter), ("undefined", \.undefined), ("rule", \.rule),
            ("outside_session", \.outsideSession), ("unlisted", \.unlisted),
        ]
    }

    package mutating func add(_ other: ExcludedTicks) {
        for (_, count) in Self.reasons { self[keyPath: count] &+= other[keyPath: count] }
    }

    /// Returns the counts since an earlier state.
    package func since(_ before: ExcludedTicks) -> ExcludedTicks {
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
    /// The exclusions in the accounts of all machines. Those of ticks are part of the state, so
    /// they pass from owner to owner. Ticks in open windows by time are not included yet.
    package var excluded: ExcludedTicks {
        var excluded = excludedProviderBars
        for (leaf, plan) in leaves.plans.enumerated() {
            // Several leaves may make the numbers of one node's series. The first one counts for
            // all.
            let isFirst = !leaves.plans[..<leaf].contains {
                $0.node == plan.node && $0.maker == plan.maker
            }
            if isFirst { excluded.add(leaves.account(of: leaf)) }
        }
        return excluded
    }
}
