internal import IBProtocol
public import MarketModel
public import Primitives

public struct IBEngineSettings: Hashable, Sendable {
    /// As on the tape.
    public var provider: String
    public var clientID: Int32
    /// A source of delayed data: it is told as such, and says nothing about now.
    public var isDelayed = false
    /// Market data lines of the account.
    public var lines = 100
    public var tickByTickLines = 5
    /// So long nothing may come of a feed in trading hours.
    public var silentAfter = Duration.seconds(60)
    /// Of the jitter of waiting times.
    public var seed: UInt64
    public var canBackfill = true
    public var region = AccountRegion.america

    public init(provider: String = "ibkr", clientID: Int32 = 10, seed: UInt64) {
        self.provider = provider
        self.clientID = clientID
        self.seed = seed
    }
}

/// All of a recorder's dealings with one TWS, without a socket and a clock.
///
/// The caller connects when that is wished, hands in what it reads, says when nothing more can be
/// read, and calls `tick` at `nextDue`. After every call it sends the output's bytes, puts its
/// records on the tape, and then takes the floor over.
public struct IBEngine: Sendable {
    public enum Wish: Hashable, Sendable {
        case connect
        /// The caller closes the connection, then calls `lost`.
        case close(String)
    }

    /// What is to be done; appended, and emptied by the caller.
    public struct Output: Sendable {
        public var bytes: [UInt8] = []
        public var records: [ProviderRecord] = []
        /// No later live record is earlier; undefined: nothing is known yet.
        public var floor = Timestamp.undefined
        public var wish: Wish?
        public var news: [IBNews] = []
        /// News that fell out because nobody took them.
        public var newsLost: UInt64 = 0

        public init() {}

        mutating func tell(_ event: IBNews) {
            if news.count >= EngineLimits.newsMax {
                news.removeFirst(EngineLimits.newsMax / 4)
                newsLost &+= UInt64(EngineLimits.newsMax / 4)
            }
            news.append(event)
        }
    }

    /// Numbers begin anew with a new TWS, so the text belongs to what was seen.
    struct SeenBulletin: Hashable, Sendable {
        var id: Int32
        var text: String
    }

    let settings: IBEngineSettings
    var session: SessionMachine
    var feeds = FeedMachine()
    var turn: Turn
    var wire = Wire()
    var link = LinkState()
    /// Gaps from before this process, until their instruments' contracts are known.
    var inherited: [OpenGap] = []
    /// When they are looked at, monotonic.
    var inheritedDue: Int64 = 0
    var bulletins: [SeenBulletin] = []
    var requests: [IBRequest] = []
    var toldState = SessionState.closed
    var stateSince: Int64 = 0
    var isStopping = false
    let resets: ResetSchedule

    public init(_ settings: IBEngineSettings) {
        self.settings = settings
        resets = ResetSchedule(settings.region)
        session = SessionMachine(seed: settings.seed)
        turn = Turn(settings)
    }

    /// `reached`: see `ProviderOrder`. `gaps`: what is on record as missing.
    public mutating func follow(
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
            feeds.begin(number, instrument, knowing: known[number], in: &turn)
        }
        // Before anything leaves: others that wait would get the lines that have just become free.
        if !known.isEmpty { feeds.scan(in: &turn) }
        for gap in gaps { inherit(gap) }
        let ends = gaps.filter { $0.to.isDefined }.reduce(into: [Told: Timestamp]()) { ends, gap in
            let told = Told(instrument: gap.instrument, kind: gap.kind)
            ends[told] = max(ends[told] ?? gap.to, gap.to)
        }
        for (number, _, reached) in begun where reached.isDefined {
            guard let place = feeds.place(of: number) else { continue }
            for kind in feeds.kinds(at: place) {
                var from = feeds.outageStart(of: kind, at: place, reached: reached, in: turn)
                // What is before the end of another gap is told of there.
                let end = ends[Told(instrument: number, kind: kind)] ?? from
                if end <= reached { from = max(from, end) }
                feeds.resume(
                    number, kind, from: from, reason: .gatewayLost, isTold: false, in: &turn)
            }
        }
        if !isStopping, session.phase == .idle {
            for zone in resets.zones { turn.tell(.zoneWanted(zone)) }
            session.begin(turn.now.monotonic)
        }
        work()
    }

    private struct Told: Hashable {
        let instrument: UInt32
        let kind: DataKind
    }

    private mutating func inherit(_ gap: OpenGap) {
        guard let place = feeds.place(of: gap.instrument) else { return }
        guard !gap.to.isDefined else {
            if inherited.count >= ProviderLimits.gapsMax {
                let why = "more than \(ProviderLimits.gapsMax) gaps wait"
                giveUp(inherited.removeFirst(), why)
            }
            return inherited.append(gap)
        }
        feeds.resume(
            gap.instrument, gap.kind, from: gap.from, reason: gap.reason, isTold: true, in: &turn)
        // Of what no feed delivers any more nothing would ever end it.
        if !feeds.kinds(at: place).contains(gap.kind) {
            feeds.close(place, gap.kind, to: turn.now.wall, isWanted: false, in: &turn)
        }
    }

    /// Nobody will fill it in: the tape is told, or it would stand open for ever.
    mutating func giveUp(_ gap: OpenGap, _ why: String) { turn.tell(gap, .abandoned, why) }

    public mutating func connected(_ now: Moment, into out: inout Output) {
        turn.begin(now, &out)
        defer { turn.end(&out) }
        turn.counters.add(wire.decoder?.counters)
        wire = Wire()
        wire.isOpen = true
        link = LinkState()
        session.connected(turn.now.monotonic)
        turn.out.bytes += wire.opening
        work()
    }

    public mutating func connectFailed(
        _ reason: String, _ now: Moment, into out: inout Output
    ) {
        turn.begin(now, &out)
        defer { turn.end(&out) }
        ended(reason)
        work()
    }

    public mutating func lost(_ reason: String, _ now: Moment, into out: inout Output) {
        turn.begin(now, &out)
        defer { turn.end(&out) }
        let wasReady = turn.isReady
        turn.isReady = false
        turn.clock.disconnected()
        wire.isOpen = false
        turn.isHealthy = false
        turn.isFarmDown = false
        if wasReady {
            let isReset = isReset()
            let cause = OutageCause(.connection, "connection lost: \(reason)", isReset: isReset)
            feeds.interruptAll(
                cause, trusted: link.lastMessage.isDefined ? link.lastMessage : turn.now.wall,
                in: &turn)
        }
        feeds.forgetAll("not connected", in: &turn)
        feeds.forgetDetails()
        turn.pacing.reset()
        turn.backfill.disconnected(now: turn.now.monotonic)
        ended(reason)
        work()
    }

    private mutating func ended(_ reason: String) {
        let isReset = isReset()
        let isAlarm = session.lost(reason, isReset: isReset, turn.now.monotonic)
        turn.tell(.lost(failures: session.failures, reason: session.reason))
        if isAlarm { turn.tell(.alarm(failures: session.failures, reason: session.reason)) }
        // What was said of the connection went with it.
        link = LinkState()
    }

    /// Any part of the stream.
    public mutating func received(_ bytes: RawSpan, _ now: Moment, into out: inout Output) {
        turn.begin(now, &out)
        defer { turn.end(&out) }
        guard session.phase != .closing else { return }
        wire.frames.append(bytes)
        session.received(turn.now.monotonic)
        read()
        link.lastMessage = turn.now.wall
        work()
    }

    /// Nothing more can be read at the moment.
    public mutating func drained(_ now: Moment, into out: inout Output) {
        turn.begin(now, &out)
        defer { turn.end(&out) }
        moveFloor()
        work()
    }

    public mutating func tick(_ now: Moment, into out: inout Output) {
        turn.begin(now, &out)
        defer { turn.end(&out) }
        // Without a connection nothing can be on its way.
        if !wire.isOpen { moveFloor() }
        switch session.tick(turn.now.monotonic) {
        case .none: break
        case .connect: turn.out.wish = .connect
        case .close(let reason): close(reason)
        case .heartbeat: sendNow(.currentTime)
        }
        feeds.scan(in: &turn)
        noticeFarms()
        if let since = link.serverLost,
            turn.now.monotonic >= since.later(by: EngineLimits.downWaitMax)
        {
            close("the platform was without the vendor for 600 s")
        }
        work()
    }

    /// The server is asked what time it is; `IBNews.clockDifference` tells what it says.
    public mutating func askTime(_ now: Moment, into out: inout Output) {
        turn.begin(now, &out)
        defer { turn.end(&out) }
        if turn.isReady { sendNow(.currentTime) }
    }

    /// When `tick` has something to do, monotonic; `Int64.max`: nothing.
    public var nextDue: Int64 {
        var due = min(session.nextDue, turn.isReady ? feeds.nextScan : Int64.max)
        if turn.isReady { due = min(due, turn.pacing.nextDue, turn.backfill.nextDue) }
        if !feeds.closings.isEmpty { due = min(due, feeds.nextScan) }
        return due
    }

    /// Ends all subscriptions and puts on record that data are missing from here on.
    public mutating func stop(_ now: Moment, into out: inout Output) {
        turn.begin(now, &out)
        defer { turn.end(&out) }
        isStopping = true
        let cause = OutageCause(.stop, "the gateway was stopped")
        feeds.interruptAll(cause, trusted: turn.now.wall, in: &turn)
        feeds.cancelAll("the gateway was stopped", in: &turn)
        work()
        if wire.isOpen { turn.out.wish = .close("the gateway is stopped") }
        session.end(turn.now.monotonic)
    }

    /// The rules of a zone that `IBNews.zoneWanted` named.
    public mutating func know(_ zone: String, _ rules: ZoneRules) { feeds.know(zone, rules) }

    /// The vendor's servers are restarted about now.
    func isReset() -> Bool { resets.contains(turn.now.wall, feeds.zones) }

    private mutating func moveFloor() {
        let isStep = turn.clock.drained(
            turn.now, delay: feeds.delay, waiting: feeds.earliestWaiting)
        if isStep {
            turn.tell(.clockStep)
            if turn.isReady { sendNow(.currentTime) }
        }
        turn.out.floor = turn.clock.floor
    }

    mutating func close(_ reason: String) {
        guard session.phase != .closing, session.phase != .idle else { return }
        session.closing(reason, turn.now.monotonic)
        turn.out.wish = .close(reason)
    }
}
