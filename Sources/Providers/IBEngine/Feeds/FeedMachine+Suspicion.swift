internal import IBProtocol
internal import MarketModel
internal import Primitives

/// A notice that something broke through which data come. It does not say whose data. So the feeds
/// are watched closely until they have shown that they are not concerned, or are silent.
struct Suspicion: Sendable {
    var cause: OutageCause
    /// When the notice came, monotonic.
    var since: Int64
    /// The part that was reported as broken is back.
    var isSettled = false

    /// Data that come after this time were not on their way already when the notice came.
    var isOver: Int64 { since.later(by: EngineLimits.straggling) }
}

// Notices that data may be missing, and the checks whether they are.
extension FeedMachine {
    /// Suspects all feeds that deliver. No outage begins by that.
    mutating func suspectAll(_ cause: OutageCause, _ now: Moment) {
        suspicion = Suspicion(cause: cause, since: now.monotonic)
        for route in allRoutes { note(.suspected(true), route, now) }
    }

    /// Checks the pause before something that has come and is not noted yet. It was a usual pause
    /// of the feed and of its place, or an outage.
    mutating func examine(_ route: FeedRoute, in turn: inout Turn) {
        guard let suspicion else { return }
        let group = entries[route.place].group
        if lives[group].pause(turn.now) > lives[group].patience(else: turn.silentAfter) {
            for other in suspects(of: group) {
                confirm(other, suspicion, hasEnded: true, in: &turn)
            }
            lives[group].rest()
        } else if self[route].isSuspected, isSilent(route, suspicion, turn.now) {
            confirm(route, suspicion, hasEnded: true, in: &turn)
        }
        if turn.now.monotonic >= suspicion.isOver {
            note(.suspected(false), route, turn.now)
        }
    }

    /// Checks all feeds that are still suspected, once what was on its way has come.
    mutating func scanSuspects(in turn: inout Turn) {
        guard let suspicion, turn.now.monotonic >= suspicion.isOver else { return }
        var isAnyLeft = false
        for route in allRoutes where self[route].isSuspected {
            let group = entries[route.place].group
            if isClosed(route, turn.now) {
                isAnyLeft = true
            } else if isSilent(route, suspicion, turn.now) || isPlaceSilent(route, turn.now) {
                confirm(route, suspicion, hasEnded: false, in: &turn)
            } else if hasCome(since: suspicion.since, of: group),
                bound(of: route, suspicion).map({ $0 > turn.silentAfter }) ?? true
            {
                note(.suspected(false), route, turn.now)
            } else {
                isAnyLeft = true
            }
        }
        if !isAnyLeft { self.suspicion = nil }
    }

    /// Handles the return of what was reported as broken. If nothing has shown that data continued,
    /// some are missing. If so much comes that a break would have been seen, the feeds are watched
    /// until what was on its way has come.
    mutating func settleSuspects(in turn: inout Turn) {
        guard let suspicion else { return }
        self.suspicion?.isSettled = true
        for route in allRoutes where self[route].isSuspected {
            guard !isClosed(route, turn.now) else {
                note(.suspected(false), route, turn.now)
                continue
            }
            let group = entries[route.place].group
            let isShown = hasCome(since: suspicion.since, of: group)
            let isSeen = suspicion.cause.kind == .farm && lives[group].isBusy
            if isSilent(route, suspicion, turn.now) || isPlaceSilent(route, turn.now)
                || !isShown && !isSeen
            {
                confirm(route, suspicion, hasEnded: false, in: &turn)
            }
        }
        scanSuspects(in: &turn)
    }

    private func suspects(of group: Int) -> [FeedRoute] {
        allRoutes.filter { entries[$0.place].group == group && self[$0].isSuspected }
    }

    /// Begins an outage: data are missing since the last sign of life of the feed and of its place.
    /// `hasEnded`: what comes at this moment ends the outage.
    private mutating func confirm(
        _ route: FeedRoute, _ suspicion: Suspicion, hasEnded: Bool, in turn: inout Turn
    ) {
        guard !isClosed(route, turn.now) else { return }
        // Data that come after a silence were not on their way before it.
        let since = suspicion.since - (hasEnded ? EngineLimits.straggling : 0)
        interrupt(route, suspicion.cause, since: since, in: &turn)
    }

    // MARK: silence

    /// Returns whether nothing has come of this feed since about the notice, for much longer than
    /// usual. The feed is checked alone, because what trades in one place may come through several
    /// farms.
    private func isSilent(_ route: FeedRoute, _ suspicion: Suspicion, _ now: Moment) -> Bool {
        guard let bound = bound(of: route, suspicion) else { return false }
        return now.monotonic > self[route].lastTick.later(by: bound)
    }

    /// Returns how long a silence of this feed has to be to show by itself that data are missing;
    /// `nil`: no silence shows it, because too little comes of the feed, or because it was silent
    /// before.
    private func bound(of route: FeedRoute, _ suspicion: Suspicion) -> Int64? {
        let slot = self[route]
        guard slot.isWatched, let usual = slot.rhythm.usualOfFew else { return nil }
        let twice = usual.later(by: usual)
        let bound = max(EngineLimits.straggling, twice.later(by: twice))
        return slot.lastTick.later(by: bound) >= suspicion.since ? bound : nil
    }

    /// Returns whether nothing comes of all that trades in the same place.
    private func isPlaceSilent(_ route: FeedRoute, _ now: Moment) -> Bool {
        let life = lives[entries[route.place].group]
        return life.pause(now)
            > min(EngineLimits.straggling, life.patience(else: EngineLimits.straggling))
    }

    /// Returns whether the market has been closed since the last sign of life. Then a silence shows
    /// nothing.
    private func isClosed(_ route: FeedRoute, _ now: Moment) -> Bool {
        let entry = entries[route.place]
        let life = lifeSign(route)
        guard let open = entry.allHours?.firstOpen(from: life), open > life else { return false }
        return now.wall < open.advanced(byNanoseconds: EngineLimits.straggling)
    }

    /// Returns the last sign of life of the feed or of its place, whichever is later.
    func lifeSign(_ route: FeedRoute) -> Timestamp {
        let own = self[route].lastTickWall
        let place = lives[entries[route.place].group].lastWall
        return place.isDefined ? max(own, place) : own
    }
}
