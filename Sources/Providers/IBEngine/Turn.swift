internal import IBProtocol
internal import MarketModel
internal import Primitives

/// What all parts of the engine work with: what they share, and for one call of the engine its
/// moment and what is to be done.
struct Turn: Sendable {
    /// The moment of the call, or of the last one.
    var now: Moment
    /// The caller's for as long as its call lasts, else empty.
    var out = IBEngine.Output()
    let settings: IBEngineSettings
    /// Asked for with every tick: a `Duration` has 128 bits to be divided.
    let silentAfter: Int64
    var pacing: PacingMachine
    var backfill: BackfillMachine
    var ids = RequestIDs()
    var outages = OutageBook()
    var clock = ProviderClock()
    var counters = EngineCounters()
    /// Requests can be answered.
    var isReady = false
    /// The platform has its vendor, as far as anybody knows: no notice says otherwise.
    var isHealthy = false
    /// Nothing says that what knows of contracts is down.
    var knowsContracts = true
    /// A part of the market data does not come; and when that was told last, monotonic.
    var isFarmDown = false
    var farmDownSince: Int64 = 0
    /// When the server was asked for the time by whoever doubts a feed, and when it answered,
    /// monotonic.
    var timeAsked = Int64.min
    var timeTold = Int64.min
    var version = ServerVersion.max

    init(_ settings: IBEngineSettings, _ now: Moment = Moment(wall: .undefined, monotonic: 0)) {
        self.settings = settings
        self.now = now
        silentAfter = max(EngineLimits.second, settings.silentAfter.clampedNanoseconds)
        var limits = PacingLimits()
        limits.lines = max(1, settings.lines)
        limits.tickByTickLines = max(0, settings.tickByTickLines)
        pacing = PacingMachine(limits)
        backfill = BackfillMachine(BackfillLimits())
    }

    @inline(__always)
    mutating func begin(_ now: Moment, _ out: inout IBEngine.Output) {
        self.now = now
        swap(&self.out, &out)
    }

    @inline(__always)
    mutating func end(_ out: inout IBEngine.Output) { swap(&self.out, &out) }

    @inline(__always)
    mutating func put(_ record: TapeRecord) { out.records.append(record) }

    @inline(__always)
    mutating func put(_ record: ProviderRecord) { out.records.append(record) }

    mutating func tell(_ news: IBNews) { out.tell(news) }

    mutating func tell(_ gap: OpenGap, _ state: GapState, _ detail: String = "") {
        put(.gap(gap.record(state, detail: detail, now: now.wall)))
    }

    /// What begins each record that the engine tells by itself.
    func header(_ instrument: UInt32) -> TickHeader {
        TickHeader(symbol: instrument, providerTime: .undefined, receiveTime: now.wall)
    }

    /// The moment after that time, monotonic.
    func later(by nanoseconds: Int64) -> Int64 { now.monotonic.later(by: nanoseconds) }

    /// Whether the platform can know that there is no such contract.
    var isBelievedOfContracts: Bool { isHealthy && knowsContracts }

    var canBackfill: Bool { settings.canBackfill && !settings.isDelayed }
}

/// Where a request's answers go.
struct FeedRoute: Hashable, Sendable {
    var place: Int
    var slot: Int

    /// Among all that is wanted.
    var order: Int { place * FeedKind.allCases.count + slot }
}
