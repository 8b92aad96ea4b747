internal import IBProtocol
internal import MarketModel
internal import Primitives

// What happens to all feeds at once.
extension FeedMachine {
    /// Data may be missing behind `trusted`; the subscriptions stay as they are.
    mutating func interruptAll(_ cause: OutageCause, trusted: Timestamp, in turn: inout Turn) {
        for route in allRoutes {
            interrupt(route, cause, trusted: trusted, in: &turn)
        }
        suspicion = nil
        for group in lives.indices { lives[group].rest() }
    }

    /// All that was asked is gone: with the connection, or because the server says so.
    mutating func forgetAll(_ reason: String, in turn: inout Turn) {
        for route in allRoutes {
            entries[route.place].askForAllAgain(route.slot)
            guard self[route].feed == .headlines || self[route].phase.isOfConnection else {
                continue
            }
            drop(route, cancels: false, reason, in: &turn)
            self[route].since = .undefined
            handle(.ended(.waiting, until: turn.now.monotonic), route, reason, in: &turn)
            // It waits for its turn: what level 1 tells meanwhile is not thrown away.
            giveBack(route, reason, in: &turn)
        }
        nextScan = min(nextScan, turn.now.monotonic)
    }

    /// Details that were asked for come on no other connection.
    mutating func forgetDetails() {
        headlines.disconnected()
        detailsRoutes.removeAll(keepingCapacity: true)
        for place in entries.indices {
            if case .asked = entries[place].details { entries[place].details = .unknown }
            if entries[place].details == .refused { entries[place].details = .unknown }
            if entries[place].details == .unknown { entries[place].detailsDue = 0 }
        }
    }

    /// What was interrupted by this comes again; after a long while it is asked for anew, because
    /// servers forget.
    mutating func resumeAll(_ kind: OutageCause.Kind, in turn: inout Turn) {
        for route in allRoutes {
            guard case .interrupted(_, let outage) = self[route].phase, outage.cause.kind == kind
            else { continue }
            // What changed in a book meanwhile is known by the new one alone.
            let isLong = turn.now.monotonic >= outage.since.later(by: turn.silentAfter)
            if isLong || self[route].feed.lines == .depth {
                restart(route, "it was away", in: &turn)
            } else {
                resume(route, in: &turn)
            }
        }
    }

    /// What the vendor's loss had interrupted does not come back with the vendor alone.
    mutating func deferAll(to cause: OutageCause, in turn: Turn) {
        if suspicion?.cause.kind == .server { suspicion?.cause = cause }
        for route in allRoutes where self[route].phase.cause?.kind == .server {
            note(.blamed(cause), route, turn.now)
        }
    }

    /// A farm was broken, or the vendor away, and what they feed comes again without a word of it:
    /// those that have not come back by themselves are asked for anew.
    func isLeftBehind(
        _ route: FeedRoute, _ outage: FeedPhase.Interruption, in turn: Turn
    ) -> Bool {
        (outage.cause.kind == .farm || outage.cause.kind == .server) && turn.isHealthy
            && turn.now.monotonic >= outage.since.later(by: turn.silentAfter)
            && hasCome(since: outage.since, of: entries[route.place].group)
    }

    /// Data have come that were not on their way already.
    func hasCome(since time: Int64, of group: Int) -> Bool {
        lives[group].last > time.later(by: EngineLimits.straggling)
    }

    /// Nothing waits for a farm any more that was broken at that time, though it never told that
    /// it is back.
    func hasFlown(since time: Int64) -> Bool {
        guard hasComeAnywhere(since: time) else { return false }
        return !entries.contains { entry in
            entry.isActive
                && entry.slots.contains {
                    !$0.feed.isDocument
                        && ($0.isSuspected || [.asked, .interrupted].contains($0.phase.state))
                }
        }
    }

    func hasComeAnywhere(since time: Int64) -> Bool {
        lives.indices.contains { hasCome(since: time, of: $0) }
    }

    mutating func cancelAll(_ reason: String, in turn: inout Turn) {
        for route in allRoutes {
            drop(route, cancels: true, reason, in: &turn)
            handle(.ended(.waiting, until: Int64.max), route, reason, in: &turn)
        }
    }

    var allRoutes: [FeedRoute] {
        entries.indices.filter { entries[$0].isActive }.flatMap { place in
            entries[place].slots.indices.map { FeedRoute(place: place, slot: $0) }
        }
    }

    /// Instruments of which something should come at this time: it is busy in their place, and
    /// they have a feed that is never quiet for long and was not refused. Nil: nobody has told any
    /// hours of that time.
    func inSession(_ time: Timestamp) -> Int? {
        let isTold = entries.contains { $0.isActive && $0.busyHours?.covers(time) == true }
        guard isTold else { return nil }
        return entries.count { entry in
            entry.isActive && entry.busyHours?.opened(at: time) != nil
                && entry.slots.contains { $0.isWatched && !$0.isRefused }
        }
    }

    func status(in turn: Turn) -> [InstrumentStatus] {
        entries.filter(\.isActive).map { entry in
            InstrumentStatus(
                instrument: entry.number, symbol: entry.instrument.symbol.text,
                feeds: entry.slots.map { slot in
                    var state = slot.phase.state
                    var reason = slot.reason
                    // It waits in a queue of our own for a line of the account.
                    if case .asked(let asked) = slot.phase, !asked.isSent,
                        let limit = slot.feed.lines,
                        !turn.pacing.hasLine(limit)
                    {
                        state = .waitingForLines
                        reason = "all lines are in use"
                    }
                    let until =
                        state == .refused && entry.details == .refused
                        ? entry.detailsDue : slot.phase.until
                    // What waits for nothing but its turn has no time at which it is tried.
                    return FeedStatus(
                        feed: slot.feed, state: state, reason: reason,
                        until: until == Int64.min ? Int64.max : until)
                })
        }
    }
}
