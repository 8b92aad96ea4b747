package import MarketModel
package import Primitives
internal import TapeCodec
internal import TapeProtocol

// What an owner asks about its lanes.
extension TapePublisher {
    package func partition(lane: Int) -> Partition { lanes[lane].builder.partition }
    package func epoch(lane: Int) -> UInt64 { lanes[lane].machine.epoch }
    package func nextOrdinal(lane: Int) -> UInt64 { lanes[lane].machine.nextOrdinal }
    /// Returns the ordinal after all acknowledged ones and those in flight: no reader has seen it.
    package func nextUnusedOrdinal(lane: Int) -> UInt64 {
        let machine = lanes[lane].machine
        return machine.nextOrdinal + UInt64(machine.unacknowledgedTicks)
    }
    /// Returns whether a packet may be published now.
    package func isReady(lane: Int) -> Bool { lanes[lane].machine.isReady }
    /// Returns whether a higher epoch owns the subject.
    package func isFenced(lane: Int) -> Bool { lanes[lane].machine.isFenced }
    /// Returns whether the next packet takes no more ticks.
    package func isFull(lane: Int) -> Bool { lanes[lane].builder.isFull }
    /// Returns how many ticks the next packet has.
    package func waitingTicks(lane: Int) -> Int { lanes[lane].builder.tickCount }
    package func waitingBytes(lane: Int) -> Int { lanes[lane].builder.byteCount }

    /// Returns the watermark of the last acknowledged packet; undefined when it has none.
    package func standingWatermark(lane: Int) -> Timestamp {
        let watermark = lanes[lane].watermark
        return watermark.nanoseconds == Int64.min ? .undefined : watermark
    }

    /// Returns the number of ticks that wait or are in flight.
    package func unacknowledgedTicks(lane: Int) -> Int {
        waitingTicks(lane: lane) + lanes[lane].machine.unacknowledgedTicks
    }

    /// Returns true when nothing waits and nothing is in flight.
    package func isIdle(lane: Int) -> Bool {
        lanes[lane].machine.isIdle && lanes[lane].builder.tickCount == 0
    }

    /// Why some subject accepts no packets at the moment; `nil` when all do. A subject that another
    /// owner has taken over is no trouble: nothing is to be published there any more.
    package var trouble: String? {
        lanes.first { $0.trouble != nil && !$0.machine.isFenced }.map {
            "\($0.subject): \($0.trouble ?? "")"
        }
    }

    /// Whether nothing waits and nothing is in flight on any lane.
    package var isIdle: Bool { lanes.indices.allSatisfy { isIdle(lane: $0) } }
    /// Whether every lane has an epoch.
    package var hasOpened: Bool { lanes.allSatisfy { $0.machine.epoch > 0 } }

    /// Returns the earliest event time that is not on the tape yet; undefined when everything is.
    package func oldestUnacknowledged(lane: Int) -> Timestamp {
        min(lanes[lane].machine.oldestUnacknowledged, lanes[lane].builder.oldestEventTime)
    }
}
