internal import IBProtocol
package import MarketModel
package import Primitives

/// Whether delayed data are taken. They have a source of their own, so that the floor of live data
/// does not wait for their times.
package enum DelayedData: String, Hashable, Sendable, CaseIterable {
    /// Live data alone. What comes delayed is left out.
    case never = "false"
    /// Live data, and delayed ones of instruments whose live data the provider refuses.
    case automatic = "auto"
    /// No live data are asked for.
    case always = "true"
}

/// The settings of one engine.
package struct IBEngineSettings: Hashable, Sendable {
    /// The provider's name, as on the tape.
    package var provider: String
    /// The number by which the server tells its clients apart. Two clients cannot be connected with
    /// the same one.
    package var clientID: Int32
    /// Whether delayed data are taken where the account may not see live ones.
    package var delayed = DelayedData.automatic
    /// How many subscriptions to market data, and how many to ticks tick by tick, the account may
    /// have at a time.
    package var lines = 100
    package var tickByTickLines = 5
    /// How long a feed may deliver nothing in trading hours, before it is requested again.
    package var silentAfter = Duration.seconds(60)
    /// The seed for the jitter of waiting times.
    package var seed: UInt64
    /// Gaps are filled from history. False: they are recorded as abandoned when they end.
    package var canBackfill = true
    /// It decides when the vendor restarts the servers.
    package var region = AccountRegion.america
    /// The number of rows on each side of a book that are requested.
    package var depthRows: Int32 = 10
    /// The first and the longest wait after a server that did not answer.
    package var reconnectFirst = Duration.seconds(5)
    package var reconnectMax = Duration.seconds(60)
    /// The number of failed attempts in a row, over a minute at least, that raises the alarm. The
    /// attempts continue.
    package var alarmAttempts = 5

    package init(provider: String = "ibkr", clientID: Int32 = 10, seed: UInt64) {
        self.provider = provider
        self.clientID = clientID
        self.seed = seed
    }
}

/// The client of one TWS or IB Gateway, without a socket and a clock.
///
/// The caller is the thread of the connection (`ConnectionLoop`). It connects when `Output.wish`
/// asks for it, hands in the bytes that it reads, calls `drained` when nothing more can be read,
/// and calls `timePassed` at `nextDue`. After every call it sends the output's bytes. It hands the
/// output's records over to the gateway, and the floor not earlier than the records.
///
/// Every call is one turn: its `now` is the moment of all that it does, and the receive time of the
/// ticks in it.
package struct IBEngine: Sendable {
    /// What the engine wants the caller to do with its socket.
    package enum Wish: Hashable, Sendable {
        /// The caller opens a connection, then calls `connected` or `connectFailed`.
        case connect
        /// The caller closes the connection, then calls `lost`.
        case close(String)
    }

    /// What goes to one source.
    package struct Batch: Sendable {
        /// For the tape and the router, in order.
        package var records: [ProviderRecord] = []
        /// No record after `records` has an earlier event time, unless it fills a gap; undefined:
        /// that is not known of any time.
        package var floor = Timestamp.undefined
    }

    /// The work for the caller. The engine appends, and the caller empties it.
    package struct Output: Sendable {
        /// To be sent to the server, in order.
        package var bytes: [UInt8] = []
        /// For the source of live data, and for that of delayed ones.
        package var live = Batch()
        package var delayed = Batch()
        /// `nil`: the connection stays as it is.
        package var wish: Wish?
        /// For logs and metrics.
        package var events: [IBEngineEvent] = []
        /// The number of events that were dropped because the caller did not take them.
        package var eventsLost: UInt64 = 0

        package init() {}

        /// Adds an event. At the maximum the oldest quarter is dropped, so that the list is not
        /// moved with every event.
        mutating func report(_ event: IBEngineEvent) {
            if events.count >= EngineLimits.eventsMax {
                events.removeFirst(EngineLimits.eventsMax / 4)
                eventsLost &+= UInt64(EngineLimits.eventsMax / 4)
            }
            events.append(event)
        }
    }

    /// A bulletin that was reported. A new TWS begins its numbers again, so the text is compared
    /// too.
    struct SeenBulletin: Hashable, Sendable {
        var id: Int32
        var text: String
    }

    let settings: IBEngineSettings
    var session: SessionMachine
    var feeds = FeedMachine()
    /// What its parts share, with the output of the present call.
    var turn: Turn
    /// The bytes from the server on the present connection.
    var wire = Wire()
    /// What notices have reported about the present connection.
    var link = LinkState()
    /// Ended gaps of an earlier process that are not filled. They wait until the contracts of their
    /// instruments are known.
    var inheritedGaps: [OpenGap] = []
    /// When `inheritedGaps` is checked next, monotonic.
    var inheritedGapsDue = MonotonicTime.distantPast
    /// The bulletins that are on the tape, the oldest first.
    var bulletins: [SeenBulletin] = []
    /// The requests of the present call. The array is kept so that its memory is used again.
    var requests: [IBRequest] = []
    /// The state of the connection that was last reported, and when it began, monotonic.
    var reportedState = SessionState.closed
    var stateSince = MonotonicTime(nanoseconds: 0)
    /// `stop` was called: nothing is begun any more.
    var isStopping = false
    /// When the vendor restarts its servers.
    let resets: ResetSchedule

    package init(_ settings: IBEngineSettings) {
        self.settings = settings
        resets = ResetSchedule(settings.region)
        session = SessionMachine(settings)
        turn = Turn(settings)
    }

    /// Applies a changed list of wanted instruments, each with its number. An instrument in `ended`
    /// and `begun` begins again. `reached`: the tape is complete up to this time, and what is
    /// missing since then is a gap; undefined: nothing is missing (`ProviderOrder.reached`).
    /// `gaps`: the gaps on the tape that may be filled. The first call also begins the first
    /// session.
    package mutating func follow(
        begun: [(UInt32, Instrument, reached: Timestamp)], ended: [UInt32], gaps: [OpenGap],
        _ now: Moment, into out: inout Output
    ) {
        turn.begin(now, &out)
        defer { turn.end(&out) }
        let changed = Dictionary(begun.map { ($0.0, $0.1) }) { $1 }
        var known: [UInt32: InstrumentEntry] = [:]
        for number in ended {
            if let next = changed[number] {
                known[number] = feeds.endForChange(number, to: next, in: &turn)
            } else {
                feeds.end(number, in: &turn)
            }
        }
        for (number, instrument, _) in begun {
            feeds.begin(number, instrument, detailsOf: known[number], in: &turn)
        }
        // Instruments that begin again keep their lines, because they are requested before anything
        // else leaves. Otherwise feeds that wait would get these lines.
        if !known.isEmpty { feeds.scan(in: &turn) }
        for gap in gaps { inherit(gap) }
        // The latest end of a recorded gap, per instrument and kind.
        let ends = gaps.filter { $0.to.isDefined }.reduce(into: [GapKey: Timestamp]()) {
            ends, gap in
            let key = GapKey(instrument: gap.instrument, kind: gap.kind)
            ends[key] = max(ends[key] ?? gap.to, gap.to)
        }
        for (number, _, reached) in begun where reached.isDefined {
            guard let place = feeds.place(of: number) else { continue }
            for kind in feeds.liveKinds(at: place, in: &turn) {
                var from = feeds.outageStart(of: kind, at: place, reached: reached, in: turn)
                // What is missing before the end of a recorded gap belongs to that gap.
                let end = ends[GapKey(instrument: number, kind: kind)] ?? from
                if end <= reached { from = max(from, end) }
                let gap = OpenGap(
                    instrument: number, kind: kind, from: from, to: .undefined,
                    reason: .gatewayLost)
                turn.live.beginGap(gap, "the gateway was not there", now: turn.now.wall)
            }
        }
        if !isStopping, session.phase == .idle {
            for zone in resets.zones { turn.report(.zoneWanted(zone)) }
            session.begin(turn.now.monotonic)
        }
        sendAndReport()
    }

    private struct GapKey: Hashable {
        let instrument: UInt32
        let kind: DataKind
    }

    /// Takes over a gap that an earlier process recorded. A gap without an end is still open; any
    /// other one waits to be filled.
    private mutating func inherit(_ gap: OpenGap) {
        guard let place = feeds.place(of: gap.instrument) else { return }
        guard !gap.to.isDefined else {
            if inheritedGaps.count >= ProviderLimits.gapsMax {
                let why = "more than \(ProviderLimits.gapsMax) gaps wait"
                giveUp(inheritedGaps.removeFirst(), why)
            }
            return inheritedGaps.append(gap)
        }
        turn.live.continueGap(gap)
        // No feed delivers this kind any more, so nothing else would ever end the gap.
        if settings.delayed == .always || !feeds.kinds(at: place).contains(gap.kind) {
            feeds.endOutage(place, gap.kind, to: turn.now.wall, .unwanted, in: &turn)
        }
    }

    /// Abandons a gap that will not be filled. Without the record it would stay open for ever.
    mutating func giveUp(_ gap: OpenGap, _ why: String) {
        turn.live.putGap(gap, .abandoned, why, now: turn.now.wall)
    }

    /// Begins a session: the socket is open.
    package mutating func connected(_ now: Moment, into out: inout Output) {
        turn.begin(now, &out)
        defer { turn.end(&out) }
        turn.counters.add(wire.decoder?.counters)
        wire = Wire()
        wire.isOpen = true
        link = LinkState()
        session.connected(turn.now.monotonic)
        turn.out.bytes += wire.opening
        sendAndReport()
    }

    /// Notes that no socket could be opened. The next attempt comes later.
    package mutating func connectFailed(
        _ reason: String, _ now: Moment, into out: inout Output
    ) {
        turn.begin(now, &out)
        defer { turn.end(&out) }
        connectionEnded(reason)
        sendAndReport()
    }

    /// Notes that the connection has ended, whichever side closed it. Outages begin, and the next
    /// attempt comes later.
    package mutating func lost(_ reason: String, _ now: Moment, into out: inout Output) {
        turn.begin(now, &out)
        defer { turn.end(&out) }
        let wasReady = turn.platform.isReady
        // From here on no cancel is queued: it could not be sent.
        turn.platform.isReady = false
        turn.clock.disconnected()
        wire.isOpen = false
        turn.platform.isHealthy = false
        turn.platform.isFarmDown = false
        if wasReady {
            let isReset = isResetTime()
            let cause = OutageCause(.connection, "connection lost: \(reason)", isReset: isReset)
            // What the server sent before the last message has come.
            feeds.interruptAll(
                cause, trusted: link.lastMessage.isDefined ? link.lastMessage : turn.now.wall,
                in: &turn)
        }
        feeds.forgetAll("not connected", in: &turn)
        feeds.forgetDetails()
        turn.pacing.reset()
        turn.backfill.disconnected(now: turn.now.monotonic)
        connectionEnded(reason)
        sendAndReport()
    }

    /// Lets the session plan the next attempt, and reports the end of a connection or of an
    /// attempt.
    private mutating func connectionEnded(_ reason: String) {
        let isReset = isResetTime()
        let isAlarm = session.lost(reason, isReset: isReset, turn.now.monotonic)
        turn.report(.lost(failures: session.failures, reason: session.reason))
        if isAlarm { turn.report(.alarm(failures: session.failures, reason: session.reason)) }
        // What notices reported about this connection has no meaning for the next one.
        link = LinkState()
    }

    /// Handles bytes from the server: any part of the stream, in order. After `Wish.close` they are
    /// ignored.
    package mutating func received(_ bytes: RawSpan, _ now: Moment, into out: inout Output) {
        turn.begin(now, &out)
        defer { turn.end(&out) }
        guard session.phase != .closing else { return }
        wire.frames.append(bytes)
        session.received(turn.now.monotonic)
        read()
        link.lastMessage = turn.now.wall
        sendAndReport()
    }

    /// Moves the floor: nothing more can be read at the moment. `now` is a moment before the read
    /// that found nothing, because what arrived after that read is not handled yet.
    package mutating func drained(_ now: Moment, into out: inout Output) {
        turn.begin(now, &out)
        defer { turn.end(&out) }
        moveFloor()
        sendAndReport()
    }

    /// Does what is due by time. The caller calls it at `nextDue`.
    package mutating func timePassed(_ now: Moment, into out: inout Output) {
        turn.begin(now, &out)
        defer { turn.end(&out) }
        // Without a connection nothing can be on its way.
        if !wire.isOpen { moveFloor() }
        switch session.timePassed(turn.now.monotonic) {
        case .none: break
        case .connect: turn.out.wish = .connect
        case .close(let reason): close(reason)
        case .heartbeat: sendNow(.currentTime)
        }
        feeds.scan(in: &turn)
        expireFarms()
        if let since = link.vendorLostSince,
            turn.now.monotonic >= since + EngineLimits.downWaitMax
        {
            close("the platform was without the vendor for 600 s")
        }
        sendAndReport()
    }

    /// Asks the server for its time, if the session is ready. `IBEngineEvent.clockDifference`
    /// reports the answer.
    package mutating func askTime(_ now: Moment, into out: inout Output) {
        turn.begin(now, &out)
        defer { turn.end(&out) }
        if turn.platform.isReady { sendNow(.currentTime) }
    }

    /// When `timePassed` has something to do next, monotonic; `never`: only another call changes
    /// anything.
    package var nextDue: MonotonicTime {
        var due = min(session.nextDue, turn.platform.isReady ? feeds.nextScan : .never)
        if turn.platform.isReady { due = min(due, turn.pacing.nextDue, turn.backfill.nextDue) }
        if !feeds.endedOutages.all.isEmpty { due = min(due, feeds.nextScan) }
        return due
    }

    /// Begins outages, ends all subscriptions, and asks the caller to close the connection. It is
    /// the last call that begins anything.
    package mutating func stop(_ now: Moment, into out: inout Output) {
        turn.begin(now, &out)
        defer { turn.end(&out) }
        isStopping = true
        let cause = OutageCause(.stop, "the gateway was stopped")
        feeds.interruptAll(cause, trusted: turn.now.wall, in: &turn)
        feeds.cancelAll("the gateway was stopped", in: &turn)
        sendAndReport()
        if wire.isOpen { turn.out.wish = .close("the gateway is stopped") }
        session.end(turn.now.monotonic)
    }

    /// Sets the rules of a zone that `IBEngineEvent.zoneWanted` named.
    package mutating func know(_ zone: String, _ rules: ZoneRules) { feeds.know(zone, rules) }

    /// Returns whether the vendor restarts its servers about now.
    func isResetTime() -> Bool { resets.contains(turn.now.wall, feeds.zones) }

    /// Moves the floor as far as the clock allows it. After a step of the clock the server is asked
    /// for its time.
    private mutating func moveFloor() {
        let isStep = turn.clock.drained(
            turn.now, delay: feeds.counts.delayMax, waiting: feeds.earliestHeldTrade(of: .live))
        if isStep {
            turn.report(.clockStep)
            if turn.platform.isReady { sendNow(.currentTime) }
        }
        turn.moveFloors(lag: feeds.delayedLag, waiting: feeds.earliestHeldTrade(of: .delayed))
    }

    /// Asks the caller to close the connection, for this reason. What still comes on it is ignored.
    mutating func close(_ reason: String) {
        guard session.phase != .closing, session.phase != .idle else { return }
        session.closing(reason, turn.now.monotonic)
        turn.out.wish = .close(reason)
    }
}
