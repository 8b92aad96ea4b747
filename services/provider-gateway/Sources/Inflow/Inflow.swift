import Primitives
import ServiceRuntime

/// What comes in, and what decides about each record: the time, and how much room there is.
struct Inflow {
    var ticks: DeliveredTicks
    var time: SourceTime
    var backpressure: BackpressureMachine
    var held: HeldQuotes
    var depth: DepthBooks
    /// Ticks are taken whatever their times are.
    let isRecorded: Bool
    /// Records of providers that did not feed the instrument, as far as they are counted.
    var unroutedTold: UInt64 = 0
    /// There is no room, and the policy is to end.
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

    /// No tick that comes after the present packets is earlier, what is missing left aside.
    mutating func watermark() -> Timestamp { time.watermark(of: ticks) }

    /// Providers stamp with the gateway's time, and may know what time it is.
    mutating func agreeOnTime() { time.agree(with: ticks) }
}
