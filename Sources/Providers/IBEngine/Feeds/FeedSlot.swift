internal import IBProtocol
internal import MarketModel
internal import Primitives

/// Why data that came do not come any more.
struct OutageCause: Hashable, Sendable {
    enum Kind: Int, Hashable, Sendable, CaseIterable {
        case connection, server, farm, silence, competing, refusal, restart, stop
    }

    var kind: Kind
    var reason: GapReason
    var text: String

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

/// Kinds that another feed delivered before, and since when it does not.
struct Regained: Sendable {
    var kinds: KindSet = []
    var since = Timestamp.undefined
    /// Its trades: by the provider's clock.
    var tradesSince = Timestamp.undefined
}

/// One request of one instrument, and what became of it.
struct FeedSlot: Sendable {
    let feed: FeedKind
    /// Of which kinds it is the one that delivers.
    var kinds: KindSet
    var phase = FeedPhase.idle(FeedPhase.Idle())
    /// Why it is in this phase, for people.
    var reason = ""
    /// What the provider said of the present subscription.
    var remark = ""
    var failures = 0
    /// What it tells of again in place of another feed.
    var regained = Regained()
    var lastTick: Int64 = 0
    var lastTickWall = Timestamp.undefined
    /// The latest event times that were delivered, of trades and of everything else.
    var lastTrade = Timestamp.undefined
    var lastOther = Timestamp.undefined
    var rhythm = Rhythm()
    /// For how long nothing may come; grows while nothing does.
    var patience: Int64
    var ticksSinceSilence = 0
    var mode = FeedMode.unknown
    /// Of the latest delayed trade that came with its own time: when it was, and how much later it
    /// came.
    var lastDelayed = Timestamp.undefined
    var tradeLag: Int64 = 0
    var assembler: MarketDataAssembler?
    /// Of level 1: how often further values were refused, and it is asked for with fewer.
    var valuesLeftOut = 0
    /// Asked of another contract: the provider keeps these data there.
    var reroute: Reroute?
    /// In a row, without a tick in between.
    private var reroutes = 0
    /// Of headlines: from when on they are asked for; undefined: those of a day.
    var since = Timestamp.undefined

    init(_ feed: FeedKind, kinds: KindSet, patience: Int64) {
        self.feed = feed
        self.kinds = kinds
        self.patience = patience
    }

    /// False: it was sent on too often.
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

    /// As far as is known: a feed that says nothing may be dead already.
    @inline(__always)
    var isDelivering: Bool { if case .live = phase { true } else { false } }

    var isSuspected: Bool { if case .live(let live) = phase { live.isSuspected } else { false } }

    var isRefused: Bool { phase.state == .refused }

    /// Its trades are told long after they were.
    var isDelayed: Bool { mode == .delayed || mode == .delayedFrozen }

    /// The provider calls its data delayed, and this source wants live ones: what comes is left
    /// out until they are.
    func awaitsLive(in turn: Turn) -> Bool { isDelayed && !turn.settings.isDelayed }

    /// Since when it is the one that delivers this kind.
    func began(_ kind: DataKind) -> Timestamp {
        let started = phase.live?.since ?? .undefined
        guard regained.kinds.contains(KindSet(kind)) else { return started }
        return max(started, kind == .trade ? regained.tradesSince : regained.since)
    }

    func lastEvent(of kind: DataKind) -> Timestamp { kind == .trade ? lastTrade : lastOther }

    @inline(__always)
    mutating func delivered(_ trade: Trade) {
        lastTrade = Self.later(lastTrade, trade.header.eventTime)
        if trade.header.flags.contains(.delayed) { delivered(delayed: trade.header) }
    }

    @inline(__always)
    mutating func delivered(at time: Timestamp) { lastOther = Self.later(lastOther, time) }

    private mutating func delivered(delayed header: TickHeader) {
        guard header.providerTime.isDefined, !header.flags.contains(.snapshot) else { return }
        lastDelayed = Self.later(lastDelayed, header.providerTime)
        tradeLag = max(0, header.receiveTime.nanoseconds(since: header.providerTime))
    }

    private static func later(_ left: Timestamp, _ right: Timestamp) -> Timestamp {
        left.isDefined ? max(left, right) : right
    }

    /// From when on delayed trades are missing that are told with their own times: behind the last
    /// one that was. Nil: they are told as of their arrival.
    func delayedStart(trusted: Timestamp) -> Timestamp? {
        guard isDelayed, lastDelayed.isDefined || !lastTrade.isDefined else { return nil }
        return lastDelayed.isDefined
            ? lastDelayed : trusted.advanced(byNanoseconds: -EngineLimits.delayedLag)
    }

    /// Up to when delayed trades are missing that are told again from `time` on. Their times are in
    /// whole seconds.
    func delayedEnd(_ time: Timestamp) -> Timestamp {
        guard isDelayed, lastDelayed.isDefined else { return time }
        return max(
            lastDelayed.advanced(byNanoseconds: 1),
            time.advanced(byNanoseconds: 2 * EngineLimits.second - tradeLag))
    }

    /// From when on data of this kind may be missing, if they could be trusted up to `trusted`.
    /// What the provider stamps with a whole second or millisecond is stamped with its beginning,
    /// and takes a while to come.
    func outageStart(of kind: DataKind, trusted: Timestamp) -> Timestamp {
        let grain = feed.grain(of: kind)
        var from = trusted
        if grain > 1 {
            from = trusted.advanced(byNanoseconds: -EngineLimits.transit)
                .floored(toNanoseconds: grain)
        }
        let last = lastEvent(of: kind)
        // A time far ahead is the provider's mistake, not one that was reached.
        let isCredible =
            last.isDefined && last.nanoseconds(since: trusted) <= 2 * EngineLimits.second
        if isCredible { from = max(from, last) }
        return from
    }
}

/// An instrument with all that is asked of it.
struct InstrumentEntry: Sendable {
    enum Details: Hashable, Sendable {
        case unknown
        case asked(Int32)
        /// They came, or nothing came in time: what is wanted can be asked for.
        case settled
        case refused
    }

    let number: UInt32
    let instrument: Instrument
    var isActive = true
    var contract: Contract
    var details = Details.unknown
    var detailsReason = ""
    /// When they are asked for, or given up, monotonic.
    var detailsDue: Int64 = 0
    /// The provider has told of it: that there is none is not believed at once.
    var isContractKnown = false
    /// Contracts that answered.
    var detailsFound = 0
    /// The only one so far.
    var detailsCandidate: ContractDetails?
    var zone = ""
    var hoursText = ""
    /// When it trades regularly, and at all.
    var hours: SessionHours?
    var allHoursText = ""
    var allHours: SessionHours?
    /// Of those that the machine knows: what trades in the same place.
    var group: Int
    var slots: [FeedSlot]
    var trades = BorderTicks()
    var quotes = BorderTicks()
    var bars = BorderTicks()
    /// The day's volume by level 1, and when it was last another one, monotonic.
    var volume = Quantity.undefined
    var volumeGrew = Int64.min
    var handOver = TradeHandOver()
    var told: FeedState.State?

    init(_ number: UInt32, _ instrument: Instrument, group: Int, patience: Int64) {
        self.number = number
        self.instrument = instrument
        self.group = group
        contract = Contract(instrument)
        slots = FeedKind.needed(instrument.feeds).map {
            FeedSlot($0, kinds: $0.kinds(of: instrument), patience: patience)
        }
    }

    /// In a source of delayed data: not all that it records is known to be live.
    var mayBeDelayed: Bool {
        isActive
            && slots.contains {
                $0.feed == .marketData && $0.kinds.contains(.trade) && $0.mode != .live
                    && !$0.isRefused
            }
    }

    func feeds(of lag: FeedKind.Lag) -> Int { slots.count { $0.feed.lag == lag } }

    /// One of the further values may be what the provider refuses: prices come without them.
    func canAskForLess(_ slot: Int) -> Bool {
        slots[slot].feed == .marketData && slots[slot].phase.state == .asked
            && slots[slot].valuesLeftOut < genericTicks.leavingOutMax
    }

    private var genericTicks: GenericTicks { GenericTicks(contract.kind, instrument.feeds) }

    /// Headlines that are not asked for are not told to come either.
    mutating func askForLess(_ slot: Int) {
        slots[slot].valuesLeftOut += 1
        guard !genericTicks[slots[slot].valuesLeftOut].contains(GenericTicks.news) else { return }
        slots[slot].kinds.remove(.news)
    }

    /// Another connection may give what this one refused: a server that has just started does.
    mutating func askForAllAgain(_ slot: Int) {
        guard slots[slot].valuesLeftOut > 0 else { return }
        slots[slot].valuesLeftOut = 0
        if instrument.feeds.contains(.news) { slots[slot].kinds.insert(.news) }
    }

    /// When it is never quiet for long: outside of regular hours stocks and options are, and others
    /// have no such hours.
    var busyHours: SessionHours? {
        let hasRegularHours = [.stock, .option, .index, .bond].contains(contract.kind)
        return hasRegularHours ? hours : allHours ?? hours
    }

    /// Up to when all that was sent has come for certain, at most up to `trusted`. A feed that says
    /// nothing may be dead already: only its last value proves that it was not, or that it is quiet
    /// for so long at times, or that it could not have had any since.
    func proven(_ slot: FeedSlot, upTo trusted: Timestamp) -> Timestamp {
        let last = slot.lastTickWall
        guard slot.isWatched, last < trusted else { return max(last, trusted) }
        // It has been quiet for as long before, and was there.
        let pause = trusted.nanoseconds(since: last)
        if pause > EngineLimits.shortPause, pause <= slot.rhythm.longest { return trusted }
        guard let open = allHours?.firstOpen(from: last) else { return last }
        return min(open, trusted)
    }

    /// Where what arrived of a kind is kept for the borders of outages; nil: it is not.
    static func border(of kind: DataKind) -> WritableKeyPath<InstrumentEntry, BorderTicks>? {
        switch kind {
        case .trade: \.trades
        case .quote: \.quotes
        case .providerBar: \.bars
        case .any, .depth, .optionComputation, .news, .fundamental, .indicator: nil
        }
    }

    /// As the router sees it; documents do not count.
    var state: FeedState.State {
        var isAnyLive = false
        var isAnyDown = false
        var isAllRefused = true
        for slot in slots where !slot.feed.isDocument {
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
