internal import MarketModel
internal import Primitives

/// Outages that have ended, and whose gaps are not yet with the backfill, in the order of their
/// ends. The backfill adds a tick of history only if it did not arrive live. So it needs all ticks
/// that arrive around the outage, and late ones come for some seconds after its end.
struct EndedOutages: Sendable {
    struct Outage: Sendable {
        /// The gap, with its end.
        var gap: OpenGap
        /// The place of its instrument.
        var place: Int
        /// The ticks that arrived in the last seconds before the outage, and during it.
        var before: Arrivals
        /// The wall time at which the outage ended and `BorderTicks` began to keep what arrives
        /// after it.
        var afterSince: Timestamp
        /// When the backfill gets the gap, monotonic.
        var due: MonotonicTime

        /// Returns what arrived around the outage. `after`: what arrived after its end.
        func arrivals(_ after: Arrivals) -> Arrivals {
            // A process that was suspended checks late. What came right after the outage may have
            // been dropped meanwhile.
            let isKnown = before.since.isDefined && after.since == afterSince
            // Undefined bounds: the ticks are not complete. The backfill still adds none of them
            // again.
            return Arrivals(
                before.ticks + after.ticks, since: isKnown ? before.since : .undefined,
                until: isKnown ? after.until : .undefined)
        }
    }

    private(set) var all: [Outage] = []

    /// Adds an outage. At the maximum the oldest one leaves and is returned: its gap is not filled.
    mutating func add(_ outage: Outage) -> Outage? {
        let oldest = all.count >= EngineLimits.closingMax ? all.removeFirst() : nil
        all.append(outage)
        return oldest
    }

    /// Removes those for which the closure returns true, and returns them.
    mutating func take(where isTaken: (Outage) -> Bool) -> [Outage] {
        let taken = all.filter(isTaken)
        if !taken.isEmpty { all.removeAll(where: isTaken) }
        return taken
    }
}
