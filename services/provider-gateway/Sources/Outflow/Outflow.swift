import Primitives
import TapeProtocol
import TapeTransport

/// Sends what the lanes hold: onto the tape, or into the spool while the tape takes nothing.
struct Outflow {
    /// A packet that is not acknowledged for so long says that the tape takes nothing.
    private static let stuckNanoseconds: Int64 = 1_000_000_000
    /// How long ticks are collected for a packet of the spool: what a kill can cost.
    private static let spoolNanoseconds: Int64 = 200_000_000

    let publisher: TapePublisher
    var lanes: SourceLanes
    /// Of a provider that cannot wait.
    let traffic: SpoolTraffic?
    private let watermarks: IdleWatermarks
    private var budget: PacketBudget
    private var firstLane = 0
    private var spooledAt = Int64.min
    /// Since when the gateway has not heard itself for a lease: others may own the source.
    private var pausedSince: Int64?

    init(_ source: OpenedSource, packetsPerSecond: Int) {
        publisher = source.publisher
        lanes = source.lanes
        traffic = source.resumption.isUrgent ? source.traffic : nil
        watermarks = IdleWatermarks(source.lanes)
        budget = PacketBudget(packetsPerSecond: packetsPerSecond)
    }

    /// Only an owner puts anything on the tape. True: that has changed.
    mutating func set(isSteady: Bool, now: Int64) -> Bool {
        guard isSteady == (pausedSince != nil) else { return false }
        pausedSince = isSteady ? nil : now
        return true
    }

    // MARK: room

    func isSpooled(lane: Int) -> Bool { traffic?.isActive(lane: lane) ?? false }

    var isSpooling: Bool { traffic?.isActive ?? false }

    /// Something takes what comes.
    var hasRoom: Bool {
        (traffic.map { !$0.isActive || $0.hasRoom } ?? true)
            && !lanes.tickLanes.contains { !isSpooled(lane: $0) && publisher.isFull(lane: $0) }
    }

    /// A provider that cannot wait goes into the spool. `watermark`: of the lane.
    func makeRoom(lane: Int, watermark: @autoclosure () -> Timestamp) -> Bool {
        guard let traffic else { return false }
        traffic.enter(lane: lane)
        return traffic.put(lane: lane, watermark: watermark())
    }

    // MARK: packets. `watermark` is the one of a lane

    /// Sends the packets that may leave, beginning with another lane each time, so that a spent
    /// budget is shared out.
    mutating func publishTicks(now: Int64, watermark: (_ lane: Int) -> Timestamp) {
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
            // Everything that the lane holds leaves, so the watermark is the provider's own, unless
            // something is missing and not on record.
            publisher.publish(lane: lane, watermark: watermark(lane))
        }
    }

    /// What the publisher and the spool have in hand holds the idle watermarks of its lane back.
    func publishIdle(
        _ provider: Timestamp, isLast: Bool = false, hold: (_ lane: Int) -> Timestamp
    ) {
        watermarks.publish(
            provider, { min(hold($0), traffic?.hold(lane: $0) ?? .undefined) }, publisher,
            isLast: isLast)
    }

    /// What the lanes hold goes into the spool, and what the tape takes comes out of it.
    mutating func spool(
        now: Int64, isSteady: Bool, atOnce: Bool = false, watermark: (_ lane: Int) -> Timestamp
    ) {
        guard let traffic, traffic.isActive else { return }
        if atOnce || spooledAt == Int64.min || now >= spooledAt + Self.spoolNanoseconds {
            spooledAt = now
            for lane in lanes.tickLanes where traffic.isActive(lane: lane) {
                _ = makeRoom(lane: lane, watermark: watermark(lane))
            }
        }
        if isSteady { traffic.flow() }
        traffic.sync()
        _ = traffic.leaveIfDrained()
    }

    /// Ticks of a lane that takes no packet for too long go into the spool, and with them those of
    /// its stream; so do all of a gateway that may not publish for as long.
    func enterSpoolIfStuck(now: Int64) {
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

    // MARK: what others see

    /// Ticks that were taken and are not on the tape.
    var unacknowledged: Int {
        lanes.tickLanes.reduce(0) { $0 + publisher.unacknowledgedTicks(lane: $1) }
    }

    /// Ticks that were taken and not yet sent.
    var waiting: Int { lanes.tickLanes.reduce(0) { $0 + publisher.waitingTicks(lane: $1) } }

    var longestPacketBytes: Int {
        lanes.tickLanes.map { publisher.waitingBytes(lane: $0) }.max() ?? 0
    }

    var heads: [GatewayReport.Head] {
        lanes.tickLanes.map {
            GatewayReport.Head(
                partition: publisher.partition(lane: $0), epoch: publisher.epoch(lane: $0),
                lastOrdinal: publisher.nextOrdinal(lane: $0) - 1)
        }
    }
}
