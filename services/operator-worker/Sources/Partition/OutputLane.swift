import MarketModel
import Primitives
import StreamCore
import TapeCodec
import TapeTransport

/// Where the bars of one partition are published: a lane of the tape, or one of a simulation.
protocol OutputLane {
    /// Whether a packet may be published, because none is in flight.
    var isReady: Bool { get }
    /// Whether the packet that is being filled has no room for a bar.
    var isFull: Bool { get }
    /// The number of bars and late ticks in the packet that is being filled.
    var waitingTicks: Int { get }

    /// Returns the number of a symbol or series within the lane's packets.
    func register(_ definition: SymbolDefinition) -> UInt32
    func register(_ definition: SeriesDefinition) -> UInt16
    /// Appends an item; returns false when the packet is full.
    func append(_ bar: Bar) -> Bool
    func append(_ late: LateTickRecord) -> Bool
    func append(_ value: IndicatorValue) -> AppendOutcome
    /// Sends the packet that is being filled, even if it is empty. `output` states which input is
    /// complete.
    func publish(watermark: Timestamp, output: OutputState)
}

/// The lane of the tape, in the worker's publisher.
struct TapeLane: OutputLane {
    let publisher: TapePublisher
    let lane: Int

    var isReady: Bool { publisher.isReady(lane: lane) }
    var isFull: Bool { publisher.isFull(lane: lane) }
    var waitingTicks: Int { publisher.waitingTicks(lane: lane) }

    func register(_ definition: SymbolDefinition) -> UInt32 {
        publisher.register(definition, lane: lane)
    }

    func register(_ definition: SeriesDefinition) -> UInt16 {
        publisher.register(definition, lane: lane)
    }

    func append(_ bar: Bar) -> Bool { publisher.append(bar, lane: lane) }

    func append(_ late: LateTickRecord) -> Bool {
        publisher.append(.lateTick(late), lane: lane) == .appended
    }

    func append(_ value: IndicatorValue) -> AppendOutcome {
        publisher.append(.indicator(value), lane: lane)
    }

    func publish(watermark: Timestamp, output: OutputState) {
        publisher.publish(lane: lane, watermark: watermark, output: output)
    }
}
