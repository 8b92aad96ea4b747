import MarketModel
import Primitives
import StreamCore
import TapeCodec
import TapeTransport

/// Where the output of one partition is published: a lane of the tape, or one of a simulation. A
/// lane fills one packet while the packet before it is in flight.
protocol OutputLane {
    /// Whether a packet may be published now: the lane's epoch is open and no packet is in flight.
    var isReady: Bool { get }
    /// Whether the packet that is being filled has no room for a bar.
    var isFull: Bool { get }
    /// The number of bars, late ticks and values in the packet that is being filled.
    var waitingTicks: Int { get }

    /// Registers a symbol or series, and returns its number for the items of this lane.
    func register(_ definition: SymbolDefinition) -> UInt32
    func register(_ definition: SeriesDefinition) -> UInt16
    /// Appends an item to the packet that is being filled. Returns false when the item has to wait
    /// for the next packet.
    func append(_ bar: Bar) -> Bool
    func append(_ late: LateTickRecord) -> Bool
    /// Does the same for a value, which may also be too long for any packet.
    func append(_ value: IndicatorValue) -> AppendOutcome
    /// Sends the packet that is being filled, even if it is empty. Call it only when the lane is
    /// ready. `output` states which input is complete.
    func publish(watermark: Timestamp, output: OutputState)
}

/// The lane of the tape, in the worker's publisher.
struct TapeLane: OutputLane {
    let publisher: TapePublisher
    /// The index of the lane, which is that of its partition's slot.
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
