internal import IBProtocol
internal import MarketModel
internal import Primitives

/// Why a feed has stopped delivering. Its kind decides what ends the outage, as `resumeAll` does.
struct OutageCause: Hashable, Sendable {
    enum Kind: Int, Hashable, Sendable, CaseIterable {
        /// The connection to the platform was lost.
        case connection
        /// The platform has lost its vendor.
        case server
        /// A farm, which is a part of the vendor's service, is down.
        case farm
        /// Nothing came for too long in trading hours.
        case silence
        /// The same user watches the market somewhere else.
        case competing
        /// The provider refused the feed, or delivers delayed data in place of live ones.
        case refusal
        /// The engine ended the subscription itself, to request it again.
        case restart
        /// The gateway stops.
        case stop
    }

    var kind: Kind
    /// The reason in gap records.
    var reason: GapReason
    /// For people: the detail of gap records.
    var text: String

    /// `isReset`: it happened while the vendor restarts its servers, as every night.
    init(_ kind: Kind, _ text: String, isReset: Bool = false) {
        self.kind = kind
        self.text = text
        switch kind {
        case .connection, .server, .farm: reason = isReset ? .maintenance : .disconnected
        case .silence, .competing, .refusal, .restart: reason = .providerLoss
        case .stop: reason = .gatewayLost
        }
    }
}

/// The kinds of data that level 1 delivers again, because they do not come tick by tick any more.
struct Regained: Sendable {
    var kinds: KindSet = []
    /// Since when it delivers them, by our wall clock; undefined: there are none.
    var since = Timestamp.undefined
    /// Since when it delivers trades, by the provider's clock: at a whole second.
    var tradesSince = Timestamp.undefined
}

/// How long after their times delayed trades came, in nanoseconds.
struct RecentLag: Hashable, Sendable {
    /// Of the last trade; 0: none has come.
    private(set) var last: Int64 = 0
    /// The largest of the present span of time, and of the one before.
    private var present: Int64 = 0
    private var before: Int64 = 0
    /// When the present span began, by our wall clock.
    private var since = Timestamp.undefined

    /// The largest of the last one or two spans.
    var largest: Int64 { max(present, before) }

    mutating func add(_ lag: Int64, at time: Timestamp) {
        last = lag
        let isOver =
            !since.isDefined || time < since
            || time.nanoseconds(since: since) >= EngineLimits.lagSpan
        if isOver { (before, present, since) = (present, 0, time) }
        present = max(present, lag)
    }
}

/// One feed of one instrument, with its request and what has come of it.
struct FeedSlot: Sendable {
    let feed: FeedKind
    /// The kinds of data that it delivers at present. Level 1 has fewer while trades or quotes come
    /// tick by tick.
    var kinds: KindSet
    var phase = FeedPhase.idle(FeedPhase.Idle())
    /// Why it is in this phase, for people.
    var reason = ""
    /// The provider's remark about the present subscription; empty: there is none.
    var remark = ""
    /// The number of failed requests in a row. The wait for the next one grows with it.
    var failures = 0
    var regained = Regained()
    /// When anything last came of it, monotonic and by the wall clock. A request that leaves sets
    /// the first one too, and a subscription that delivers again sets both: silence is measured
    /// from there.
    var lastTick = MonotonicTime.distantPast
    var lastTickWall = Timestamp.undefined
    /// The latest event times of delivered trades, and of everything else; undefined: none came.
    var lastTrade = Timestamp.undefined
    var lastOther = Timestamp.undefined
    /// The usual pauses between its ticks.
    var rhythm = Rhythm()
    /// How long nothing may come in busy hours before the feed is requested again, in nanoseconds:
    /// at first `silentAfter`, and twice as long after each such silence.
    var patience: Int64
    /// The number of ticks since the last such silence. After 16 of them `patience` is reset.
    var ticksSinceSilence = 0
    /// Whether the data are live or delayed, as the provider reports it.
    var mode = FeedMode.unknown
    /// The source to which its records belong. Its request asks for the data of that one.
    var outlet = Outlet.Kind.live
    /// Level 1 only: it is not wanted itself, and stands in for tick-by-tick feeds while the
    /// provider refuses them, because delayed data do not come tick by tick.
    var isStandIn = false
    /// The question whether its data come live again.
    var look = LiveLook()
    /// The provider's time of the latest delayed trade; undefined: none has come with a time. And
    /// how long after their times the recent ones came.
    var lastDelayed = Timestamp.undefined
    var tradeLag = RecentLag()
    /// Level 1 only: makes ticks of the single values of its request; `nil`: no request has left.
    var assembler: MarketDataAssembler?
    /// Level 1 only: how often its further values were refused. It is requested with fewer each
    /// time.
    var valuesLeftOut = 0
    /// The contract under which the provider keeps these data; `nil`: the instrument's own.
    var reroute: Reroute?
    /// The number of reroutes in a row, without any delivery in between.
    private var reroutes = 0
    /// Headlines only: the time from which they are requested; undefined: those of a day.
    var since = Timestamp.undefined

    init(_ feed: FeedKind, kinds: KindSet, patience: Int64) {
        self.feed = feed
        self.kinds = kinds
        self.patience = patience
    }

    /// Notes that the provider keeps these data under another contract, which has to be requested.
    /// Returns false when the provider named another one too often in a row.
    mutating func follow(_ next: Reroute) -> Bool {
        reroutes = phase.live != nil ? 1 : reroutes + 1
        guard reroutes <= EngineLimits.reroutesMax else {
            reroutes = 0
            reroute = nil
            return false
        }
        reroute = next
        return true
    }

    /// Whether it delivers, as far as is known: a silent feed may already be dead.
    @inline(__always)
    var isDelivering: Bool { if case .live = phase { true } else { false } }

    /// It delivers as far as is known, but a notice says that its data may be missing.
    var isSuspected: Bool { if case .live(let live) = phase { live.isSuspected } else { false } }

    /// The provider has refused it, or the source's settings rule it out.
    var isRefused: Bool { phase.state == .refused }

    /// Its trades are reported long after their time.
    var isDelayed: Bool { mode.isDelayed }

    /// Returns whether what comes is left out, because the provider calls it delayed and no delayed
    /// data are wanted.
    func awaitsLive(in turn: Turn) -> Bool { isDelayed && turn.settings.delayed == .never }

    /// Returns the time since which this feed delivers the kind; undefined: it does not deliver.
    func began(_ kind: DataKind) -> Timestamp {
        let started = phase.live?.since ?? .undefined
        guard regained.kinds.contains(KindSet(kind)) else { return started }
        return max(started, kind == .trade ? regained.tradesSince : regained.since)
    }

    /// Returns the latest event time of this kind; undefined: none came.
    func lastEvent(of kind: DataKind) -> Timestamp { kind == .trade ? lastTrade : lastOther }

    /// Notes a trade that goes to the tape.
    @inline(__always)
    mutating func delivered(_ trade: Trade) {
        lastTrade = Self.later(lastTrade, trade.header.eventTime)
        look.priceDue = .never
        if trade.header.flags.contains(.delayed) { delivered(delayed: trade.header) }
    }

    /// Notes the event time of another record that goes to the tape.
    @inline(__always)
    mutating func delivered(at time: Timestamp) {
        lastOther = Self.later(lastOther, time)
        look.priceDue = .never
    }

    private mutating func delivered(delayed header: TickHeader) {
        guard header.providerTime.isDefined, !header.flags.contains(.snapshot) else { return }
        lastDelayed = Self.later(lastDelayed, header.providerTime)
        let lag = max(0, header.receiveTime.nanoseconds(since: header.providerTime))
        tradeLag.add(min(lag, EngineLimits.delayedLag), at: header.receiveTime)
    }

    private static func later(_ left: Timestamp, _ right: Timestamp) -> Timestamp {
        left.isDefined ? max(left, right) : right
    }

    /// Returns the event time from which delayed trades are missing, if they come with the
    /// provider's times. It is the time of the last one or, before the first one, `trusted` minus
    /// the longest delay. Returns `nil` when trades are live, or are recorded with receive times.
    func delayedStart(trusted: Timestamp) -> Timestamp? {
        guard isDelayed, lastDelayed.isDefined || !lastTrade.isDefined else { return nil }
        return lastDelayed.isDefined
            ? lastDelayed : trusted.advanced(byNanoseconds: -EngineLimits.delayedLag)
    }

    /// Returns the event time up to which trades are missing when they come again from `time` on.
    /// For live trades it is `time`. Delayed ones are older by their lag; their times are whole
    /// seconds, so the gap ends two seconds later than the last lag gives.
    func delayedEnd(_ time: Timestamp) -> Timestamp {
        guard isDelayed, lastDelayed.isDefined else { return time }
        return max(
            lastDelayed.advanced(byNanoseconds: 1),
            time.advanced(byNanoseconds: 2 * EngineLimits.second - tradeLag.last))
    }

    /// Returns the event time from which data of this kind may be missing, if everything that was
    /// sent until `trusted` has come. Event times of whole seconds or milliseconds are their
    /// beginnings, and data take a while to come.
    func outageStart(of kind: DataKind, trusted: Timestamp) -> Timestamp {
        let grain = feed.grain(of: kind)
        var from = trusted
        if grain > 1 {
            from = trusted.advanced(byNanoseconds: -EngineLimits.transit)
                .floored(toNanoseconds: grain)
        }
        let last = lastEvent(of: kind)
        // An event time more than 2 s after `trusted` is the provider's mistake: data did not come
        // so far.
        let isCredible =
            last.isDefined && last.nanoseconds(since: trusted) <= 2 * EngineLimits.second
        if isCredible { from = max(from, last) }
        return from
    }
}

/// An instrument with its contract, its feeds, and what arrived of it in the last seconds.
struct InstrumentEntry: Sendable {
    /// The outcome of the request for the details of its contract, which comes before all others.
    enum Details: Hashable, Sendable {
        /// They are not requested yet.
        case unknown
        /// They were requested, with this number.
        case asked(Int32)
        /// The details came, or nothing came in time. Its data can be requested.
        case settled
        /// The provider refused them, or several contracts answered. No data are requested, and the
        /// details are requested again after an hour.
        case refused
    }

    /// The instrument's number in the provider's registry, which is the symbol's number in records.
    let number: UInt32
    let instrument: Instrument
    /// False: the instrument is no longer wanted, and its place is free.
    var isActive = true
    /// What is requested: the instrument's contract, with what the details added to it.
    var contract: Contract
    var details = Details.unknown
    /// When an open request for details is given up, or the next one is made, monotonic.
    var detailsDue = MonotonicTime.distantPast
    /// The provider has sent details of the contract. So the first reports that there is no such
    /// contract are not believed.
    var isContractKnown = false
    /// The number of contracts in the answer to the request for details.
    var detailsFound = 0
    /// The details of the only contract so far; `nil`: none came, or those of several.
    var detailsCandidate: ContractDetails?
    /// The name of the time zone of its hours; empty: it is not known.
    var zone = ""
    /// The text from which `hours` are read, as soon as the zone's rules are known.
    var hoursText = ""
    /// Its liquid (regular) trading hours; `nil` while they are not known.
    var hours: SessionHours?
    /// The same for all hours in which it trades, liquid or not.
    var allHoursText = ""
    var allHours: SessionHours?
    /// The number of its venue.
    var venue: Int
    var slots: [FeedSlot]
    /// What arrived in the last seconds, for the borders of outages.
    var trades = BorderTicks()
    var quotes = BorderTicks()
    var bars = BorderTicks()
    /// Level 1's volume of the day (undefined: none came), and when it last changed, monotonic.
    var volume = Quantity.undefined
    var volumeGrew = MonotonicTime.distantPast
    /// Whether the sizes of its trades are in shares.
    var units = UnitWitness()
    /// Whether level 1 or the tick-by-tick feed delivers trades.
    var handOver = TradeHandOver()
    /// When the tick-by-tick feed took the quotes over from a level 1 that delivered, as far as was
    /// known; `nil`: one of them has stopped since. Level 1 may have been silent already.
    var quotesTakenOver: Timestamp?
    /// The state that the router last got; `nil`: it got none.
    var reportedState: FeedState.State?
    /// Until when an earlier process recorded its delayed data; undefined: it did not, or it is
    /// settled what became of them.
    var delayedReached = Timestamp.undefined

    init(
        _ number: UInt32, _ instrument: Instrument, venue: Int, patience: Int64,
        delayed: DelayedData = .never
    ) {
        self.number = number
        self.instrument = instrument
        self.venue = venue
        contract = Contract(instrument)
        slots = FeedKind.needed(instrument.feeds).map {
            FeedSlot($0, kinds: $0.kinds(of: instrument), patience: patience)
        }
        prepareDelayed(delayed, patience: patience)
    }

    /// Returns how many of its feeds are late in this way.
    func feeds(of lag: FeedKind.Lag) -> Int { slots.count { $0.feed.lag == lag } }

    /// Returns whether level 1 can be requested with fewer values. The provider may refuse only one
    /// of the further values, and prices come without them.
    func canAskForLess(_ slot: Int) -> Bool {
        slots[slot].feed == .marketData && slots[slot].phase.state == .asked
            && slots[slot].valuesLeftOut < genericTicks.leavingOutMax
    }

    private var genericTicks: GenericTicks { GenericTicks(contract.kind, instrument.feeds) }

    /// Requests level 1 with fewer values. Headlines that are not requested are not recorded as
    /// delivered either.
    mutating func askForLess(_ slot: Int) {
        slots[slot].valuesLeftOut += 1
        guard !genericTicks[slots[slot].valuesLeftOut].contains(GenericTicks.news) else { return }
        slots[slot].kinds.remove(.news)
    }

    /// Requests all values again. Another connection may give what this one refused: this happens
    /// around the start of a server.
    mutating func askForAllAgain(_ slot: Int) {
        guard slots[slot].valuesLeftOut > 0 else { return }
        slots[slot].valuesLeftOut = 0
        if instrument.feeds.contains(.news) { slots[slot].kinds.insert(.news) }
    }

    /// The hours in which it is never quiet for long. Stocks, options, indices and bonds are quiet
    /// outside of regular hours, and other kinds have no regular hours.
    var busyHours: SessionHours? {
        let hasRegularHours = [.stock, .option, .index, .bond].contains(contract.kind)
        return hasRegularHours ? hours : allHours ?? hours
    }

    /// Returns the wall time up to which everything that the server sent has certainly come.
    /// `trusted`: the caller's bound, which is correct if the feed was alive until then. A feed
    /// that has been silent may have been dead already. So the bound is its last tick, unless an
    /// earlier pause of this length or a closed market shows that the silence means nothing.
    func proven(_ slot: FeedSlot, upTo trusted: Timestamp) -> Timestamp {
        let last = slot.lastTickWall
        guard slot.isWatched, last < trusted else { return max(last, trusted) }
        // It has been silent for as long before, and was alive.
        let pause = trusted.nanoseconds(since: last)
        if pause > EngineLimits.shortPause, pause <= slot.rhythm.longest { return trusted }
        guard let open = allHours?.firstOpen(from: last) else { return last }
        return min(open, trusted)
    }

    /// Returns where the arrivals of a kind are kept for the borders of outages; `nil`: they are
    /// not kept, because history is not compared with them.
    static func borderTicks(of kind: DataKind) -> WritableKeyPath<InstrumentEntry, BorderTicks>? {
        switch kind {
        case .trade: \.trades
        case .quote: \.quotes
        case .providerBar: \.bars
        case .any, .depth, .optionComputation, .news, .fundamental, .indicator: nil
        }
    }

    /// The state for the router, which chooses the provider of each instrument. Of several states
    /// of feeds, `down` counts more than `live`. Documents are not part of it.
    var state: FeedState.State {
        var isAnyLive = false
        var isAnyDown = false
        var isAllRefused = true
        for slot in slots where !slot.feed.isDocument && !slot.isDelayedInPlaceOfLive {
            switch slot.phase.state {
            case .live: isAnyLive = true
            case .interrupted, .down, .waitingForLines: isAnyDown = true
            case .waiting, .asked: if slot.phase.cause != nil { isAnyDown = true }
            case .refused, .done: break
            }
            if !slot.isRefused { isAllRefused = false }
        }
        if details == .refused || isAllRefused { return .refused }
        if isAnyDown { return .down }
        return isAnyLive ? .live : .starting
    }
}
