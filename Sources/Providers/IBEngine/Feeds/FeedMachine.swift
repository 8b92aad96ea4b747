internal import IBProtocol
internal import MarketModel
internal import Primitives

/// The feeds of all instruments: what is wanted, what was requested, and with which outcome.
/// `IBEngine` owns it, and calls it in each turn.
///
/// - An instrument has one *slot* per feed that is wanted of it. Its *place* is its index in
///   `entries`, and a *route* (`FeedRoute`) is a place with the index of a slot.
/// - A feed *delivers* while its phase is `live`. A *tick-by-tick* feed is one of trades, quotes or
///   midpoints, in contrast to level 1, in which the server combines ticks.
/// - The gap of an outage is *open* until the outage has ended.
/// - Times are monotonic where they decide what is due, and by the wall clock in records.
struct FeedMachine: Sendable {
    /// By place. Instruments that are not wanted any more leave their place to the next one.
    var entries: [InstrumentEntry] = []
    /// The places of wanted instruments, by the number of the instrument.
    private var placesByNumber: [UInt32: Int] = [:]
    /// The places that the next new instruments get.
    private var freePlaces: [Int] = []
    /// The feed that gets a request's answers, by the request's number. It is never iterated: its
    /// order means nothing.
    var routes: [Int32: FeedRoute] = [:]
    /// The place of the instrument whose contract details were requested, by the request's number.
    var detailsRequests: [Int32: Int] = [:]
    var endedOutages = EndedOutages()
    /// Subscriptions that hold trades back for a part of a second, until it is known whether the
    /// exchange reports them (`PrintQueue`).
    var feedsHoldingTrades: [FeedRoute] = []
    /// The feed whose live data a request asks about, by the request's number.
    var looks: [Int32: FeedRoute] = [:]
    /// How late delayed trades are at most, in nanoseconds: as they show it, and the longest usual
    /// delay as long as they have shown nothing.
    var delayedLag = EngineLimits.delayedLag
    /// The rules of time zones, by the names that contract details give them.
    var zones: [String: ZoneRules] = [:]
    /// The recorded headlines, and the outages of news that headlines of the past will fill.
    var headlines = Headlines()
    var venues = Venues()
    /// The notice that data of feeds that deliver may be missing; `nil`: there is none.
    var suspicion: Suspicion?
    /// When `scan` has something to do next, monotonic.
    var nextScan = MonotonicTime.distantPast
    private(set) var counts = FeedCounts()

    /// Returns the place of an instrument; `nil`: it is not wanted.
    func place(of number: UInt32) -> Int? { placesByNumber[number] }

    /// The slot of a feed.
    subscript(route: FeedRoute) -> FeedSlot {
        @inline(__always) _read { yield entries[route.place].slots[route.slot] }
        @inline(__always) _modify { yield &entries[route.place].slots[route.slot] }
    }

    /// Returns the number of the instrument that a feed's request is about; `nil`: no feed has such
    /// a request.
    func instrument(of request: Int32) -> UInt32? {
        routes[request].map { entries[$0.place].number }
    }

    // MARK: what is wanted

    /// Adds an instrument; its feeds are requested from the next scan on. An instrument that is
    /// wanted already stays as it is. `old`: its state until now, if it only gets other feeds. Then
    /// its contract details need not be requested again.
    mutating func begin(
        _ number: UInt32, _ instrument: Instrument, detailsOf old: InstrumentEntry? = nil,
        in turn: inout Turn
    ) {
        guard placesByNumber[number] == nil, number != TickHeader.noSymbol else { return }
        var entry = InstrumentEntry(
            number, instrument, venue: 0, patience: turn.silentAfter,
            delayed: turn.settings.delayed)
        entry.venue = venues.number(of: entry.contract)
        if let old { entry.takeDetails(of: old) }
        let place: Int
        if let last = freePlaces.popLast() {
            place = last
            entries[place] = entry
        } else {
            place = entries.count
            entries.append(entry)
        }
        placesByNumber[number] = place
        counts.add(entry.slots, 1)
        nextScan = min(nextScan, turn.now.monotonic)
        reportState(place, in: &turn)
    }

    /// Removes an instrument and ends its outages. `kept`: the kinds of data whose outages stay
    /// open, because the instrument begins again with other feeds that deliver them. Empty: it does
    /// not begin again, and its gaps that wait to be filled are abandoned.
    mutating func end(_ number: UInt32, keepingOutagesOf kept: KindSet = [], in turn: inout Turn) {
        guard let place = placesByNumber.removeValue(forKey: number) else { return }
        for slot in entries[place].slots.indices {
            drop(FeedRoute(place: place, slot: slot), cancels: true, "no longer wanted", in: &turn)
        }
        for kind in KindSet.everything where !kept.contains(KindSet(kind)) {
            endOutage(place, kind, to: turn.now.wall, .unwanted, in: &turn)
        }
        endDelayed(place, "the instrument is no longer wanted", in: &turn)
        // An answer would go to this place, which another instrument may get soon.
        for id in detailsRequests.keys.sorted() where detailsRequests[id] == place {
            detailsRequests[id] = nil
            turn.pacing.withdraw(id: id)
        }
        if !kept.contains(.news) {
            giveUpNews(of: number, "the instrument is no longer wanted", in: &turn)
        }
        if kept.isEmpty { abandonGaps(of: place, in: &turn) }
        counts.add(entries[place].slots, -1)
        entries[place].isActive = false
        entries[place].slots = []
        freePlaces.append(place)
    }

    /// Abandons the gaps of an instrument that are not filled yet.
    private mutating func abandonGaps(of place: Int, in turn: inout Turn) {
        var cancels: [IBRequest] = []
        for ended in endedOutages.take(where: { $0.place == place }) {
            turn.live.putGap(
                ended.gap, .abandoned, "the instrument is no longer wanted", now: turn.now.wall)
        }
        turn.backfill.drop(
            instrument: entries[place].number, now: turn.now, into: &cancels,
            into: &turn.live.records)
        for cancel in cancels { _ = turn.pacing.ask(cancel, .urgent, now: turn.now.monotonic) }
    }

    // MARK: outages from before

    /// Returns all kinds of data that the instrument's feeds deliver.
    func kinds(at place: Int) -> [DataKind] {
        entries[place].slots.reduce(into: KindSet()) { $0.formUnion($1.kinds) }.kinds
    }

    /// Returns the time from which data may be missing after another process recorded them up to
    /// `reached`. What was on its way to that process is missing too. With receive times (a grain
    /// of 1 ns) those ticks are later than `reached`. With the provider's times they may be
    /// earlier, and have the beginning of their second or millisecond.
    func outageStart(of kind: DataKind, at place: Int, reached: Timestamp, in turn: Turn)
        -> Timestamp
    {
        let grain = entries[place].slots.filter { $0.kinds.contains(KindSet(kind)) }
            .reduce(1) { max($0, $1.feed.grain(of: kind)) }
        guard grain > 1 else { return reached }
        return reached.advanced(byNanoseconds: -EngineLimits.transit)
            .floored(toNanoseconds: grain)
    }

    // MARK: time

    /// Does what is due by time, every `EngineLimits.scanInterval`, or earlier when something has
    /// lowered `nextScan`. Feeds are checked only while requests can be sent.
    mutating func scan(in turn: inout Turn) {
        guard turn.now.monotonic >= nextScan else { return }
        nextScan = turn.later(by: EngineLimits.scanInterval)
        deliverDueTrades(in: &turn)
        measureDelayedLag()
        fillEndedOutages(in: &turn)
        guard turn.platform.isReady else { return }
        scanSuspects(in: &turn)
        for place in entries.indices where entries[place].isActive {
            scanDetails(place, in: &turn)
            finishHandOver(place, in: &turn)
            guard entries[place].details.isSettled else { continue }
            for slot in entries[place].slots.indices {
                scan(FeedRoute(place: place, slot: slot), in: &turn)
            }
        }
    }

    /// Does what is due for one feed: requests it, gives a request up, or treats a subscription as
    /// live or as dead.
    private mutating func scan(_ route: FeedRoute, in turn: inout Turn) {
        switch self[route].phase {
        case .idle(let idle):
            if turn.now.monotonic >= idle.until { ask(route, in: &turn) }
        case .asked(let asked):
            if self[route].feed.isDocument {
                // Its complete answer would have ended this phase.
                guard turn.now.monotonic >= asked.until else { return }
                fail(route, .down, "no answer in time", in: &turn)
            } else if self[route].awaitsLive(in: turn) {
                // Delayed data come in place of live ones, and are left out until the deadline.
                if turn.now.monotonic >= asked.until { refuseDelayed(route, in: &turn) }
            } else if turn.now.monotonic >= asked.until {
                restart(route, "TWS may have left the request out", in: &turn)
            } else if turn.now.monotonic >= self[route].look.priceDue {
                turnToDelayed(route, in: &turn)
            } else if turn.platform.isHealthy, isSettled(route, asked, in: turn) {
                // Without its vendor, a platform accepts requests and delivers nothing.
                start(route, in: &turn)
            } else if !asked.isSent,
                turn.now.monotonic >= asked.since + EngineLimits.downWait
            {
                // The account has too few lines, so pacing still holds the request. Meanwhile
                // level 1 delivers the same data.
                giveBackToLevel1(route, "it waits for a line", in: &turn)
            }
        case .live:
            watch(route, in: &turn)
            lookForLive(route, in: &turn)
        case .interrupted(_, let outage):
            if self[route].awaitsLive(in: turn) {
                if turn.now.monotonic >= outage.until { refuseDelayed(route, in: &turn) }
            } else if turn.now.monotonic >= outage.until || hasNotReturned(route, outage, in: turn)
            {
                restart(route, "it did not come back by itself", in: &turn)
            }
        case .done(let day):
            if Self.day(turn.now.wall) != day { ask(route, in: &turn) }
        }
    }

    /// Returns the UTC day, as its number since 1970.
    static func day(_ time: Timestamp) -> Int64 {
        time.floored(toNanoseconds: .days(1)).nanoseconds / Int64.days(1)
    }

    // MARK: what others see

    /// Sends the state of an instrument to the router, if it has changed.
    mutating func reportState(_ place: Int, in turn: inout Turn) {
        let state = entries[place].state
        guard entries[place].reportedState != state else { return }
        entries[place].reportedState = state
        turn.live.put(
            .feed(FeedState(instrument: entries[place].number, state: state, time: turn.now.wall)))
    }

    /// Applies an event to a feed. Reports the new phase and its reason to logs and metrics, and
    /// the instrument's state to the router, as far as they have changed.
    mutating func handle(
        _ event: FeedEvent, _ route: FeedRoute, _ reason: String, in turn: inout Turn
    ) {
        let reason = reason.cutToReason
        let old = self[route].phase.state
        apply(event, route, turn.now)
        let state = self[route].phase.state
        if old != state, self[route].feed.hasPrints { entries[route.place].units.begin() }
        if old != state || self[route].reason != reason {
            let number = entries[route.place].number
            turn.report(.feed(instrument: number, self[route].feed, state, reason: reason))
        }
        self[route].reason = reason
        reportState(route.place, in: &turn)
    }

    /// Applies an event without any report.
    mutating func apply(_ event: FeedEvent, _ route: FeedRoute, _ now: Moment) {
        let cause = self[route].phase.cause
        self[route].phase.handle(event, now)
        counts.change(from: cause, to: self[route].phase.cause)
    }
}
