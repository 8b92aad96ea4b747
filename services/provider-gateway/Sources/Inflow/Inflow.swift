import Primitives
import ServiceRuntime

/// The incoming records, and the parts that decide about each of them: time, room, waiting quotes
/// and books.
struct Inflow {
    var ticks: DeliveredTicks
    var time: SourceTime
    var backpressure: BackpressureMachine
    var held: HeldQuotes
    var depth: DepthBooks
    /// Whether the ticks are a recording. Then they are taken whatever their times are.
    let isRecorded: Bool
    /// The number of records from providers that did not feed the instrument, as far as it is in
    /// the metrics.
    var unroutedTold: UInt64 = 0
    /// Whether there is no room and the policy is to end the service.
    var hasFailed = false

    init(_ parts: GatewayParts, _ source: OpenedSource) {
        ticks = source.resumption.supply
        time = SourceTime(parts.settings, parts.context.telemetry)
        isRecorded = ticks.isRecorded
        depth = DepthBooks(isRecorded: ticks.isRecorded)
        let places = source.lanes.places
        backpressure = BackpressureMachine(parts.settings.policies, symbols: places.count)
        held = HeldQuotes(
            laneOf: places.map(\.lane), laneCount: source.lanes.tickLanes.count)
    }

    mutating func addSymbol(lane: Int) {
        backpressure.addSymbol()
        held.addSymbol(lane: lane)
    }

    /// Returns the source's watermark: no tick after the present packets is earlier. Gaps are not
    /// considered here.
    mutating func watermark() -> Timestamp { time.watermark(of: ticks) }

    /// Gives providers the gateway's time, and takes their reports of what time it is.
    mutating func agreeOnTime() { time.agree(with: ticks) }
}
