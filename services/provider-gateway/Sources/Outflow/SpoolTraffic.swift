import MarketModel
import Primitives
import ServiceRuntime
import TapeCodec
import TapeTransport
import TickSpool

/// The way of one tenure's packets through the spool and out of it. The gateway's thread owns it:
/// first `SourceOpening` uses it, for packets of an earlier tenure, then `Outflow`.
///
///     lane of the provider -> spool, in order -> publisher -> acknowledged -> consumed
///
/// Each stream of the tape takes this way separately, because each can fail separately. While a
/// stream fails, every packet of its lanes goes through the spool, including those that the
/// publisher already had. So when the process is killed, these packets are not lost.
///
/// A *frame* is a packet in the spool; it has a number. A frame is *taken* when it was read to be
/// published, and *consumed* when it is on the tape. A *queue* is the spool's queue of one stream.
/// A queue is *active* while its stream's packets go through the spool, and *drained* when all its
/// frames are on the tape. The first frames may be of an earlier tenure: they are *replayed*, that
/// is, published first. A lane is named by its index among the tick lanes, which is its index in
/// the publisher.
final class SpoolTraffic {
    /// The state of one tick lane.
    private struct Lane {
        let partition: Partition
        /// The frames whose packets the publisher has and that are not acknowledged, by number, in
        /// order; 0 for a packet that found no room in the spool.
        var sent: [UInt64] = []
        /// A packet whose frame was taken. It is sent when the packet before it is acknowledged.
        var waiting: SpooledPacket?
        /// The ordinal of the next tick that goes into the spool. `enter` sets it.
        var nextOrdinal: UInt64 = 1
        /// Which frames of an earlier tenure were on the tape when this one began.
        var standing = SpoolStanding.below(ordinal: 1)
        /// A sealed packet for which the spool had no room. It has to be spooled before later
        /// ticks.
        var stuck: SealedPacket?
    }

    /// The state of one stream.
    private struct Queue {
        /// The lanes of the stream.
        var lanes: [Int] = []
        var isActive = false
        /// All frames of the queue below this number were taken.
        var takenBelow: UInt64 = 0
    }

    /// How often the disk is synced. A power cut may cost the ticks of this time.
    private static let syncNanoseconds: Int64 = 100_000_000
    /// How long the disk is not used after it failed.
    private static let pauseNanoseconds: Int64 = 1_000_000_000

    /// Whether the packets of any stream go through the spool.
    var isActive: Bool { queues.contains { $0.isActive } }
    /// Lanes that lost packets because frames could not be read, and the time from which ticks may
    /// be missing there. `SourceTenure` records them as gaps.
    private(set) var losses: [(lane: Int, from: Timestamp)] = []
    /// The source's spool over all tenures, which reports events and metrics.
    private let owner: SourceSpool
    private let spool: Spool
    private let publisher: TapePublisher
    private let clock = SystemClock()
    private var lanes: [Lane]
    private var laneOf: [Partition: Int] = [:]
    private var queues: [Queue]
    /// Whether frames of an earlier tenure are being published. Frames that `standing` includes are
    /// on the tape already.
    private var isReplaying = false
    /// Frames that were acknowledged before they were taken: the publisher had their packets from
    /// before these were spooled.
    private var early: [UInt64] = []
    /// Whether something was spooled after the last sync.
    private var isUnsynced = false
    /// When the disk was synced last, and until when it is not used after it failed.
    private var syncedAt = MonotonicTime.distantPast
    private var pausedUntil = MonotonicTime.distantPast

    /// `lanes` is the number of tick lanes, which are the publisher's first lanes.
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
        // Frames that the last tenure took and did not consume are read again.
        spool.rewind()
    }

    // MARK: what an earlier tenure left

    /// Makes the frames of an earlier tenure ready to be published by `flow`. Call it when the
    /// epochs are open. `predecessor` shows which of them are on the tape already. A packet is
    /// identified by its content, because its ordinals change when the lane's ordinals are raised
    /// or earlier frames are left out.
    func replay(behind predecessor: SourceLanes.Predecessor) throws(SpoolError) {
        guard !spool.isEmpty else { return try spool.storeMark() }
        let found = try spool.find(predecessor.content)
        isReplaying = true
        for queue in queues.indices { queues[queue].isActive = true }
        for lane in lanes.indices {
            let partition = lanes[lane].partition
            lanes[lane].standing = found.standing(
                partition, nextOrdinal: predecessor.nextOrdinal[partition] ?? 1)
        }
    }

    // MARK: in

    /// Returns whether the lane's packets go through the spool.
    func isActive(lane: Int) -> Bool { queues[queue(of: lane)].isActive }

    /// Returns the queue of the lane's stream.
    private func queue(of lane: Int) -> Int { spool.queue(of: lanes[lane].partition) }

    /// Makes the queue of this lane's stream active, if it is not: the stream's packets go into the
    /// spool, beginning with those that the publisher already has.
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

    /// Puts the lane's collected ticks into the spool. Returns false when there is no room for
    /// them: they stay in the publisher. Call it while the lane's queue is active.
    func put(lane: Int, watermark: Timestamp) -> Bool {
        if let packet = lanes[lane].stuck {
            guard append(packet) != nil else { return false }
            lanes[lane].stuck = nil
        }
        guard publisher.waitingTicks(lane: lane) > 0 else { return true }
        guard publisher.waitingBytes(lane: lane) <= spool.bytesFree, !isPaused else {
            return false
        }
        let packet = publisher.seal(
            lane: lane, firstOrdinal: lanes[lane].nextOrdinal, watermark: watermark)
        lanes[lane].nextOrdinal = packet.header.nextOrdinal
        if append(packet) == nil { lanes[lane].stuck = packet }
        return true
    }

    /// Whether the disk is not used because it has just failed.
    private var isPaused: Bool { clock.monotonic() < pausedUntil }

    /// Appends the packet to the spool and returns the frame's number; `nil` when there is no room
    /// or the disk failed.
    private func append(_ packet: SealedPacket) -> UInt64? {
        guard !isPaused else { return nil }
        do throws(SpoolError) {
            switch try spool.append(packet) {
            case .appended(let number):
                owner.metrics.spooled.add(UInt64(packet.header.tickCount))
                isUnsynced = true
                return number
            case .full: break
            }
        } catch {
            failed(error)
        }
        return nil
    }

    /// Syncs the spool's disk if that is due, so that spooled ticks survive a power cut.
    func sync(atOnce: Bool = false) {
        let now = clock.monotonic()
        guard isUnsynced, atOnce || now >= syncedAt + Self.syncNanoseconds else { return }
        (isUnsynced, syncedAt) = (false, now)
        do throws(SpoolError) {
            try spool.sync()
        } catch {
            failed(error)
        }
        owner.show()
    }

    /// Pauses the use of the disk and reports why.
    private func failed(_ error: SpoolError) {
        pausedUntil = clock.monotonic() + Self.pauseNanoseconds
        owner.trouble(error)
    }

    // MARK: out

    /// Sends the spooled packets that the tape accepts, in order within each lane. Call it only
    /// while the gateway may publish.
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

    /// Takes the queue's frames, up to the first one whose lane has a packet that waits.
    private func flow(_ queue: Int) throws(SpoolError) {
        while let head = try spool.peek(queue),
            let lane = laneOf[head.packet.header.partition], lanes[lane].waiting == nil,
            let packet = try spool.take(queue)
        {
            queues[queue].takenBelow = packet.number + 1
            try arrive(packet, lane)
        }
    }

    /// Forgets the losses, whose gap records are on their way onto the tape.
    func forgetLosses() { losses.removeAll() }

    /// Notes the loss of a damaged frame. An intact header names the frame's lane and its oldest
    /// tick. Without it, the frame may be of any lane. Then each lane may lack ticks from its last
    /// watermark on the tape on: none of the lost ticks is earlier.
    private func lose(_ damage: SpoolDamage) {
        guard let header = damage.header else {
            for lane in lanes.indices {
                let from = publisher.standingWatermark(lane: lane)
                if from.isDefined { losses.append((lane, from)) }
            }
            return
        }
        guard let lane = laneOf[header.partition], header.tickCount > 0 else { return }
        let isOnTape =
            isReplaying
            && lanes[lane].standing.includes(
                number: header.number, nextOrdinal: header.nextOrdinal)
        // The publisher may have the packet from before it was spooled.
        guard !isOnTape, !lanes[lane].sent.contains(header.number) else { return }
        losses.append((lane, header.oldestEventTime))
    }

    /// Decides about a frame that was taken: it is consumed if it is on the tape already, or else
    /// sent, or waits for its lane.
    private func arrive(_ packet: SpooledPacket, _ lane: Int) throws(SpoolError) {
        if let index = early.firstIndex(of: packet.number) {
            early.remove(at: index)
            try spool.consume(packet.number)
        } else if lanes[lane].sent.contains(packet.number) {
            // The publisher has the packet from before it was spooled.
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

    /// Hands the packet to the publisher, under the lane's present epoch and ordinals.
    private func send(_ packet: SpooledPacket, _ lane: Int) {
        publisher.publish(packet.packet, lane: lane)
        lanes[lane].sent.append(packet.number)
    }

    /// Handles the acknowledgement of a packet: its frame is consumed. Packets that have no frame
    /// are ignored: markers, watermarks, and those that went past the spool.
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

    /// Returns the time of the lane's oldest tick in the spool, or an earlier one. No watermark may
    /// pass it. It is undefined when nothing of the lane is spooled.
    func watermarkMax(lane: Int) -> Timestamp {
        guard isActive(lane: lane) else { return .undefined }
        let spooled = spool.tail(lanes[lane].partition)?.oldestEventTime ?? .undefined
        return min(spooled, lanes[lane].stuck?.oldestEventTime ?? .undefined)
    }

    /// Ends spooling for the streams whose frames are all on the tape. Returns true when no stream
    /// is spooled any more and one was until now. Later packets of these streams go past the spool.
    /// So first the mark on the disk has to say that all frames are on the tape: otherwise the next
    /// process would publish them again. If that fails, the streams are still spooled.
    func leaveIfDrained() -> Bool {
        let drained = queues.indices.filter { queues[$0].isActive && isDrained($0) }
        guard !drained.isEmpty, !isPaused else { return false }
        do throws(SpoolError) {
            try spool.storeMark()
        } catch {
            failed(error)
            return false
        }
        for queue in drained { queues[queue].isActive = false }
        guard !isActive else { return false }
        isReplaying = false
        owner.drained()
        owner.show()
        return true
    }

    /// Returns whether all frames of the queue are on the tape.
    private func isDrained(_ queue: Int) -> Bool {
        spool.isEmpty(queue: queue)
            && queues[queue].lanes.allSatisfy {
                lanes[$0].sent.isEmpty && lanes[$0].waiting == nil && lanes[$0].stuck == nil
            }
    }

    /// Whether the spool accepts ticks and a fifth of it is free. With less it may soon be full
    /// again, and the policies would begin and cease to act in quick turns.
    var hasRoom: Bool {
        spool.bytesFree >= spool.settings.bytesMax / 5
            && lanes.allSatisfy { $0.stuck == nil } && !isPaused
    }

    // MARK: the end of a tenure

    /// Puts all ticks that are not on the tape into the spool, for the next tenure. Returns the
    /// number of ticks that found no room and are given up. `watermark` returns a lane's watermark.
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
