import Primitives
import ServiceRuntime

/// The incoming records, and the parts that decide about each of them.
struct Inflow {
    var ticks: DeliveredTicks
    /// Refuses ticks that are stamped ahead of the time.
    var time: SourceTime
    /// Decides what happens to ticks while there is little room.
    var backpressure: BackpressureMachine
    /// The quotes that wait while there is little room.
    var held: HeldQuotes
    /// Which books on the tape are intact.
    var depth: DepthBooks
    /// Whether the ticks are a recording, from the provider `replay`. Their times were checked when
    /// they were recorded, so they are taken whatever their times are.
    let isRecorded: Bool
    /// The part of `ticks.unrouted` that is in the metrics already.
    var unroutedCounted: UInt64 = 0
    /// Whether the policy `error` has decided that the service ends, because there is little room.
    var policyEndsService = false

    init(_ parts: GatewayParts, _ source: OpenedSource) {
        ticks = source.resumption.ticks
        time = SourceTime(parts.settings, parts.context.telemetry)
        isRecorded = ticks.isRecorded
        depth = DepthBooks(isRecorded: ticks.isRecorded)
        let places = source.lanes.places
        backpressure = BackpressureMachine(parts.settings.policies, symbols: places.count)
        held = HeldQuotes(
            laneOf: places.map(\.lane), laneCount: source.lanes.tickLanes.count)
    }

    /// Adds the next symbol number, whose ticks go to this lane.
    mutating func addSymbol(lane: Int) {
        backpressure.addSymbol()
        held.addSymbol(lane: lane)
    }

    /// Returns the source's watermark: no tick after the present packets is earlier. Gaps are not
    /// considered here.
    mutating func watermark() -> Timestamp { time.watermark(of: ticks) }

    /// Gives providers the gateway's clock for their stamps, and takes their reports of how far
    /// their own clocks are ahead.
    mutating func agreeOnTime() { time.agree(with: ticks) }
}
