import Primitives
import TapeProtocol
import TapeTransport

/// Sends the ticks that the lanes collected: onto the tape, or into the spool while the tape
/// accepts nothing. `SourceTenure` owns it, on the gateway's thread.
///
/// A `watermark` closure returns the watermark for a lane's next packet. A `hold` closure returns
/// the time that a lane's watermark may not pass; undefined when nothing holds it back.
struct Outflow {
    /// When a lane's packet is not acknowledged for this time, its stream is treated as accepting
    /// nothing.
    private static let stuckNanoseconds: Int64 = 1_000_000_000
    /// How long ticks are collected for a packet of the spool. When the process is killed, the
    /// ticks that are being collected are lost.
    private static let spoolNanoseconds: Int64 = 200_000_000

    /// Collects the ticks of each lane and publishes its packets.
    let publisher: TapePublisher
    var lanes: SourceLanes
    /// The way through the spool; `nil` when no spool is configured, or all providers can wait.
    let traffic: SpoolTraffic?
    /// Whether a lane whose packet is full may fill the next one. It may when all providers can
    /// wait. Ticks that no provider repeats go into the spool, which outlives the process.
    private let mayClose: Bool
    private let watermarks: IdleWatermarks
    /// Decides when a lane's packet leaves. Until then it waits and grows.
    private var pace: PacketPace
    /// The lanes whose packets leave in this turn. Empty between turns.
    private var chosen: [Int] = []
    /// When collected ticks were put into the spool last.
    private var spooledAt = MonotonicTime.distantPast
    /// The time since which the gateway may not publish, because its group did not hear it for a
    /// lease and another gateway may own the source; `nil` when it may.
    private var pausedSince: MonotonicTime?

    init(_ source: OpenedSource, _ settings: PacketPace.Settings) {
        publisher = source.publisher
        lanes = source.lanes
        traffic = source.resumption.isUrgent ? source.traffic : nil
        mayClose = !source.resumption.isUrgent
        watermarks = IdleWatermarks(source.lanes)
        // The tick lanes are the publisher's first ones, so their numbers are also the pace's.
        pace = PacketPace(settings, streams: source.lanes.watermarkLanes.map(\.tickLanes))
    }

    /// Sets whether the gateway may publish (`isSteady`: its group has heard it in the last lease).
    /// Returns true when that has changed.
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
            && !lanes.tickLanes.contains {
                !isSpooled(lane: $0) && publisher.isFull(lane: $0)
                    && !(mayClose && publisher.canClose(lane: $0))
            }
    }

    /// Lets the packet of a lane grow once further, while its stream may still answer in time. Then
    /// puts the collected ticks into the spool, and directs the later packets of the stream there,
    /// too. Without a spool, lets them wait as a closed packet, so that the lane does not hold up
    /// the others. `watermark` is the lane's. Returns false when there is no room.
    mutating func makeRoom(lane: Int, now: MonotonicTime, watermark: Timestamp) -> Bool {
        guard let traffic else {
            guard mayClose, publisher.close(lane: lane, watermark: watermark) else { return false }
            pace.closed(lane: lane, now: now)
            return true
        }
        if !traffic.isActive(lane: lane), now - waitsSince(lane, now) < Self.stuckNanoseconds,
            publisher.hold(lane: lane)
        {
            return true
        }
        traffic.enter(lane: lane)
        return traffic.put(lane: lane, watermark: watermark)
    }

    // MARK: packets

    /// Returns how long the gateway's thread may wait for the next turn, unless it is at rest.
    func turn(now: MonotonicTime) -> Duration { .nanoseconds(pace.waitNanoseconds(now: now)) }

    /// Returns for how long nothing that comes can make the gateway's thread send ticks.
    func pause(now: MonotonicTime) -> Duration {
        isSpooling ? .zero : .nanoseconds(pace.pauseNanoseconds(now: now))
    }

    /// Whether nothing waits to leave and nothing is in flight, so that no answer of the tape can
    /// come.
    var isAtRest: Bool { !isSpooling && publisher.isIdle }

    /// Returns when the next watermark for readers of partitions without ticks is due. `provider`
    /// is the source's watermark.
    func watermarkDueAt(_ provider: Timestamp, now: MonotonicTime) -> MonotonicTime {
        watermarks.dueAt(provider, now: now)
    }

    /// Publishes the collected ticks of the lanes that are due, have no packet in flight and are
    /// not spooled. With `isUrgent` ticks wait for no others.
    mutating func publishTicks(
        now: MonotonicTime, isUrgent: Bool = false, watermark: (_ lane: Int) -> Timestamp
    ) {
        let (publisher, traffic) = (publisher, traffic)
        pace.choose(now: now, isUrgent: isUrgent, into: &chosen) { lane in
            var state = publisher.paceState(lane: lane)
            if let traffic, traffic.isActive(lane: lane) { state.hasTicks = false }
            return state
        }
        // All ticks of a lane that were taken are in this packet or before it. So only gaps and
        // held quotes hold its watermark back.
        for lane in chosen { publisher.publish(lane: lane, watermark: watermark(lane)) }
        chosen.removeAll(keepingCapacity: true)
    }

    /// Returns whether the lane has ticks that may be published now.
    func isPublishable(lane: Int) -> Bool {
        publisher.isReady(lane: lane) && publisher.waitingTicks(lane: lane) > 0
            && !isSpooled(lane: lane)
    }

    /// Publishes the next packet of a publishable lane in the middle of a turn, so that a record
    /// finds room. Returns false when it finds none: the packets per second are spent, or it was a
    /// closed packet that left.
    mutating func publishNow(lane: Int, now: MonotonicTime, watermark: Timestamp) -> Bool {
        guard pace.chooseNow(lane: lane, now: now) else { return false }
        let wasClosed = publisher.hasClosed(lane: lane)
        publisher.publish(lane: lane, watermark: watermark)
        return !wasClosed
    }

    /// Notes an acknowledgement. Later packets wait as long as the time that it took permits.
    /// Returns how many nanoseconds ago the packet's first tick came; `nil` for a packet of the
    /// spool, a marker and a watermark.
    mutating func acknowledged(
        _ packet: TapePublisher.Acknowledged, now: MonotonicTime
    ) -> Int64? {
        traffic?.acknowledged(packet)
        return pace.acknowledged(lane: packet.lane, now: now)
    }

    /// Publishes the watermarks that are due for readers of partitions without ticks. `provider` is
    /// the source's watermark. Ticks that are still in the publisher or in the spool hold it back.
    func publishIdle(
        _ provider: Timestamp, isLast: Bool = false, hold: (_ lane: Int) -> Timestamp
    ) {
        watermarks.publish(
            provider, { min(hold($0), traffic?.watermarkMax(lane: $0) ?? .undefined) }, publisher,
            isLast: isLast)
    }

    /// While the spool is used: puts the collected ticks of spooled lanes into it, publishes the
    /// spooled packets that the tape accepts, and ends spooling when all of them are on the tape.
    /// With `spoolsAll` the ticks are put into it now, instead of collecting more for a packet.
    mutating func spool(
        now: MonotonicTime, isSteady: Bool, spoolsAll: Bool = false,
        watermark: (_ lane: Int) -> Timestamp
    ) {
        guard let traffic, traffic.isActive else { return }
        if spoolsAll || now >= spooledAt + Self.spoolNanoseconds {
            spooledAt = now
            for lane in lanes.tickLanes where traffic.isActive(lane: lane) {
                _ = makeRoom(lane: lane, now: now, watermark: watermark(lane))
            }
        }
        if isSteady { traffic.flow() }
        traffic.sync()
        _ = traffic.leaveIfDrained()
    }

    /// Starts spooling for the stream of a lane whose ticks are not acknowledged for too long. If
    /// the gateway may not publish for that time, the streams of all lanes with ticks are spooled.
    func enterSpoolIfStuck(now: MonotonicTime) {
        guard let traffic else { return }
        for lane in lanes.tickLanes {
            guard now - waitsSince(lane, now) >= Self.stuckNanoseconds,
                publisher.unacknowledgedTicks(lane: lane) > 0
            else { continue }
            traffic.enter(lane: lane)
        }
    }

    /// Returns since when the lane's ticks wait for an answer of the tape, or because the gateway
    /// may not publish.
    private func waitsSince(_ lane: Int, _ now: MonotonicTime) -> MonotonicTime {
        min(publisher.busySince(lane: lane) ?? now, pausedSince ?? now)
    }

    // MARK: state for others

    /// The number of ticks in the publisher that are not known to be on the tape. Spooled ticks are
    /// not included, unless they are in flight.
    var unacknowledged: Int {
        lanes.tickLanes.reduce(0) { $0 + publisher.unacknowledgedTicks(lane: $1) }
    }

    /// The number of ticks that are being collected for packets.
    var waiting: Int { lanes.tickLanes.reduce(0) { $0 + publisher.waitingTicks(lane: $1) } }

    /// The size in bytes of the largest packet that is being collected.
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
