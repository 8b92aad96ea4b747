internal import IBProtocol
internal import MarketModel
internal import Primitives

/// Keeps what is wanted of each instrument, what was requested, and with which outcome.
struct FeedMachine: Sendable {
    /// An outage that has ended. It waits until all ticks have come with which it is compared.
    struct Closing: Sendable {
        var gap: OpenGap
        var place: Int
        var before: Arrivals
        /// Arrivals after the outage were kept from this time on.
        var behind: Timestamp
        var due: Int64
    }

    /// By place. Instruments that are not wanted any more leave their place to the next one.
    var entries: [InstrumentEntry] = []
    private var places: [UInt32: Int] = [:]
    private var free: [Int] = []
    /// By the numbers of requests. It is never iterated: its order means nothing.
    var routes: [Int32: FeedRoute] = [:]
    var detailsRoutes: [Int32: Int] = [:]
    var closings: [Closing] = []
    /// Subscriptions with trades that may still be marked as unreported. They are few, and wait for
    /// a part of a second.
    var withWaiting: [FeedRoute] = []
    /// The source has delayed data, and not everything that it records is known to be live.
    var mayBeDelayed = false
    var zones: [String: ZoneRules] = [:]
    var headlines = Headlines()
    /// The contracts that trade in the same place: those of a kind, exchange and currency.
    private struct Group: Hashable {
        var kind: SecurityKind
        var exchange: String
        var currency: String
    }

    private var groups: [Group: Int] = [:]
    /// By the number of the group.
    var lives: [GroupLife] = []
    /// `nil`: no notice says that data may be missing of the feeds that deliver.
    var suspicion: Suspicion?
    /// When the feeds are checked next, monotonic.
    var nextScan: Int64 = 0
    /// The number of feeds with an outage, by the kind of cause; and of feeds whose times are whole
    /// seconds. They are needed at every turn, so they are kept up to date and not counted each
    /// time.
    private var outCounts = [Int](repeating: 0, count: OutageCause.Kind.allCases.count)
    private var stampedFeeds = 0
    private var barFeeds = 0

    func place(of number: UInt32) -> Int? { places[number] }

    subscript(route: FeedRoute) -> FeedSlot {
        @inline(__always) _read { yield entries[route.place].slots[route.slot] }
        @inline(__always) _modify { yield &entries[route.place].slots[route.slot] }
    }

    /// Returns the instrument of a feed's request.
    func instrument(of request: Int32) -> UInt32? {
        routes[request].map { entries[$0.place].number }
    }

    // MARK: what is wanted

    mutating func begin(
        _ number: UInt32, _ instrument: Instrument, knowing old: InstrumentEntry? = nil,
        in turn: inout Turn
    ) {
        guard places[number] == nil, number != TickHeader.noSymbol else { return }
        var entry = InstrumentEntry(number, instrument, group: 0, patience: turn.silentAfter)
        entry.group = index(of: entry.contract)
        if let old { entry.takeDetails(of: old) }
        let place: Int
        if let last = free.popLast() {
            place = last
            entries[place] = entry
        } else {
            place = entries.count
            entries.append(entry)
        }
        places[number] = place
        stampedFeeds += entry.feeds(of: .stamped)
        barFeeds += entry.feeds(of: .bars)
        mayBeDelayed = turn.settings.isDelayed && (mayBeDelayed || entry.mayBeDelayed)
        nextScan = min(nextScan, turn.now.monotonic)
        reportState(place, in: &turn)
    }

    mutating func end(_ number: UInt32, keeping kept: KindSet = [], in turn: inout Turn) {
        guard let place = places.removeValue(forKey: number) else { return }
        for slot in entries[place].slots.indices {
            drop(FeedRoute(place: place, slot: slot), cancels: true, "no longer wanted", in: &turn)
        }
        for kind in KindSet.everything where !kept.contains(KindSet(kind)) {
            close(place, kind, to: turn.now.wall, isWanted: false, in: &turn)
        }
        // Another instrument may get this place soon.
        for id in detailsRoutes.keys.sorted() where detailsRoutes[id] == place {
            detailsRoutes[id] = nil
            turn.pacing.withdraw(id: id)
        }
        if !kept.contains(.news) {
            giveUpNews(of: number, "the instrument is no longer wanted", in: &turn)
        }
        if kept.isEmpty { forgetHistory(of: place, in: &turn) }
        for slot in entries[place].slots { count(slot.phase.cause, -1) }
        stampedFeeds -= entries[place].feeds(of: .stamped)
        barFeeds -= entries[place].feeds(of: .bars)
        entries[place].isActive = false
        entries[place].slots = []
        free.append(place)
    }

    private mutating func forgetHistory(of place: Int, in turn: inout Turn) {
        var cancels: [IBRequest] = []
        for closing in closings where closing.place == place {
            let record = closing.gap.record(
                .abandoned, detail: "the instrument is no longer wanted", now: turn.now.wall)
            turn.put(.gap(record))
        }
        closings.removeAll { $0.place == place }
        turn.backfill.drop(
            instrument: entries[place].number, now: turn.now, into: &cancels,
            into: &turn.out.records)
        for cancel in cancels { _ = turn.pacing.ask(cancel, .urgent, now: turn.now.monotonic) }
    }

    private mutating func index(of contract: Contract) -> Int {
        let group = Group(
            kind: contract.kind, exchange: contract.exchange, currency: contract.currency)
        if let known = groups[group] { return known }
        groups[group] = lives.count
        lives.append(GroupLife())
        return lives.count - 1
    }

    // MARK: outages from before

    /// Continues an outage that was open when this process began.
    mutating func resume(
        _ number: UInt32, _ kind: DataKind, from: Timestamp, reason: GapReason, isTold: Bool,
        in turn: inout Turn
    ) {
        let record = turn.outages.begin(
            number, kind, from: from, reason: reason, detail: "the gateway was not there",
            now: turn.now.wall)
        if !isTold, let record { turn.put(.gap(record)) }
    }

    /// Returns all kinds that the instrument's feeds deliver.
    func kinds(at place: Int) -> [DataKind] {
        entries[place].slots.reduce(into: KindSet()) { $0.formUnion($1.kinds) }.kinds
    }

    /// Returns the time from which data may be missing when another process received the last ones.
    /// What was on its way to that process is stamped with the beginning of its second.
    func outageStart(of kind: DataKind, at place: Int, reached: Timestamp, in turn: Turn)
        -> Timestamp
    {
        // The delayed trades that were recorded last are older than everything else.
        if turn.settings.isDelayed, kind == .trade, entries[place].mayBeDelayed {
            return reached.advanced(byNanoseconds: -EngineLimits.delayedLag)
        }
        let grain = entries[place].slots.filter { $0.kinds.contains(KindSet(kind)) }
            .reduce(1) { max($0, $1.feed.grain(of: kind)) }
        guard grain > 1 else { return reached }
        return reached.advanced(byNanoseconds: -EngineLimits.transit)
            .floored(toNanoseconds: grain)
    }

    // MARK: time

    mutating func scan(in turn: inout Turn) {
        guard turn.now.monotonic >= nextScan else { return }
        nextScan = turn.later(by: EngineLimits.scanInterval)
        deliverWaited(in: &turn)
        mayBeDelayed = turn.settings.isDelayed && entries.contains(where: \.mayBeDelayed)
        flushClosings(of: nil, until: .undefined, in: &turn)
        guard turn.isReady else { return }
        scanSuspects(in: &turn)
        for place in entries.indices where entries[place].isActive {
            scanDetails(place, in: &turn)
            finishTakeOver(place, in: &turn)
            guard entries[place].details == .settled else { continue }
            for slot in entries[place].slots.indices {
                scan(FeedRoute(place: place, slot: slot), in: &turn)
            }
        }
    }

    private mutating func scan(_ route: FeedRoute, in turn: inout Turn) {
        switch self[route].phase {
        case .idle(let idle):
            if turn.now.monotonic >= idle.until { ask(route, in: &turn) }
        case .asked(let asked):
            if self[route].feed.isDocument {
                guard turn.now.monotonic >= asked.until else { return }
                fail(route, .down, "no answer in time", in: &turn)
            } else if self[route].awaitsLive(in: turn) {
                if turn.now.monotonic >= asked.until { refuseDelayed(route, in: &turn) }
            } else if turn.isHealthy, isSettled(route, asked, in: turn) {
                start(route, in: &turn)
            } else if !asked.isSent,
                turn.now.monotonic >= asked.since.later(by: EngineLimits.downWait)
            {
                giveBack(route, "it waits for a line", in: &turn)
            }
        case .live: watch(route, in: &turn)
        case .interrupted(_, let outage):
            if self[route].awaitsLive(in: turn) {
                if turn.now.monotonic >= outage.until { refuseDelayed(route, in: &turn) }
            } else if turn.now.monotonic >= outage.until || isLeftBehind(route, outage, in: turn) {
                restart(route, "it did not come back by itself", in: &turn)
            }
        case .done(let day):
            if Self.day(turn.now.wall) != day { ask(route, in: &turn) }
        }
    }

    static func day(_ time: Timestamp) -> Int64 {
        time.floored(toNanoseconds: 86_400 * EngineLimits.second).nanoseconds
            / (86_400 * EngineLimits.second)
    }

    // MARK: what others see

    /// Returns whether a feed has an outage of this kind of cause.
    func isAny(_ kind: OutageCause.Kind) -> Bool { outCounts[kind.rawValue] > 0 }

    /// How long data may be on their way, in nanoseconds: as long as those of the slowest feed.
    var delay: Int64 {
        if mayBeDelayed { return EngineLimits.delayedLag }
        if barFeeds > 0 { return EngineLimits.barLag }
        return stampedFeeds > 0 ? EngineLimits.stampedLag : EngineLimits.transit
    }

    mutating func reportState(_ place: Int, in turn: inout Turn) {
        let state = entries[place].state
        guard entries[place].told != state else { return }
        entries[place].told = state
        turn.put(
            .feed(FeedState(instrument: entries[place].number, state: state, time: turn.now.wall)))
    }

    /// Applies an event to a feed, and reports the phase that follows with its reason.
    mutating func handle(
        _ event: FeedEvent, _ route: FeedRoute, _ reason: String, in turn: inout Turn
    ) {
        let reason = reason.asReason
        let old = self[route].phase.state
        note(event, route, turn.now)
        let state = self[route].phase.state
        if old != state || self[route].reason != reason {
            let number = entries[route.place].number
            turn.report(.feed(instrument: number, self[route].feed, state, reason: reason))
        }
        self[route].reason = reason
        reportState(route.place, in: &turn)
    }

    /// Applies an event without a report about it.
    mutating func note(_ event: FeedEvent, _ route: FeedRoute, _ now: Moment) {
        count(self[route].phase.cause, -1)
        self[route].phase.handle(event, now)
        count(self[route].phase.cause, 1)
    }

    private mutating func count(_ cause: OutageCause?, _ change: Int) {
        if let cause { outCounts[cause.kind.rawValue] += change }
    }
}
