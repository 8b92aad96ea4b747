internal import IBProtocol
internal import MarketModel
internal import Primitives

/// What is wanted of which instrument, what was asked for, and what became of it.
struct FeedMachine: Sendable {
    /// An outage that has ended: soon all is there that it is compared with.
    struct Closing: Sendable {
        var gap: OpenGap
        var place: Int
        var before: Arrivals
        /// From when on what came behind it was kept.
        var behind: Timestamp
        var due: Int64
    }

    /// Instruments that are not wanted any more leave their place to the next one.
    var entries: [InstrumentEntry] = []
    private var places: [UInt32: Int] = [:]
    private var free: [Int] = []
    /// By the numbers of requests. Never walked: its order means nothing.
    var routes: [Int32: FeedRoute] = [:]
    var detailsRoutes: [Int32: Int] = [:]
    var closings: [Closing] = []
    /// Subscriptions of which trades wait for a word about them; few, and for a part of a second.
    var withWaiting: [FeedRoute] = []
    /// A source of delayed data, and not everything that it records is known to be live.
    var mayBeDelayed = false
    var zones: [String: ZoneRules] = [:]
    var headlines = Headlines()
    /// What trades in the same place: contracts of a kind, exchange and currency.
    private struct Group: Hashable {
        var kind: SecurityKind
        var exchange: String
        var currency: String
    }

    private var groups: [Group: Int] = [:]
    /// By the numbers of groups.
    var lives: [GroupLife] = []
    /// nil: nothing says that data may be missing of what delivers.
    var suspicion: Suspicion?
    /// When something is looked at, monotonic.
    var nextScan: Int64 = 0
    /// Feeds that are out, by the kind of reason; and those whose clocks tell whole seconds. Both
    /// are asked for at every turn, so they are kept, and not counted anew.
    private var outCounts = [Int](repeating: 0, count: OutageCause.Kind.allCases.count)
    private var stampedFeeds = 0
    private var barFeeds = 0

    func place(of number: UInt32) -> Int? { places[number] }

    /// Of a request of its feeds.
    func instrument(of request: Int32) -> UInt32? {
        routes[request].map { entries[$0.place].number }
    }

    // MARK: what is wanted

    mutating func begin(
        _ number: UInt32, _ instrument: Instrument, knowing old: InstrumentEntry? = nil,
        _ now: Moment, _ tools: inout EngineTools, _ out: inout IBEngine.Output
    ) {
        guard places[number] == nil, number != TickHeader.noSymbol else { return }
        var entry = InstrumentEntry(
            number, instrument, group: 0, patience: tools.silentAfter)
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
        mayBeDelayed = tools.settings.isDelayed && (mayBeDelayed || entry.mayBeDelayed)
        nextScan = min(nextScan, now.monotonic)
        tellState(place, now, &out)
    }

    mutating func end(
        _ number: UInt32, keeping kept: KindSet = [], _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        guard let place = places.removeValue(forKey: number) else { return }
        for slot in entries[place].slots.indices {
            drop(
                FeedRoute(place: place, slot: slot), cancels: true, "no longer wanted", now, &tools,
                &out)
        }
        for kind in KindSet.everything where !kept.contains(KindSet(kind)) {
            close(place, kind, to: now.wall, isWanted: false, now, &tools, &out)
        }
        // Another one may have this place soon.
        for id in detailsRoutes.keys.sorted() where detailsRoutes[id] == place {
            detailsRoutes[id] = nil
            tools.pacing.withdraw(id: id)
        }
        if !kept.contains(.news) {
            giveUpNews(of: number, "the instrument is no longer wanted", now, &out)
        }
        if kept.isEmpty { forgetHistory(of: place, now, &tools, &out) }
        for slot in entries[place].slots.indices {
            set(nil, FeedRoute(place: place, slot: slot))
        }
        stampedFeeds -= entries[place].feeds(of: .stamped)
        barFeeds -= entries[place].feeds(of: .bars)
        entries[place].isActive = false
        entries[place].slots = []
        free.append(place)
    }

    private mutating func forgetHistory(
        of place: Int, _ now: Moment, _ tools: inout EngineTools, _ out: inout IBEngine.Output
    ) {
        var cancels: [IBRequest] = []
        for closing in closings where closing.place == place {
            let record = closing.gap.record(
                .abandoned, detail: "the instrument is no longer wanted", now: now.wall)
            out.records.append(.gap(record))
        }
        closings.removeAll { $0.place == place }
        tools.backfill.drop(
            instrument: entries[place].number, now: now, into: &cancels, into: &out.records)
        for cancel in cancels { _ = tools.pacing.ask(cancel, .urgent, now: now.monotonic) }
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

    /// What was missing already when this process began, and has not ended.
    mutating func resume(
        _ number: UInt32, _ kind: DataKind, from: Timestamp, reason: GapReason, isTold: Bool,
        _ now: Moment, _ tools: inout EngineTools, _ out: inout IBEngine.Output
    ) {
        let record = tools.outages.begin(
            number, kind, from: from, reason: reason, detail: "the gateway was not there",
            now: now.wall)
        if !isTold, let record { out.records.append(.gap(record)) }
    }

    /// All kinds that the instrument's feeds deliver.
    func kinds(at place: Int) -> [DataKind] {
        entries[place].slots.reduce(into: KindSet()) { $0.formUnion($1.kinds) }.kinds
    }

    /// From when on data may be missing of which another process received the last one: what was
    /// on its way to it is stamped with the beginning of its second.
    func outageStart(
        of kind: DataKind, at place: Int, reached: Timestamp, _ tools: EngineTools
    ) -> Timestamp {
        // Delayed trades that were told last are older than everything else that was.
        if tools.settings.isDelayed, kind == .trade, entries[place].mayBeDelayed {
            return reached.advanced(byNanoseconds: -EngineLimits.delayedLag)
        }
        let grain = entries[place].slots.filter { $0.kinds.contains(KindSet(kind)) }
            .reduce(1) { max($0, $1.feed.grain(of: kind)) }
        guard grain > 1 else { return reached }
        return reached.advanced(byNanoseconds: -EngineLimits.transit)
            .floored(toNanoseconds: grain)
    }

    // MARK: time

    mutating func scan(
        _ now: Moment, _ tools: inout EngineTools, _ out: inout IBEngine.Output
    ) {
        guard now.monotonic >= nextScan else { return }
        nextScan = now.monotonic.later(by: EngineLimits.scanInterval)
        deliverWaited(now, &tools, &out)
        mayBeDelayed = tools.settings.isDelayed && entries.contains(where: \.mayBeDelayed)
        flushClosings(now, of: nil, until: .undefined, &tools, &out)
        guard tools.isReady else { return }
        scanSuspects(now, &tools, &out)
        for place in entries.indices where entries[place].isActive {
            scanDetails(place, now, &tools, &out)
            finishTakeOver(place, now, &tools, &out)
            guard entries[place].details == .settled else { continue }
            for slot in entries[place].slots.indices {
                scan(FeedRoute(place: place, slot: slot), now, &tools, &out)
            }
        }
    }

    private mutating func scan(
        _ route: FeedRoute, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        // Most have nothing to do: they are not copied to find that out.
        let due = entries[route.place].slots[route.slot].due
        switch entries[route.place].slots[route.slot].state {
        case .waiting, .down, .refused, .waitingForLines:
            if now.monotonic >= due { ask(route, now, &tools, &out) }
        case .asked where entries[route.place].slots[route.slot].feed.isDocument:
            if now.monotonic >= due {
                fail(route, .down, "no answer in time", now, &tools, &out)
            }
        case .asked where entries[route.place].slots[route.slot].awaitsLive(tools),
            .interrupted where entries[route.place].slots[route.slot].awaitsLive(tools):
            if now.monotonic >= due { refuseDelayed(route, now, &tools, &out) }
        case .asked:
            let slot = entries[route.place].slots[route.slot]
            if tools.isHealthy, isSettled(route, tools, now) {
                start(route, now, &tools, &out)
            } else if !slot.isSent, now.monotonic >= slot.asked.later(by: EngineLimits.downWait) {
                giveBack(route, "it waits for a line", now, &tools, &out)
            }
        case .live: watch(route, now, &tools, &out)
        case .interrupted:
            if now.monotonic >= due || isLeftBehind(route, now, tools) {
                restart(route, "it did not come back by itself", now, &tools, &out)
            }
        case .done:
            if Self.day(now.wall) != entries[route.place].slots[route.slot].documentDay {
                ask(route, now, &tools, &out)
            }
        }
    }

    static func day(_ time: Timestamp) -> Int64 {
        time.floored(toNanoseconds: 86_400 * EngineLimits.second).nanoseconds
            / (86_400 * EngineLimits.second)
    }

    // MARK: what others see

    /// Why the feed is out at the moment; nil: it is not.
    mutating func set(_ cause: OutageCause?, _ route: FeedRoute) {
        if let old = entries[route.place].slots[route.slot].cause {
            outCounts[old.kind.rawValue] -= 1
        }
        if let cause { outCounts[cause.kind.rawValue] += 1 }
        entries[route.place].slots[route.slot].cause = cause
    }

    /// Whether a feed is out for this kind of reason.
    func isAny(_ kind: OutageCause.Kind) -> Bool { outCounts[kind.rawValue] > 0 }

    /// Of all feeds, how long what they deliver may be on its way: as long as with the slowest one.
    var delay: Int64 {
        if mayBeDelayed { return EngineLimits.delayedLag }
        if barFeeds > 0 { return EngineLimits.barLag }
        return stampedFeeds > 0 ? EngineLimits.stampedLag : EngineLimits.transit
    }

    mutating func tellState(_ place: Int, _ now: Moment, _ out: inout IBEngine.Output) {
        let state = entries[place].state
        guard entries[place].told != state else { return }
        entries[place].told = state
        out.records.append(
            .feed(FeedState(instrument: entries[place].number, state: state, time: now.wall)))
    }

    /// Changes what a feed is in, and tells of it.
    mutating func set(
        _ route: FeedRoute, _ state: FeedStatus.State, _ reason: String, _ now: Moment,
        _ out: inout IBEngine.Output
    ) {
        let reason = reason.asReason
        let slot = entries[route.place].slots[route.slot]
        let isNew = slot.state != state || slot.reason != reason
        entries[route.place].slots[route.slot].state = state
        entries[route.place].slots[route.slot].reason = reason
        if isNew {
            out.tell(
                .feed(
                    instrument: entries[route.place].number, slot.feed, state, reason: reason))
        }
        tellState(route.place, now, &out)
    }
}
