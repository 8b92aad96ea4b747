public import MarketModel
public import Primitives
internal import TapeCodec
internal import TapeProtocol

// What an owner asks about its lanes.
extension TapePublisher {
    public func partition(lane: Int) -> Partition { lanes[lane].builder.partition }
    public func epoch(lane: Int) -> UInt64 { lanes[lane].machine.epoch }
    public func nextOrdinal(lane: Int) -> UInt64 { lanes[lane].machine.nextOrdinal }
    /// Returns the ordinal after all acknowledged ones and those in flight: no reader has seen it.
    public func nextUnusedOrdinal(lane: Int) -> UInt64 {
        let machine = lanes[lane].machine
        return machine.nextOrdinal + UInt64(machine.unacknowledgedTicks)
    }
    /// Returns whether a packet may be published now.
    public func isReady(lane: Int) -> Bool { lanes[lane].machine.isReady }
    /// Returns whether a higher epoch owns the subject.
    public func isFenced(lane: Int) -> Bool { lanes[lane].machine.isFenced }
    /// Returns whether the next packet takes no more ticks.
    public func isFull(lane: Int) -> Bool { lanes[lane].builder.isFull }
    /// Returns how many ticks the next packet has.
    public func waitingTicks(lane: Int) -> Int { lanes[lane].builder.tickCount }
    public func waitingBytes(lane: Int) -> Int { lanes[lane].builder.byteCount }

    /// Returns the watermark of the last acknowledged packet; undefined when it has none.
    public func standingWatermark(lane: Int) -> Timestamp {
        let watermark = lanes[lane].watermark
        return watermark.nanoseconds == Int64.min ? .undefined : watermark
    }

    /// Returns the number of ticks that wait or are in flight.
    public func unacknowledgedTicks(lane: Int) -> Int {
        waitingTicks(lane: lane) + lanes[lane].machine.unacknowledgedTicks
    }

    /// Returns true when nothing waits and nothing is in flight.
    public func isIdle(lane: Int) -> Bool {
        lanes[lane].machine.isIdle && lanes[lane].builder.tickCount == 0
    }

    /// Why some subject accepts no packets at the moment; `nil` when all do. A subject that another
    /// owner has taken over is no trouble: nothing is to be published there any more.
    public var trouble: String? {
        lanes.first { $0.trouble != nil && !$0.machine.isFenced }.map {
            "\($0.subject): \($0.trouble ?? "")"
        }
    }

    /// Whether nothing waits and nothing is in flight on any lane.
    public var isIdle: Bool { lanes.indices.allSatisfy { isIdle(lane: $0) } }
    /// Whether every lane has an epoch.
    public var hasOpened: Bool { lanes.allSatisfy { $0.machine.epoch > 0 } }

    /// Returns the earliest event time that is not on the tape yet; undefined when everything is.
    public func oldestUnacknowledged(lane: Int) -> Timestamp {
        min(lanes[lane].machine.oldestUnacknowledged, lanes[lane].builder.oldestEventTime)
    }
}
