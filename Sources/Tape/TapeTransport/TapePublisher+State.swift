package import MarketModel
package import Primitives
internal import TapeCodec
package import TapeProtocol

// The state of the lanes, for the owner.
extension TapePublisher {
    /// Returns the partition in the headers of the lane's packets.
    package func partition(lane: Int) -> Partition { lanes[lane].builder.partition }
    /// Returns the epoch in which the lane publishes; 0 until its subject was read.
    package func epoch(lane: Int) -> UInt64 { lanes[lane].machine.epoch }
    /// Returns the ordinal after all acknowledged ones.
    package func nextOrdinal(lane: Int) -> UInt64 { lanes[lane].machine.nextOrdinal }
    /// Returns the ordinal after all acknowledged ones and those in flight. No reader can have it
    /// from this publisher.
    package func nextUnusedOrdinal(lane: Int) -> UInt64 {
        let machine = lanes[lane].machine
        return machine.nextOrdinal + UInt64(machine.unacknowledgedTicks)
    }
    /// Returns whether a packet may be published now.
    package func isReady(lane: Int) -> Bool { lanes[lane].machine.isReady }
    /// Returns whether a higher epoch owns the subject.
    package func isFenced(lane: Int) -> Bool { lanes[lane].machine.isFenced }
    /// Returns whether the builder's packet takes no more ticks.
    package func isFull(lane: Int) -> Bool { lanes[lane].builder.isFull }
    /// Returns whether the builder's packet has room for so many records of one book.
    package func hasRoom(forBook records: Int, lane: Int) -> Bool {
        lanes[lane].builder.hasRoom(forBook: records)
    }
    /// Returns how many ticks wait in the builder and in closed packets.
    package func waitingTicks(lane: Int) -> Int {
        let ticks = lanes[lane].builder.tickCount
        guard hasClosed(lane: lane) else { return ticks }
        return lanes[lane].closed.reduce(ticks) { $0 + Int($1.header.tickCount) }
    }
    /// Returns what decides when the lane's next packet leaves.
    package func paceState(lane: Int) -> PacketPace.LaneState {
        PacketPace.LaneState(
            hasTicks: waitingTicks(lane: lane) > 0,
            isFull: isFull(lane: lane) || hasClosed(lane: lane), isReady: isReady(lane: lane),
            busySince: lanes[lane].busySince)
    }
    /// Returns the size of the builder's packet so far.
    package func waitingBytes(lane: Int) -> Int { lanes[lane].builder.byteCount }

    /// Returns the watermark of the subject's last packet on the tape; undefined when that is a
    /// marker, or is not known yet.
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
        lanes[lane].machine.isIdle && waitingTicks(lane: lane) == 0
    }

    /// Why one of the subjects accepts no packets at the moment, for readiness; `nil` when all do.
    /// A subject that another owner has taken over is no trouble: nothing is to be published there
    /// any more.
    package var trouble: String? {
        lanes.indices.first { lanes[$0].trouble != nil && !isFenced(lane: $0) }.map {
            "\(lanes[$0].subject): \(lanes[$0].trouble ?? "")"
        }
    }

    /// The first lane whose subject a higher epoch owns; `nil`: there is none.
    package var firstFenced: Int? { lanes.indices.first { isFenced(lane: $0) } }
    /// Whether nothing waits and nothing is in flight on any lane.
    package var isIdle: Bool { lanes.indices.allSatisfy { isIdle(lane: $0) } }
    /// Whether every lane has an epoch.
    package var hasOpened: Bool { lanes.allSatisfy { $0.machine.epoch > 0 } }

    /// Returns the earliest event time among the lane's ticks that are not known to be on the tape;
    /// undefined when there are none. A watermark must not pass it.
    package func oldestUnacknowledged(lane: Int) -> Timestamp {
        lanes[lane].closed.reduce(
            min(lanes[lane].machine.oldestUnacknowledged, lanes[lane].builder.oldestEventTime)
        ) { min($0, $1.oldestEventTime) }
    }
}
