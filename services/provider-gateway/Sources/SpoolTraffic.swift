import MarketModel
import Primitives
import ServiceRuntime
import TapeCodec
import TapeTransport
import TickSpool

/// The way of one tenure's packets through the spool and out of it.
///
///     lane of the provider -> spool, in order -> publisher -> acknowledged -> consumed
///
/// Each stream of the tape takes this way by itself, because each can fail by itself: while it
/// does, every packet of its lanes goes through the spool, also those that the publisher had in
/// hand when it began. What a process that is killed has handed over is in the spool. One thread
/// owns it.
final class SpoolTraffic {
    private struct Lane {
        let partition: Partition
        /// The numbers of the frames whose packets the publisher has, in order; 0: one that found
        /// no room in the spool.
        var sent: [UInt64] = []
        /// Taken out of the spool; leaves when the packet before it is acknowledged.
        var waiting: SpooledPacket?
        /// Of the next tick that goes into the spool.
        var nextOrdinal: UInt64 = 1
        /// What stood on the tape when the tenure began.
        var standing = Standing.below(ordinal: 1)
        /// Sealed, and the spool had no room for it.
        var stuck: SealedPacket?
    }

    /// Which frames of an earlier process are on the tape.
    private enum Standing {
        /// Up to this one, which is the lane's last packet there; 0: none of them.
        case through(number: UInt64)
        /// The lane's last packet was not found among them, and some frames cannot be read: they
        /// are taken at the ordinals that they were sealed with.
        case below(ordinal: UInt64)

        func includes(number: UInt64, nextOrdinal: UInt64) -> Bool {
            switch self {
            case .through(let last): number <= last
            case .below(let ordinal): nextOrdinal <= ordinal
            }
        }
    }

    /// The lanes of one stream.
    private struct Queue {
        var lanes: [Int] = []
        var isActive = false
        /// All of its frames below this were taken out of the spool.
        var takenBelow: UInt64 = 0
    }

    private static let syncNanoseconds: Int64 = 100_000_000
    /// The disk is left alone for so long after it failed.
    private static let pauseNanoseconds: Int64 = 1_000_000_000

    /// Some stream's packets take this way.
    var isActive: Bool { queues.contains { $0.isActive } }
    /// The spool takes nothing more.
    private(set) var isFull = false
    /// Lanes of which packets could not be read any more, and from when on their ticks are missing.
    private(set) var losses: [(lane: Int, from: Timestamp)] = []
    private let owner: SourceSpool
    private let spool: Spool
    private let publisher: TapePublisher
    private let clock = SystemClock()
    private var lanes: [Lane]
    private var laneOf: [Partition: Int] = [:]
    private var queues: [Queue]
    /// Frames of an earlier process are being published: those that are standing are on the tape.
    private var isReplaying = false
    /// Acknowledged before they were taken.
    private var early: [UInt64] = []
    private var isUnsynced = false
    private var syncedAt = Int64.min
    private var pausedUntil = Int64.min

    /// `lanes` are those of ticks, numbered from 0.
    init(_ owner: SourceSpool, _ publisher: TapePublisher, lanes count: Int) {
        self.owner = owner
        self.publisher = publisher
        spool = owner.spool
        lanes = (0..<count).map { Lane(partition: publisher.partition(lane: $0)) }
        queues = Array(repeating: Queue(), count: owner.spool.settings.queues)
        for lane in lanes.indices {
            laneOf[lanes[lane].partition] = lane
            queues[spool.queue(of: lanes[lane].partition)].lanes.append(lane)
        }
        spool.rewind()
    }

    // MARK: what an earlier tenure left

    /// To be called when the epochs are open. A packet is known by what it holds: its ordinals
    /// become others when the lane's are raised, or when frames before it are left out.
    func replay(behind predecessor: SourceLanes.Predecessor) throws(SpoolError) {
        guard !spool.isEmpty else { return }
        let found = try spool.find(predecessor.content)
        isReplaying = true
        for queue in queues.indices { queues[queue].isActive = true }
        for lane in lanes.indices {
            let partition = lanes[lane].partition
            let ordinal = predecessor.nextOrdinal[partition] ?? 1
            if let number = found.numbers[partition] {
                lanes[lane].standing = .through(number: number)
            } else if predecessor.content[partition] != nil, !found.hasDamage {
                lanes[lane].standing = .through(number: 0)
            } else {
                lanes[lane].standing = .below(ordinal: ordinal)
            }
        }
    }

    // MARK: in

    func isActive(lane: Int) -> Bool { queues[queue(of: lane)].isActive }

    private func queue(of lane: Int) -> Int { spool.queue(of: lanes[lane].partition) }

    /// From now on packets of this lane's stream go into the spool, first of all those that the
    /// publisher has in hand.
    func enter(lane: Int) {
        let queue = queue(of: lane)
        guard !queues[queue].isActive else { return }
        if !isActive { owner.begun() }
        queues[queue].isActive = true
        for lane in queues[queue].lanes {
            lanes[lane].nextOrdinal = publisher.nextUnusedOrdinal(lane: lane)
            for packet in publisher.unacknowledgedPackets(lane: lane) {
                lanes[lane].sent.append(append(packet) ?? 0)
            }
        }
    }

    /// Puts what the lane has collected into the spool. False: there is no room.
    func put(lane: Int, watermark: Timestamp) -> Bool {
        if let packet = lanes[lane].stuck {
            guard append(packet) != nil else { return false }
            lanes[lane].stuck = nil
        }
        guard publisher.waitingTicks(lane: lane) > 0 else { return true }
        guard publisher.waitingBytes(lane: lane) <= spool.bytesFree, !isPaused else {
            isFull = true
            return false
        }
        let packet = publisher.seal(
            lane: lane, firstOrdinal: lanes[lane].nextOrdinal, watermark: watermark)
        lanes[lane].nextOrdinal = packet.header.nextOrdinal
        if append(packet) == nil { lanes[lane].stuck = packet }
        return true
    }

    private var isPaused: Bool { clock.monotonic().nanoseconds < pausedUntil }

    private func append(_ packet: SealedPacket) -> UInt64? {
        guard !isPaused else { return nil }
        do throws(SpoolError) {
            switch try spool.append(packet) {
            case .appended(let number):
                owner.metrics.spooled.add(UInt64(packet.header.tickCount))
                (isUnsynced, isFull) = (true, false)
                return number
            case .full: isFull = true
            }
        } catch {
            failed(error)
        }
        return nil
    }

    /// What is in the spool outlives a power cut soon after.
    func sync(atOnce: Bool = false) {
        let now = clock.monotonic().nanoseconds
        guard isUnsynced, atOnce || now >= syncedAt &+ Self.syncNanoseconds || syncedAt == .min
        else { return }
        (isUnsynced, syncedAt) = (false, now)
        do throws(SpoolError) {
            try spool.sync()
        } catch {
            failed(error)
        }
        owner.show()
    }

    private func failed(_ error: SpoolError) {
        pausedUntil = clock.monotonic().nanoseconds + Self.pauseNanoseconds
        owner.trouble(error)
    }

    // MARK: out

    /// Sends what the tape takes, in order within each lane. Only for an owner.
    func flow() {
        for lane in lanes.indices {
            guard let packet = lanes[lane].waiting, publisher.isReady(lane: lane) else { continue }
            lanes[lane].waiting = nil
            send(packet, lane)
        }
        guard !isPaused else { return }
        do throws(SpoolError) {
            for queue in queues.indices { try flow(queue) }
        } catch {
            failed(error)
        }
        for damage in spool.damages {
            owner.damaged(damage)
            lose(damage)
        }
        spool.damages.removeAll()
    }

    private func flow(_ queue: Int) throws(SpoolError) {
        while let head = try spool.peek(queue),
            let lane = laneOf[head.packet.header.partition], lanes[lane].waiting == nil,
            let packet = try spool.take(queue)
        {
            queues[queue].takenBelow = packet.number + 1
            try arrive(packet, lane)
        }
    }

    /// What is said of losses is on its way onto the tape.
    func forgetLosses() { losses.removeAll() }

    /// A frame whose header is whole names its lane and its oldest tick. Of others it is known only
    /// that none of their ticks is earlier than what the tape promised last.
    private func lose(_ damage: SpoolDamage) {
        guard let header = damage.header else {
            for lane in lanes.indices {
                let from = publisher.standingWatermark(lane: lane)
                if from.isDefined { losses.append((lane, from)) }
            }
            return
        }
        guard let lane = laneOf[header.partition], header.tickCount > 0 else { return }
        let stands =
            isReplaying
            && lanes[lane].standing.includes(
                number: header.number, nextOrdinal: header.nextOrdinal)
        // The publisher may have had it since before it was spooled.
        guard !stands, !lanes[lane].sent.contains(header.number) else { return }
        losses.append((lane, header.oldestEventTime))
    }

    private func arrive(_ packet: SpooledPacket, _ lane: Int) throws(SpoolError) {
        if let index = early.firstIndex(of: packet.number) {
            early.remove(at: index)
            try spool.consume(packet.number)
        } else if lanes[lane].sent.contains(packet.number) {
            // The publisher has had it since before it was spooled.
            return
        } else if isReplaying,
            lanes[lane].standing.includes(
                number: packet.number, nextOrdinal: packet.packet.header.nextOrdinal)
        {
            try spool.consume(packet.number)
        } else if publisher.isReady(lane: lane) {
            send(packet, lane)
        } else {
            lanes[lane].waiting = packet
        }
    }

    private func send(_ packet: SpooledPacket, _ lane: Int) {
        publisher.publish(packet.packet, lane: lane)
        lanes[lane].sent.append(packet.number)
    }

    /// A packet stands on the tape.
    func acknowledged(_ packet: TapePublisher.Acknowledged) {
        guard packet.header.kind == .ticks, packet.header.tickCount > 0,
            !packet.header.flags.contains(.epochMarker), !lanes[packet.lane].sent.isEmpty
        else { return }
        let number = lanes[packet.lane].sent.removeFirst()
        guard number > 0 else { return }
        guard number < queues[queue(of: packet.lane)].takenBelow else {
            early.append(number)
            return
        }
        do throws(SpoolError) {
            try spool.consume(number)
        } catch {
            failed(error)
        }
    }

    /// No earlier tick of the lane is in here: no watermark may pass it.
    func hold(lane: Int) -> Timestamp {
        guard isActive(lane: lane) else { return .undefined }
        let spooled = spool.tail(lanes[lane].partition)?.oldestEventTime ?? .undefined
        return min(spooled, lanes[lane].stuck?.oldestEventTime ?? .undefined)
    }

    /// Packets of streams of which nothing is left here take the direct way again. True: those of
    /// all streams do, and of some did not before.
    func leaveIfDrained() -> Bool {
        guard isActive else { return false }
        for queue in queues.indices where isDrained(queue) { queues[queue].isActive = false }
        guard !isActive else { return false }
        isReplaying = false
        owner.drained()
        owner.show()
        return true
    }

    private func isDrained(_ queue: Int) -> Bool {
        spool.isEmpty(queue: queue)
            && queues[queue].lanes.allSatisfy {
                lanes[$0].sent.isEmpty && lanes[$0].waiting == nil && lanes[$0].stuck == nil
            }
    }

    /// A fifth of it is free: below that it may soon be full again.
    var hasRoom: Bool {
        spool.bytesFree >= spool.settings.bytesMax / 5
            && lanes.allSatisfy { $0.stuck == nil } && !isPaused
    }

    // MARK: the end of a tenure

    /// Puts everything that is not on the tape into the spool, and keeps it there. What finds no
    /// room is given up; its ticks are the answer. `watermark`: of a lane.
    func keep(watermark: (Int) -> Timestamp) -> Int {
        let left = lanes.indices.reduce(0) { $0 + publisher.unacknowledgedTicks(lane: $1) }
        guard isActive || left > 0 else { return 0 }
        for lane in lanes.indices { enter(lane: lane) }
        var lost = 0
        for lane in lanes.indices where !put(lane: lane, watermark: watermark(lane)) {
            lost += publisher.waitingTicks(lane: lane)
        }
        for lane in lanes { lost += Int(lane.stuck?.header.tickCount ?? 0) }
        sync(atOnce: true)
        spool.rewind()
        return lost
    }
}
