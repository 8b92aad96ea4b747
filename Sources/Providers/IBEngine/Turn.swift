internal import IBProtocol
internal import MarketModel
internal import Primitives

/// The state that all parts of the engine share, with the moment and the output of one call.
///
/// A *turn* is one call of the engine by its owner, from `begin` to `end`. All that it does happens
/// at the moment `now`. The outlets take records for the tape, and for the router that chooses
/// between providers. `report` adds an event for logs and metrics.
struct Turn: Sendable {
    /// The moment of the present turn, or of the last one.
    var now: Moment
    /// The caller's output during its call, otherwise empty.
    var out = IBEngine.Output()
    let settings: IBEngineSettings
    /// The setting of the same name in nanoseconds, at least a second. It is stored because every
    /// tick needs it, and the conversion of a `Duration` is slow.
    let silentAfter: Int64
    /// All requests go through it, except those of `IBEngine.sendNow`.
    var pacing: PacingMachine
    var backfill: BackfillMachine
    /// Gives the numbers of all requests.
    var ids = RequestIDs()
    /// The way of live data, and of records that are no data.
    var live = Outlet()
    /// The way of delayed data.
    var delayed = Outlet()
    /// How far live data have certainly come, and the difference of the provider's clock from ours.
    var clock = ProviderClock()
    var counters = EngineCounters()
    var platform = PlatformState()
    /// When the server was last asked for its time because a feed was silent for too long, and when
    /// it last answered any question for its time, monotonic.
    var timeAsked = MonotonicTime.distantPast
    var timeAnswered = MonotonicTime.distantPast

    init(
        _ settings: IBEngineSettings,
        _ now: Moment = Moment(wall: .undefined, monotonic: MonotonicTime(nanoseconds: 0))
    ) {
        self.settings = settings
        self.now = now
        silentAfter = max(EngineLimits.second, settings.silentAfter.clampedNanoseconds)
        var limits = PacingLimits()
        limits.lines.marketData = max(1, settings.lines)
        limits.lines.tickByTick = max(0, settings.tickByTickLines)
        pacing = PacingMachine(limits)
        backfill = BackfillMachine(BackfillLimits())
    }

    /// Begins a turn, and takes the caller's output over until `end`. A swap copies nothing.
    @inline(__always)
    mutating func begin(_ now: Moment, _ out: inout IBEngine.Output) {
        self.now = now
        swap(&self.out, &out)
        swapRecords()
    }

    /// Ends the turn, and gives the caller's output back.
    @inline(__always)
    mutating func end(_ out: inout IBEngine.Output) {
        swapRecords()
        swap(&self.out, &out)
    }

    @inline(__always)
    private mutating func swapRecords() {
        swap(&live.records, &out.live.records)
        swap(&delayed.records, &out.delayed.records)
    }

    /// How far the data of an outlet have come.
    @inline(__always)
    func floor(of outlet: Outlet.Kind) -> Timestamp {
        switch outlet {
        case .live: live.floor
        case .delayed: delayed.floor
        }
    }

    /// Whether a record is older than the floor of its outlet.
    @inline(__always)
    func isLate(_ header: TickHeader, at outlet: Outlet.Kind) -> Bool {
        switch outlet {
        case .live: live.isLate(header)
        case .delayed: delayed.isLate(header)
        }
    }

    /// To change an outlet. Reading goes by the functions above, because a subscript that yields
    /// what it reads allocates.
    subscript(outlet: Outlet.Kind) -> Outlet {
        get {
            switch outlet {
            case .live: live
            case .delayed: delayed
            }
        }
        @inline(__always) _modify {
            switch outlet {
            case .live: yield &live
            case .delayed: yield &delayed
            }
        }
    }

    /// Adds an event for logs and metrics.
    mutating func report(_ event: IBEngineEvent) { out.report(event) }

    /// Moves both floors, once that of `clock` is known. The one of delayed data is `lag`
    /// nanoseconds before that of live ones. The lag is measured by our clock, and includes the
    /// difference by which the provider's is ahead. `waiting`: the event time of the earliest
    /// delayed trade that is still to be delivered.
    mutating func moveFloors(lag: Int64, waiting: Timestamp) {
        guard clock.floor.isDefined else { return }
        live.moveFloor(to: clock.floor)
        let reached = clock.floor.advanced(byNanoseconds: -lag)
            .advanced(byNanoseconds: -max(0, clock.offset))
        delayed.moveFloor(to: min(reached, waiting))
        (out.live.floor, out.delayed.floor) = (live.floor, delayed.floor)
    }

    /// Returns the header of a record that the engine itself creates.
    func header(_ instrument: UInt32) -> TickHeader {
        TickHeader(symbol: instrument, providerTime: .undefined, receiveTime: now.wall)
    }

    /// Returns the moment this much later than now, monotonic.
    func later(by nanoseconds: Int64) -> MonotonicTime { now.monotonic + nanoseconds }

    /// Gaps of live data are filled from history. Those of delayed data are not: there is no
    /// history that they could be compared with.
    var canBackfill: Bool { settings.canBackfill }
}

/// Where a feed is kept in a `FeedMachine`: the index of its instrument's entry, and the index of
/// its slot in that entry.
struct FeedRoute: Hashable, Sendable {
    var place: Int
    var slot: Int

    /// The feed's rank when there are fewer lines than feeds: the lowest gets a line first. It is
    /// different for every feed, because an instrument has at most one slot per `FeedKind`.
    var order: Int { place * FeedKind.allCases.count + slot }
}

/// What the session and its notices have shown of the platform.
struct PlatformState: Sendable {
    /// Requests can be sent: the server has answered the client's introduction on this connection.
    var isReady = false
    /// The session is ready, and no notice says that the platform has lost its vendor.
    var isHealthy = false
    /// No notice says that a farm of contract definitions is down.
    var knowsContracts = true
    /// A farm of market data is down; and when that was last reported, monotonic.
    var isFarmDown = false
    var farmDownSince = MonotonicTime.distantPast
    /// The version of the protocol that the server named in its last greeting; before the first
    /// one, the newest that is known.
    var version = ServerVersion.max

    /// Whether the platform is believed when it reports that there is no such contract. Without its
    /// vendor, or a farm of definitions, it reports that of contracts that exist.
    var isBelievedOfContracts: Bool { isHealthy && knowsContracts }
}
