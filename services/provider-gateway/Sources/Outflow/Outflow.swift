import Primitives
import TapeProtocol
import TapeTransport

/// Sends the ticks that the lanes collected: onto the tape, or into the spool while the tape
/// accepts nothing. A `watermark` closure returns a lane's watermark, and `hold` the time that it
/// may not pass; undefined when nothing holds it back.
struct Outflow {
    /// When a packet is not acknowledged for this time, the tape is treated as accepting nothing.
    private static let stuckNanoseconds: Int64 = 1_000_000_000
    /// How long ticks are collected for a packet of the spool. A kill can cost these ticks.
    private static let spoolNanoseconds: Int64 = 200_000_000

    let publisher: TapePublisher
    var lanes: SourceLanes
    /// The way through the spool; `nil` without a spool, and for providers that can wait.
    let traffic: SpoolTraffic?
    private let watermarks: IdleWatermarks
    /// Limits the packets per second.
    private var budget: PacketBudget
    /// The index in `tickLanes` of the lane that is sent first.
    private var firstLane = 0
    /// The monotonic time of the last packets for the spool.
    private var spooledAt = MonotonicTime.distantPast
    /// The time since which the gateway may not publish, because its group did not hear it for a
    /// lease and another gateway may own the source; `nil` when it may.
    private var pausedSince: MonotonicTime?

    init(_ source: OpenedSource, packetsPerSecond: Int) {
        publisher = source.publisher
        lanes = source.lanes
        traffic = source.resumption.isUrgent ? source.traffic : nil
        watermarks = IdleWatermarks(source.lanes)
        budget = PacketBudget(packetsPerSecond: packetsPerSecond)
    }

    /// Sets whether the gateway may publish, which only an owner may (`isSteady`). Returns true
    /// when that has changed.
    mutating func set(isSteady: Bool, now: MonotonicTime) -> Bool {
        guard isSteady == (pausedSince != nil) else { return false }
        pausedSince = isSteady ? nil : now
        return true
    }

    // MARK: room

    /// Returns whether the lane's packets go through the spool now.
    func isSpooled(lane: Int) -> Bool { traffic?.isActive(lane: lane) ?? false }

    /// Whether any lane's packets go through the spool now.
    var isSpooling: Bool { traffic?.isActive ?? false }

    /// Whether every lane has room for more ticks, itself or through the spool.
    var hasRoom: Bool {
        (traffic.map { !$0.isActive || $0.hasRoom } ?? true)
            && !lanes.tickLanes.contains { !isSpooled(lane: $0) && publisher.isFull(lane: $0) }
    }

    /// Moves the ticks of a lane into the spool if there is one. `watermark` is the lane's. Returns
    /// false when there is no room.
    func makeRoom(lane: Int, watermark: @autoclosure () -> Timestamp) -> Bool {
        guard let traffic else { return false }
        traffic.enter(lane: lane)
        return traffic.put(lane: lane, watermark: watermark())
    }

    // MARK: packets (`watermark` returns a lane's)

    /// Sends the packets that may leave. It begins with the lane at which the budget was spent
    /// last, so that all lanes get their share.
    mutating func publishTicks(now: MonotonicTime, watermark: (_ lane: Int) -> Timestamp) {
        let tickLanes = lanes.tickLanes
        for offset in tickLanes.indices {
            let lane = tickLanes[(firstLane + offset) % tickLanes.count]
            guard publisher.isReady(lane: lane), publisher.waitingTicks(lane: lane) > 0,
                !isSpooled(lane: lane)
            else { continue }
            guard budget.take(now: now) else {
                firstLane = (firstLane + offset) % tickLanes.count
                return
            }
            // All ticks of the lane are in this packet, so the watermark is the provider's own,
            // unless a gap is not recorded yet.
            publisher.publish(lane: lane, watermark: watermark(lane))
        }
    }

    /// Publishes watermarks of idle lanes. Ticks that are still in the publisher or in the spool
    /// hold them back.
    func publishIdle(
        _ provider: Timestamp, isLast: Bool = false, hold: (_ lane: Int) -> Timestamp
    ) {
        watermarks.publish(
            provider, { min(hold($0), traffic?.watermarkMax(lane: $0) ?? .undefined) }, publisher,
            isLast: isLast)
    }

    /// Moves the ticks of the lanes into the spool, and sends spooled packets that the tape
    /// accepts. With `spoolsAll` it does not wait until more ticks are collected.
    mutating func spool(
        now: MonotonicTime, isSteady: Bool, spoolsAll: Bool = false,
        watermark: (_ lane: Int) -> Timestamp
    ) {
        guard let traffic, traffic.isActive else { return }
        if spoolsAll || now >= spooledAt + Self.spoolNanoseconds {
            spooledAt = now
            for lane in lanes.tickLanes where traffic.isActive(lane: lane) {
                _ = makeRoom(lane: lane, watermark: watermark(lane))
            }
        }
        if isSteady { traffic.flow() }
        traffic.sync()
        _ = traffic.leaveIfDrained()
    }

    /// Starts spooling for the stream of a lane whose packets are not acknowledged for too long. If
    /// the gateway may not publish for that time, all its lanes with ticks are spooled.
    func enterSpoolIfStuck(now: MonotonicTime) {
        guard let traffic else { return }
        for lane in lanes.tickLanes {
            let busySince = publisher.busySince(lane: lane) ?? now
            let since = min(busySince, pausedSince ?? now)
            guard now - since >= Self.stuckNanoseconds,
                publisher.unacknowledgedTicks(lane: lane) > 0
            else { continue }
            traffic.enter(lane: lane)
        }
    }

    // MARK: state for others

    /// The number of ticks that were taken and are not on the tape yet.
    var unacknowledged: Int {
        lanes.tickLanes.reduce(0) { $0 + publisher.unacknowledgedTicks(lane: $1) }
    }

    /// The number of ticks that were taken and not sent yet.
    var waiting: Int { lanes.tickLanes.reduce(0) { $0 + publisher.waitingTicks(lane: $1) } }

    /// The size of the largest packet that is being collected.
    var longestPacketBytes: Int {
        lanes.tickLanes.map { publisher.waitingBytes(lane: $0) }.max() ?? 0
    }

    /// The epoch and the last acknowledged ordinal of each partition.
    var heads: [GatewayReport.Head] {
        lanes.tickLanes.map {
            GatewayReport.Head(
                partition: publisher.partition(lane: $0), epoch: publisher.epoch(lane: $0),
                lastOrdinal: publisher.nextOrdinal(lane: $0) - 1)
        }
    }
}
