internal import IBProtocol
internal import MarketModel
internal import Primitives
internal import ProviderModel

/// What all parts of the engine work with.
struct EngineTools: Sendable {
    let settings: IBEngineSettings
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
    /// A part of the market data does not come.
    var isFarmDown = false
    /// When the server was asked for the time by whoever doubts a feed, and when it answered,
    /// monotonic.
    var timeAsked = Int64.min
    var timeTold = Int64.min
    var version = ServerVersion.max

    init(_ settings: IBEngineSettings) {
        self.settings = settings
        var limits = PacingLimits()
        limits.lines = max(1, settings.lines)
        limits.tickByTickLines = max(0, settings.tickByTickLines)
        pacing = PacingMachine(limits)
        backfill = BackfillMachine(BackfillLimits())
    }

    var silentAfter: Int64 { max(EngineLimits.second, settings.silentAfter.heldNanoseconds) }
    var canBackfill: Bool { settings.canBackfill && !settings.isDelayed }
}

/// Where a request's answers go.
struct FeedRoute: Hashable, Sendable {
    var place: Int
    var slot: Int

    /// Among all that is wanted.
    var order: Int { place * FeedKind.allCases.count + slot }
}
