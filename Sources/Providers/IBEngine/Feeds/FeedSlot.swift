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
    var attempts = FeedAttempts()
    var regained = Regained()
    var silence: SilenceWatch
    var times = DeliveredTimes()
    /// Whether the data are live or delayed, as the provider reports it.
    var mode = FeedMode.unknown
    /// The source to which its records belong. Its request asks for the data of that one.
    var outlet = Outlet.Kind.live
    /// Level 1 only: it is not wanted itself, and stands in for tick-by-tick feeds while the
    /// provider refuses them, because delayed data do not come tick by tick.
    var isStandIn = false
    /// The question whether its data come live again.
    var look = LiveLook()
    /// Level 1 only: makes ticks of the single values of its request; `nil`: no request has left.
    var assembler: MarketDataAssembler?
    /// Headlines only: the time from which they are requested; undefined: those of a day.
    var since = Timestamp.undefined

    init(_ feed: FeedKind, kinds: KindSet, patience: Int64) {
        self.feed = feed
        self.kinds = kinds
        silence = SilenceWatch(patience: patience)
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

    /// Notes a trade that goes to the tape.
    @inline(__always)
    mutating func delivered(_ trade: Trade) {
        times.add(trade)
        look.priceDue = .never
    }

    /// Notes the event time of another record that goes to the tape.
    @inline(__always)
    mutating func delivered(at time: Timestamp) {
        times.add(time)
        look.priceDue = .never
    }

    /// Returns the event time from which delayed trades are missing, if they come with the
    /// provider's times. It is the time of the last one or, before the first one, `trusted` minus
    /// the longest delay. Returns `nil` when trades are live, or are recorded with receive times.
    func delayedStart(trusted: Timestamp) -> Timestamp? {
        guard isDelayed, times.delayedTrade.isDefined || !times.trade.isDefined else { return nil }
        return times.delayedTrade.isDefined
            ? times.delayedTrade : trusted.advanced(byNanoseconds: -EngineLimits.delayedLag)
    }

    /// Returns the event time up to which trades are missing when they come again from `time` on.
    /// For live trades it is `time`. Delayed ones are older by their lag; their times are whole
    /// seconds, so the gap ends two seconds later than the last lag gives.
    func delayedEnd(_ time: Timestamp) -> Timestamp {
        guard isDelayed, times.delayedTrade.isDefined else { return time }
        return max(
            times.delayedTrade.advanced(byNanoseconds: 1),
            time.advanced(byNanoseconds: 2 * EngineLimits.second - times.lag.last))
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
        let last = times.latest(of: kind)
        // An event time more than 2 s after `trusted` is the provider's mistake: data did not come
        // so far.
        let isCredible =
            last.isDefined && last.nanoseconds(since: trusted) <= 2 * EngineLimits.second
        if isCredible { from = max(from, last) }
        return from
    }
}
