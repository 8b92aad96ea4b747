internal import IBProtocol
internal import MarketModel
internal import Primitives

// Events of all feeds together.
extension FeedMachine {
    /// Begins outages: data may be missing after `trusted`. The subscriptions stay as they are.
    mutating func interruptAll(_ cause: OutageCause, trusted: Timestamp, in turn: inout Turn) {
        for route in allRoutes {
            interrupt(route, cause, trusted: trusted, in: &turn)
        }
        suspicion = nil
        venues.rest()
    }

    /// Ends all requests: the connection is lost, or the server reports that it has dropped them.
    /// These feeds are requested again on the next connection. Refused feeds and documents that
    /// have come stay as they are, except headlines: some may have been published meanwhile.
    mutating func forgetAll(_ reason: String, in turn: inout Turn) {
        for route in allRoutes {
            entries[route.place].askForAllAgain(route.slot)
            guard self[route].feed == .headlines || self[route].phase.isOfConnection else {
                continue
            }
            drop(route, cancels: false, reason, in: &turn)
            self[route].since = .undefined
            handle(.ended(.waiting, until: turn.now.monotonic), route, reason, in: &turn)
            // A tick-by-tick feed may have to wait for its turn. Level 1 delivers until then.
            giveBackToLevel1(route, reason, in: &turn)
        }
        nextScan = min(nextScan, turn.now.monotonic)
    }

    /// Forgets open requests for details: their answers come on no other connection.
    mutating func forgetDetails() {
        headlines.disconnected()
        detailsRequests.removeAll(keepingCapacity: true)
        for place in entries.indices { entries[place].details.disconnected() }
    }

    /// Resumes the feeds that were interrupted by this kind of cause. After a long outage they are
    /// requested again, because servers forget subscriptions.
    mutating func resumeAll(_ kind: OutageCause.Kind, in turn: inout Turn) {
        for route in allRoutes {
            guard case .interrupted(_, let outage) = self[route].phase, outage.cause.kind == kind
            else { continue }
            // Only a new book has the changes that were missed.
            let isLong = turn.now.monotonic >= outage.since + turn.silentAfter
            if isLong || self[route].feed.lines == .depth {
                restart(route, "it was away", in: &turn)
            } else {
                resume(route, in: &turn)
            }
        }
    }

    /// Gives outages that the loss of the vendor began the cause of a broken farm. The vendor's
    /// return does not end them then: they wait for the farm.
    mutating func deferAll(to cause: OutageCause, in turn: Turn) {
        if suspicion?.cause.kind == .server { suspicion?.cause = cause }
        for route in allRoutes where self[route].phase.cause?.kind == .server {
            apply(.blamed(cause), route, turn.now)
        }
    }

    /// Returns whether an interrupted feed has to be requested again after a farm was broken, or
    /// the vendor was away: others of its venue deliver again, but this feed has not come back.
    func hasNotReturned(
        _ route: FeedRoute, _ outage: FeedPhase.Interruption, in turn: Turn
    ) -> Bool {
        (outage.cause.kind == .farm || outage.cause.kind == .server) && turn.platform.isHealthy
            && turn.now.monotonic >= outage.since + turn.silentAfter
            && venues.haveCome(since: outage.since, of: entries[route.place].venue)
    }

    /// Returns whether all feeds deliver again after a farm was broken at that time, monotonic. Not
    /// every farm reports that it is back.
    func hasRecovered(since time: MonotonicTime) -> Bool {
        guard venues.haveCome(since: time) else { return false }
        return !entries.contains { entry in
            entry.isActive
                && entry.slots.contains {
                    !$0.feed.isDocument
                        && ($0.isSuspected || [.asked, .interrupted].contains($0.phase.state))
                }
        }
    }

    /// Cancels all requests: the gateway stops.
    mutating func cancelAll(_ reason: String, in turn: inout Turn) {
        for route in allRoutes {
            drop(route, cancels: true, reason, in: &turn)
            handle(.ended(.waiting, until: .never), route, reason, in: &turn)
        }
    }

    /// The routes of all wanted feeds.
    var allRoutes: [FeedRoute] {
        entries.indices.filter { entries[$0].isActive }.flatMap { place in
            entries[place].slots.indices.map { FeedRoute(place: place, slot: $0) }
        }
    }

    /// Returns how many instruments should deliver at this time. They are in their busy hours, and
    /// have a feed that is never quiet for long and was not refused. Returns `nil` when no hours
    /// are known for this time.
    func instrumentsInSession(at time: Timestamp) -> Int? {
        let hasHours = entries.contains { $0.isActive && $0.busyHours?.covers(time) == true }
        guard hasHours else { return nil }
        return entries.count { entry in
            entry.isActive && entry.busyHours?.opened(at: time) != nil
                && entry.slots.contains { $0.isWatched && !$0.isRefused }
        }
    }

    /// Returns the state of all wanted feeds, for status pages and metrics.
    func status(in turn: Turn) -> [InstrumentStatus] {
        entries.filter(\.isActive).map { entry in
            InstrumentStatus(
                instrument: entry.number, symbol: entry.instrument.symbol.text,
                sizes: entry.units.unit,
                feeds: entry.slots.filter { !$0.isStandIn || $0.outlet == .delayed }.map { slot in
                    var state = slot.phase.state
                    var reason = slot.reason
                    // The request waits in our own queue for a line of the account.
                    if case .asked(let asked) = slot.phase, !asked.isSent,
                        let limit = slot.feed.lines,
                        !turn.pacing.hasLine(limit)
                    {
                        state = .waitingForLines
                        reason = "all lines are in use"
                    }
                    let until =
                        state == .refused && entry.details.phase == .refused
                        ? entry.details.due : slot.phase.until
                    // A feed that waits only for its turn has no time of a next try.
                    return FeedStatus(
                        feed: slot.feed, state: state, isDelayed: slot.outlet == .delayed,
                        reason: reason,
                        until: until == .distantPast ? .never : until)
                })
        }
    }
}
