internal import IBProtocol
internal import MarketModel
internal import Primitives

/// Why a feed has stopped delivering.
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

/// The kinds that this feed delivers again in place of another feed, and since when.
struct Regained: Sendable {
    var kinds: KindSet = []
    var since = Timestamp.undefined
    /// The same for trades, by the provider's clock.
    var tradesSince = Timestamp.undefined
}

/// One request of one instrument, and its outcome.
struct FeedSlot: Sendable {
    let feed: FeedKind
    /// The kinds of data that it delivers.
    var kinds: KindSet
    var phase = FeedPhase.idle(FeedPhase.Idle())
    /// Why it is in this phase, for people.
    var reason = ""
    /// The provider's remark about the present subscription.
    var remark = ""
    var failures = 0
    /// The kinds that it delivers again in place of another feed.
    var regained = Regained()
    var lastTick: Int64 = 0
    var lastTickWall = Timestamp.undefined
    /// The latest event times that were delivered, of trades and of everything else.
    var lastTrade = Timestamp.undefined
    var lastOther = Timestamp.undefined
    var rhythm = Rhythm()
    /// How long nothing may come, in nanoseconds. It grows while nothing comes.
    var patience: Int64
    var ticksSinceSilence = 0
    var mode = FeedMode.unknown
    /// The time of the latest delayed trade that came with its own time, and how much later it
    /// came, in nanoseconds.
    var lastDelayed = Timestamp.undefined
    var tradeLag: Int64 = 0
    var assembler: MarketDataAssembler?
    /// Level 1 only: how often its further values were refused. It is requested with fewer each
    /// time.
    var valuesLeftOut = 0
    /// The contract under which the provider keeps these data; `nil`: the instrument's own.
    var reroute: Reroute?
    /// The number of reroutes in a row, without a tick in between.
    private var reroutes = 0
    /// Headlines only: the time from which they are requested; undefined: those of a day.
    var since = Timestamp.undefined

    init(_ feed: FeedKind, kinds: KindSet, patience: Int64) {
        self.feed = feed
        self.kinds = kinds
        self.patience = patience
    }

    /// Notes a reroute. Returns false when the request was sent on too often.
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

    var isSuspected: Bool { if case .live(let live) = phase { live.isSuspected } else { false } }

    var isRefused: Bool { phase.state == .refused }

    /// Its trades are reported long after their time.
    var isDelayed: Bool { mode == .delayed || mode == .delayedFrozen }

    /// Returns whether what comes is left out, because the provider calls it delayed and this
    /// source wants live data.
    func awaitsLive(in turn: Turn) -> Bool { isDelayed && !turn.settings.isDelayed }

    /// Returns the time since which this feed delivers the kind.
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

    /// Returns the time from which delayed trades are missing, if they come with their own times.
    /// It is the time of the last one or, before the first one, `trusted` minus the longest delay.
    /// Returns `nil` when trades are recorded as of their arrival.
    func delayedStart(trusted: Timestamp) -> Timestamp? {
        guard isDelayed, lastDelayed.isDefined || !lastTrade.isDefined else { return nil }
        return lastDelayed.isDefined
            ? lastDelayed : trusted.advanced(byNanoseconds: -EngineLimits.delayedLag)
    }

    /// Returns the time up to which delayed trades are missing when they are reported again from
    /// `time` on. Their times are whole seconds.
    func delayedEnd(_ time: Timestamp) -> Timestamp {
        guard isDelayed, lastDelayed.isDefined else { return time }
        return max(
            lastDelayed.advanced(byNanoseconds: 1),
            time.advanced(byNanoseconds: 2 * EngineLimits.second - tradeLag))
    }

    /// Returns the time from which data of this kind may be missing, if they can be trusted up to
    /// `trusted`. Stamps of whole seconds or milliseconds are their beginnings, and data take a
    /// while to come.
    func outageStart(of kind: DataKind, trusted: Timestamp) -> Timestamp {
        let grain = feed.grain(of: kind)
        var from = trusted
        if grain > 1 {
            from = trusted.advanced(byNanoseconds: -EngineLimits.transit)
                .floored(toNanoseconds: grain)
        }
        let last = lastEvent(of: kind)
        // A time far ahead is the provider's mistake, and was not reached.
        let isCredible =
            last.isDefined && last.nanoseconds(since: trusted) <= 2 * EngineLimits.second
        if isCredible { from = max(from, last) }
        return from
    }
}

/// An instrument with all its requests.
struct InstrumentEntry: Sendable {
    enum Details: Hashable, Sendable {
        case unknown
        case asked(Int32)
        /// The details came, or nothing came in time. Its data can be requested.
        case settled
        case refused
    }

    let number: UInt32
    let instrument: Instrument
    var isActive = true
    var contract: Contract
    var details = Details.unknown
    var detailsReason = ""
    /// When the details are requested, or given up, monotonic.
    var detailsDue: Int64 = 0
    /// The provider has described the contract. A report that it does not exist is not believed
    /// immediately.
    var isContractKnown = false
    /// The number of contracts that answered.
    var detailsFound = 0
    /// The details of the only contract so far.
    var detailsCandidate: ContractDetails?
    var zone = ""
    var hoursText = ""
    /// Its regular trading hours; `nil` while they are not known. `allHours` are all trading hours.
    var hours: SessionHours?
    var allHoursText = ""
    var allHours: SessionHours?
    /// The number of the group of instruments that trade in the same place.
    var group: Int
    var slots: [FeedSlot]
    var trades = BorderTicks()
    var quotes = BorderTicks()
    var bars = BorderTicks()
    /// Level 1's volume of the day, and when it last changed, monotonic.
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

    /// Whether not everything that it records is known to be live. It matters in a source of
    /// delayed data.
    var mayBeDelayed: Bool {
        isActive
            && slots.contains {
                $0.feed == .marketData && $0.kinds.contains(.trade) && $0.mode != .live
                    && !$0.isRefused
            }
    }

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

    /// Returns the time up to which everything that was sent has certainly come, at most `trusted`.
    /// A silent feed may already be dead. Only three things prove that it was not: its last value,
    /// an earlier pause of this length, or a closed market.
    func proven(_ slot: FeedSlot, upTo trusted: Timestamp) -> Timestamp {
        let last = slot.lastTickWall
        guard slot.isWatched, last < trusted else { return max(last, trusted) }
        // It has been quiet for as long before, and was alive.
        let pause = trusted.nanoseconds(since: last)
        if pause > EngineLimits.shortPause, pause <= slot.rhythm.longest { return trusted }
        guard let open = allHours?.firstOpen(from: last) else { return last }
        return min(open, trusted)
    }

    /// The place where the arrivals of a kind are kept for the borders of outages; `nil`: they are
    /// not kept.
    static func border(of kind: DataKind) -> WritableKeyPath<InstrumentEntry, BorderTicks>? {
        switch kind {
        case .trade: \.trades
        case .quote: \.quotes
        case .providerBar: \.bars
        case .any, .depth, .optionComputation, .news, .fundamental, .indicator: nil
        }
    }

    /// The state as the router sees it. Documents are not part of it.
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
