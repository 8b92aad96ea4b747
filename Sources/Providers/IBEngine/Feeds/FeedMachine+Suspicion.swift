internal import IBProtocol
internal import MarketModel
internal import Primitives

/// A notice that a farm is broken, or that the platform has lost its vendor. It does not contain
/// which feeds it concerns. So a feed that delivers is *suspected* until its data show that it is
/// not concerned, or its silence shows that data are missing. Then an outage begins.
struct Suspicion: Sendable {
    /// The cause of the outages that the suspicion confirms.
    var cause: OutageCause
    /// When the notice came, monotonic.
    var since: MonotonicTime
    /// The farm, or the vendor, is back.
    var isSettled = false

    /// Until this time, monotonic, data may come that were sent before the notice. They prove
    /// nothing.
    var stragglersUntil: MonotonicTime { since + EngineLimits.straggling }
}

// Notices that data may be missing, and the checks whether they are.
extension FeedMachine {
    /// Suspects all feeds that deliver. No outage begins yet.
    mutating func suspectAll(_ cause: OutageCause, _ now: Moment) {
        suspicion = Suspicion(cause: cause, since: now.monotonic)
        for route in allRoutes { apply(.suspected(true), route, now) }
    }

    /// Checks the pause that ends now, because something has come of the feed. Either it was a
    /// usual pause of the feed and of its venue, or an outage is recorded. It is called before the
    /// tick is noted.
    mutating func examine(_ route: FeedRoute, in turn: inout Turn) {
        guard let suspicion else { return }
        let venue = entries[route.place].venue
        if venues[venue].pause(turn.now) > venues[venue].patience(else: turn.silentAfter) {
            for other in suspects(of: venue) {
                confirm(other, suspicion, hasEnded: true, in: &turn)
            }
            venues[venue].rest()
        } else if self[route].isSuspected, isSilent(route, suspicion, turn.now) {
            confirm(route, suspicion, hasEnded: true, in: &turn)
        }
        if turn.now.monotonic >= suspicion.stragglersUntil {
            apply(.suspected(false), route, turn.now)
        }
    }

    /// Checks all feeds that are still suspected, once what was on its way at the notice has come.
    /// When no feed is suspected any more, the suspicion ends.
    mutating func scanSuspects(in turn: inout Turn) {
        guard let suspicion, turn.now.monotonic >= suspicion.stragglersUntil else { return }
        var isAnyLeft = false
        for route in allRoutes where self[route].isSuspected {
            let venue = entries[route.place].venue
            if isClosed(route, turn.now) {
                // In a closed market a silence shows nothing, so the check waits.
                isAnyLeft = true
            } else if isSilent(route, suspicion, turn.now) || isVenueSilent(route, turn.now) {
                confirm(route, suspicion, hasEnded: false, in: &turn)
            } else if venues.haveCome(since: suspicion.since, of: venue),
                silenceBound(of: route, suspicion).map({ $0 > turn.silentAfter }) ?? true
            {
                // Too little comes of the feed to judge it, and its venue continues.
                apply(.suspected(false), route, turn.now)
            } else {
                isAnyLeft = true
            }
        }
        if !isAnyLeft { self.suspicion = nil }
    }

    /// Handles the return of the farm or the vendor. Where nothing has shown that data continued,
    /// some are missing.
    mutating func settleSuspects(in turn: inout Turn) {
        guard let suspicion else { return }
        self.suspicion?.isSettled = true
        for route in allRoutes where self[route].isSuspected {
            guard !isClosed(route, turn.now) else {
                apply(.suspected(false), route, turn.now)
                continue
            }
            let venue = entries[route.place].venue
            // Data of the venue came after the notice, so not all of its data stopped.
            let hasVenueData = venues.haveCome(since: suspicion.since, of: venue)
            // Where so much comes that a break would have been noticed, later checks decide.
            let isBreakVisible = suspicion.cause.kind == .farm && venues[venue].isBusy
            if isSilent(route, suspicion, turn.now) || isVenueSilent(route, turn.now)
                || !hasVenueData && !isBreakVisible
            {
                confirm(route, suspicion, hasEnded: false, in: &turn)
            }
        }
        scanSuspects(in: &turn)
    }

    /// Returns the suspected feeds of a venue.
    private func suspects(of venue: Int) -> [FeedRoute] {
        allRoutes.filter { entries[$0.place].venue == venue && self[$0].isSuspected }
    }

    /// Begins an outage: data are missing since something last came of the feed or of its venue.
    /// `hasEnded`: the data that come at this moment end the outage.
    private mutating func confirm(
        _ route: FeedRoute, _ suspicion: Suspicion, hasEnded: Bool, in turn: inout Turn
    ) {
        guard !isClosed(route, turn.now) else { return }
        // `revive` ignores data for some time after an outage began, as they may have been on their
        // way. Data that come after a silence were not, so the outage is dated back.
        let since = suspicion.since - (hasEnded ? EngineLimits.straggling : 0)
        interrupt(route, suspicion.cause, since: since, in: &turn)
    }

    // MARK: silence

    /// Returns whether nothing has come of this feed for longer than its `silenceBound`. The feed
    /// is checked alone, because data of one venue may come through several farms.
    private func isSilent(_ route: FeedRoute, _ suspicion: Suspicion, _ now: Moment) -> Bool {
        guard let bound = silenceBound(of: route, suspicion) else { return false }
        return now.monotonic > self[route].silence.last + bound
    }

    /// Returns how long a silence of this feed has to be to show by itself that data are missing,
    /// in nanoseconds: four times its longest usual pause, and at least 2 s. `nil`: no silence
    /// shows it, because too little comes of the feed, or because it was silent so long before the
    /// notice.
    private func silenceBound(of route: FeedRoute, _ suspicion: Suspicion) -> Int64? {
        let slot = self[route]
        guard slot.isWatched, let usual = slot.silence.rhythm.usualOfFew else { return nil }
        let twice = usual.doubled
        let bound = max(EngineLimits.straggling, twice.doubled)
        return slot.silence.last + bound >= suspicion.since ? bound : nil
    }

    /// Returns whether nothing comes of any instrument of the feed's venue: for 2 s or, where much
    /// comes, for twice the longest usual pause.
    private func isVenueSilent(_ route: FeedRoute, _ now: Moment) -> Bool {
        let life = venues[entries[route.place].venue]
        return life.pause(now)
            > min(EngineLimits.straggling, life.patience(else: EngineLimits.straggling))
    }

    /// Returns whether the market has been closed since something last came of the feed or of its
    /// venue. Then a silence shows nothing.
    private func isClosed(_ route: FeedRoute, _ now: Moment) -> Bool {
        let entry = entries[route.place]
        let life = lifeSign(route)
        guard let open = entry.hours.all?.firstOpen(from: life), open > life else { return false }
        return now.wall < open.advanced(byNanoseconds: EngineLimits.straggling)
    }

    /// Returns when something last came of the feed or of its venue, whichever is later.
    func lifeSign(_ route: FeedRoute) -> Timestamp {
        let own = self[route].silence.lastWall
        let venue = venues[entries[route.place].venue].lastWall
        return venue.isDefined ? max(own, venue) : own
    }
}
