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
    var tools: EngineTools
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
        tools = EngineTools(settings)
    }

    /// `reached`: see `ProviderOrder`. `gaps`: what is on record as missing.
    public mutating func follow(
        begun: [(UInt32, Instrument, reached: Timestamp)], ended: [UInt32], gaps: [OpenGap],
        _ now: Moment, into out: inout Output
    ) {
        let changed = Dictionary(begun.map { ($0.0, $0.1) }) { $1 }
        var known: [UInt32: InstrumentEntry] = [:]
        for number in ended {
            if let next = changed[number] {
                known[number] = feeds.endForChange(number, to: next, now, &tools, &out)
            } else {
                feeds.end(number, now, &tools, &out)
            }
        }
        for (number, instrument, _) in begun {
            feeds.begin(number, instrument, knowing: known[number], now, &tools, &out)
        }
        // Before anything leaves: others that wait would get the lines that have just become free.
        if !known.isEmpty { feeds.scan(now, &tools, &out) }
        for gap in gaps { inherit(gap, now, &out) }
        let ends = gaps.filter { $0.to.isDefined }.reduce(into: [Told: Timestamp]()) { ends, gap in
            let told = Told(instrument: gap.instrument, kind: gap.kind)
            ends[told] = max(ends[told] ?? gap.to, gap.to)
        }
        for (number, _, reached) in begun where reached.isDefined {
            guard let place = feeds.place(of: number) else { continue }
            for kind in feeds.kinds(at: place) {
                var from = feeds.outageStart(of: kind, at: place, reached: reached, tools)
                // What is before the end of another gap is told of there.
                let end = ends[Told(instrument: number, kind: kind)] ?? from
                if end <= reached { from = max(from, end) }
                feeds.resume(
                    number, kind, from: from, reason: .gatewayLost, isTold: false, now, &tools,
                    &out)
            }
        }
        if !isStopping, session.phase == .idle {
            for zone in resets.zones { out.tell(.zoneWanted(zone)) }
            session.begin(now.monotonic)
        }
        work(now, &out)
    }

    private struct Told: Hashable {
        let instrument: UInt32
        let kind: DataKind
    }

    private mutating func inherit(_ gap: OpenGap, _ now: Moment, _ out: inout Output) {
        guard let place = feeds.place(of: gap.instrument) else { return }
        guard !gap.to.isDefined else {
            if inherited.count >= ProviderLimits.gapsMax {
                let why = "more than \(ProviderLimits.gapsMax) gaps wait"
                giveUp(inherited.removeFirst(), why, now, &out)
            }
            return inherited.append(gap)
        }
        feeds.resume(
            gap.instrument, gap.kind, from: gap.from, reason: gap.reason, isTold: true, now,
            &tools, &out)
        // Of what no feed delivers any more nothing would ever end it.
        if !feeds.kinds(at: place).contains(gap.kind) {
            feeds.close(place, gap.kind, to: now.wall, isWanted: false, now, &tools, &out)
        }
    }

    /// Nobody will fill it in: the tape is told, or it would stand open for ever.
    func giveUp(_ gap: OpenGap, _ why: String, _ now: Moment, _ out: inout Output) {
        out.records.append(.gap(gap.record(.abandoned, detail: why, now: now.wall)))
    }

    public mutating func connected(_ now: Moment, into out: inout Output) {
        tools.counters.add(wire.decoder?.counters)
        wire = Wire()
        wire.isOpen = true
        link = LinkState()
        session.connected(now.monotonic)
        out.bytes += wire.opening
        work(now, &out)
    }

    public mutating func connectFailed(
        _ reason: String, _ now: Moment, into out: inout Output
    ) {
        ended(reason, now, &out)
        work(now, &out)
    }

    public mutating func lost(_ reason: String, _ now: Moment, into out: inout Output) {
        let wasReady = tools.isReady
        tools.isReady = false
        tools.clock.disconnected()
        wire.isOpen = false
        tools.isHealthy = false
        tools.isFarmDown = false
        if wasReady {
            let isReset = isReset(now)
            let cause = OutageCause(.connection, "connection lost: \(reason)", isReset: isReset)
            feeds.interruptAll(
                cause, trusted: link.lastMessage.isDefined ? link.lastMessage : now.wall, now,
                &tools, &out)
        }
        feeds.forgetAll("not connected", now, &tools, &out)
        feeds.forgetDetails()
        tools.pacing.reset()
        tools.backfill.disconnected(now: now.monotonic)
        ended(reason, now, &out)
        work(now, &out)
    }

    private mutating func ended(_ reason: String, _ now: Moment, _ out: inout Output) {
        let isReset = isReset(now)
        let isAlarm = session.lost(reason, isReset: isReset, now.monotonic)
        out.tell(.lost(failures: session.failures, reason: session.reason))
        if isAlarm { out.tell(.alarm(failures: session.failures, reason: session.reason)) }
        // What was said of the connection went with it.
        link = LinkState()
    }

    /// Any part of the stream.
    public mutating func received(_ bytes: RawSpan, _ now: Moment, into out: inout Output) {
        guard session.phase != .closing else { return }
        wire.frames.append(bytes)
        session.received(now.monotonic)
        read(now, &out)
        link.lastMessage = now.wall
        work(now, &out)
    }

    /// Nothing more can be read at the moment.
    public mutating func drained(_ now: Moment, into out: inout Output) {
        moveFloor(now, &out)
        work(now, &out)
    }

    public mutating func tick(_ now: Moment, into out: inout Output) {
        // Without a connection nothing can be on its way.
        if !wire.isOpen { moveFloor(now, &out) }
        switch session.tick(now.monotonic) {
        case .none: break
        case .connect: out.wish = .connect
        case .close(let reason): close(reason, now, &out)
        case .heartbeat: sendNow(.currentTime, now, &out)
        }
        feeds.scan(now, &tools, &out)
        noticeFarms(now, &out)
        if let since = link.serverLost,
            now.monotonic >= since.later(by: EngineLimits.downWaitMax)
        {
            close("the platform was without the vendor for 600 s", now, &out)
        }
        work(now, &out)
    }

    /// The server is asked what time it is; `IBNews.clockDifference` tells what it says.
    public mutating func askTime(_ now: Moment, into out: inout Output) {
        if tools.isReady { sendNow(.currentTime, now, &out) }
    }

    /// When `tick` has something to do, monotonic; `Int64.max`: nothing.
    public var nextDue: Int64 {
        var due = min(session.nextDue, tools.isReady ? feeds.nextScan : Int64.max)
        if tools.isReady { due = min(due, tools.pacing.nextDue, tools.backfill.nextDue) }
        if !feeds.closings.isEmpty { due = min(due, feeds.nextScan) }
        return due
    }

    /// Ends all subscriptions and puts on record that data are missing from here on.
    public mutating func stop(_ now: Moment, into out: inout Output) {
        isStopping = true
        let cause = OutageCause(.stop, "the gateway was stopped")
        feeds.interruptAll(cause, trusted: now.wall, now, &tools, &out)
        feeds.cancelAll("the gateway was stopped", now, &tools, &out)
        work(now, &out)
        if wire.isOpen { out.wish = .close("the gateway is stopped") }
        session.end(now.monotonic)
    }

    /// The rules of a zone that `IBNews.zoneWanted` named.
    public mutating func know(_ zone: String, _ rules: ZoneRules) { feeds.know(zone, rules) }

    /// The vendor's servers are restarted about now.
    func isReset(_ now: Moment) -> Bool { resets.contains(now.wall, feeds.zones) }

    private mutating func moveFloor(_ now: Moment, _ out: inout Output) {
        let isStep = tools.clock.drained(
            now, delay: feeds.delay, waiting: feeds.earliestWaiting)
        if isStep {
            out.tell(.clockStep)
            askTime(now, into: &out)
        }
        out.floor = tools.clock.floor
    }

    mutating func close(_ reason: String, _ now: Moment, _ out: inout Output) {
        guard session.phase != .closing, session.phase != .idle else { return }
        session.closing(reason, now.monotonic)
        out.wish = .close(reason)
    }
}
