import MarketModel
import Primitives
import ServiceRuntime

/// The incoming records of one tenure, and the parts that decide about each of them. `SourceTenure`
/// owns it, on the gateway's thread.
struct Inflow {
    /// The records that the providers deliver.
    var ticks: DeliveredTicks
    /// The source's clock. It refuses ticks whose times are too far ahead of it.
    var time: SourceTime
    /// Decides what happens to ticks while there is little room.
    var backpressure: BackpressureMachine
    /// How many ticks may be taken now.
    var ceiling: TickCeiling
    /// Whether the records wait because a group is too far behind the tape.
    var storePressure: StorePressure
    /// How far quotes are conflated because a group is far behind.
    var backlogSteps: BacklogSteps
    /// The quotes that wait because their policy is `conflate` and there is little room.
    var held: HeldQuotes
    /// When the newest tick of each instrument was taken.
    var newest = NewestTicks()
    /// Which order books on the tape are intact.
    var depth: DepthBooks
    /// The order books that are repeated on the tape.
    var repeats: RepeatedBooks
    /// Whether the ticks are a recording, from the provider `replay`. Their times were checked when
    /// they were recorded, so they are taken whatever their times are.
    let isRecorded: Bool
    /// Whether the records wait while the tape is nearly full: a provider's past leaves the room
    /// that there is to the present.
    let givesWay: Bool
    /// The part of `ticks.unrouted` (records that a provider sent while another one was the feeder)
    /// that is in the metrics already.
    var unroutedCounted: UInt64 = 0
    /// The changes of round lots in the registry that the definitions follow already; -1: none.
    var lotChanges = -1
    /// Whether the policy `error` has decided that the service ends, because there is little room.
    var policyEndsService = false

    init(_ parts: GatewayParts, _ source: OpenedSource) {
        ticks = source.resumption.ticks
        time = SourceTime(
            parts.settings, parts.context.telemetry, providers: ticks.inlets.count)
        isRecorded = ticks.inlets.isRecorded
        givesWay = parts.settings.source.isHistory
        depth = DepthBooks(isRecorded: isRecorded)
        repeats = RepeatedBooks(
            isRecorded: isRecorded, every: parts.settings.delivery.bookNanoseconds)
        let places = source.lanes.places
        for _ in places { newest.addSymbol() }
        backpressure = BackpressureMachine(parts.settings.policies, symbols: places.count)
        ceiling = TickCeiling(perSecond: parts.settings.policies.ticksPerSecond)
        storePressure = StorePressure(ticksMax: parts.settings.policies.lagMax)
        backlogSteps = BacklogSteps(ticksMin: parts.settings.policies.lagConflate)
        held = HeldQuotes(
            laneOf: places.map(\.lane), laneCount: source.lanes.tickLanes.count)
    }

    /// Adds the next symbol number of the source's list. Its ticks go to this lane.
    mutating func addSymbol(lane: Int) {
        backpressure.addSymbol()
        held.addSymbol(lane: lane)
        newest.addSymbol()
    }

    /// Returns the source's watermark: no live tick that is not taken yet is earlier. The caller
    /// lowers it for gaps and held quotes, with `SourceTenure.watermarkMax`.
    mutating func watermark() -> Timestamp { time.watermark(of: ticks) }

    /// Returns whether a record of the batch that is being taken is refused, because it is too far
    /// ahead for the tape. No record of a recording is.
    mutating func refuses(_ header: TickHeader) -> Bool {
        !isRecorded && time.refuses(header, of: ticks.inlets.present)
    }

    /// Gives providers the gateway's clock for their stamps, and takes their reports of how far
    /// their own clocks are ahead.
    mutating func agreeOnTime() { time.agree(with: ticks) }
}
