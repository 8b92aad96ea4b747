import MarketModel
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport
import TickSpool

/// How the time ended in which this gateway was the source's own.
enum TenureEnd {
    /// Given back in order, with so many ticks that could not be put on the tape.
    case released(left: Int)
    /// Somebody else has it already.
    case dropped
    /// The tape shows a higher epoch.
    case fenced(epoch: UInt64)
    case connectionGone(String)
    /// A policy says so.
    case failed
}

/// The data plane of a source that is open: takes due ticks from the provider, packs them per
/// partition, and puts them on the tape.
///
///     provider -> lane of its partition (packet grows) -> one packet in flight -> acknowledged
///
/// When a lane is full the provider has to wait. One that cannot wait goes on into the spool, if
/// there is one, until the tape takes everything again.
final class SourceTenure {
    private static let eventsPerTurn = 256
    /// The longest wait, so that orders, shutdown and time-outs are never late.
    private static let waitMax = Duration.milliseconds(20)
    /// While ticks may come at any moment and nothing wakes the thread: what it adds to a tick's
    /// way at most, as long as no acknowledgement wakes it before.
    private static let awaitedMax = Duration.milliseconds(1)
    private static let drainWaitMax = Duration.milliseconds(5)
    /// How often progress is put where other threads can see it.
    private static let reportNanoseconds: Int64 = 100_000_000
    /// How often what the tape acknowledged is put on record. What is younger can be lost with a
    /// tape that is put back, unless a reader has it.
    private static let recordNanoseconds: Int64 = 1_000_000_000
    /// How long what a policy leaves out is collected for a gap record.
    private static let gapNanoseconds: Int64 = 5_000_000_000
    /// A packet that is not acknowledged for so long says that the tape takes nothing.
    private static let stuckNanoseconds: Int64 = 1_000_000_000
    /// How long ticks are collected for a packet of the spool: what a kill can cost.
    private static let spoolNanoseconds: Int64 = 200_000_000
    /// How long the last record may take at the end.
    private static let recordTimeout = Duration.seconds(2)

    let parts: GatewayParts
    let clock = SystemClock()
    var time: SourceTime
    private let mailbox: TapeMailbox
    let publisher: TapePublisher
    private let watermarks: IdleWatermarks
    var lanes: SourceLanes
    var supply: TickSupply
    /// Ticks are taken whatever their times are.
    let isRecorded: Bool
    var gaps: GapBook
    var books: DepthBooks
    /// Nil: nobody fills gaps of this source in.
    let desk: GapDesk?
    /// Of symbols in no list, of which there is something to settle: their numbers in their lanes.
    var unlisted: [Symbol: UInt32] = [:]
    /// The providers have been asked to end, in order.
    private var providerStop: ProviderStop?
    /// Records of providers that did not feed the instrument, as far as they are counted.
    var unroutedTold: UInt64 = 0
    private var budget: PacketBudget
    private var firstLane = 0
    private var reportedAt = Int64.min
    private let recorder: SourceRecorder
    /// Of a provider that cannot wait.
    private let traffic: SpoolTraffic?
    private var spooledAt = Int64.min
    var backpressure: BackpressureMachine
    var held: HeldQuotes
    /// There is no room, and the policy is to end.
    var hasFailed = false
    private var recorded: [SourceRecord.Lane: SourceRecord.Head] = [:]
    private var recordedAt = Int64.min
    private var events: [TapeEvent] = []
    /// It did not hear itself for a lease: others may own the source.
    private var isPaused = false
    private var pausedSince: Int64?

    init(_ parts: GatewayParts, _ source: OpenedSource) {
        self.parts = parts
        time = SourceTime(parts.settings, parts.context.telemetry)
        budget = PacketBudget(packetsPerSecond: parts.settings.packetsPerSecond)
        mailbox = source.mailbox
        publisher = source.publisher
        lanes = source.lanes
        supply = source.resumption.supply
        isRecorded = source.resumption.supply.isRecorded
        gaps = source.resumption.gaps
        books = DepthBooks(isRecorded: source.resumption.supply.isRecorded)
        desk = source.gaps
        watermarks = IdleWatermarks(source.lanes)
        recorder = source.recorder
        backpressure = BackpressureMachine(
            parts.settings.policies, symbols: source.lanes.places.count)
        held = HeldQuotes(
            laneOf: source.lanes.places.map(\.lane), laneCount: source.lanes.tickLanes.count)
        traffic = source.resumption.isUrgent ? source.traffic : nil
    }

    // MARK: the loop

    /// Until the source is no longer this gateway's own.
    func run() -> TenureEnd {
        parts.report.show(supply.providers)
        parts.report.show(feeders: supply.feeders)
        let end = work()
        // Each of these has a deadline; the spool's disk has none.
        parts.beat.beat(before: ThreadWatch.systemTime)
        parts.report.show([])
        parts.report.show(feeders: [])
        if providerStop == nil { supply.stop(within: ProviderStop.timeout) }
        recorder.stop(within: Self.recordTimeout)
        desk?.stop(within: Self.recordTimeout)
        guard let traffic else { return end }
        // Also what an end without order cuts short: who owns the spool then decides about it.
        let lost = keep(in: traffic)
        if case .released = end { return .released(left: lost) }
        return end
    }

    private func work() -> TenureEnd {
        while true {
            parts.beat.beat()
            switch parts.seat.wish() {
            case .release?: return drain()
            case .drop?: return .dropped
            case nil: break
            }
            writeGaps()
            writeResets()
            releaseQuotes(all: !backpressure.isPressed)
            let blocked = takeTicks()
            if hasFailed {
                parts.context.telemetry.emit(BackpressureEnds(source: parts.settings.source))
                return .failed
            }
            publish(isSteady: isSteady())
            tell()
            _ = mailbox.receive(
                into: &events, max: Self.eventsPerTurn, timeout: wait(blocked: blocked))
            if let ending = handle() { return ending }
        }
    }

    /// Only an owner puts anything on the tape. Ticks are taken meanwhile, as far as there is room.
    private func isSteady() -> Bool {
        let isSteady = parts.seat.isSteady(now: clock.monotonic().nanoseconds)
        if isSteady == isPaused {
            isPaused = !isSteady
            pausedSince = isPaused ? clock.monotonic().nanoseconds : nil
            parts.context.telemetry.emit(
                SourcePaused(source: parts.settings.source, isPaused: isPaused))
        }
        return isSteady
    }

    private func publish(isSteady: Bool) {
        if let traffic, traffic.isActive { spool(traffic, isSteady: isSteady) }
        if isSteady { publishTicks() }
        // Also those of packets that came out while the source was being opened.
        if let traffic, !traffic.losses.isEmpty { note(lossesOf: traffic) }
        guard isSteady else { return }
        watermarks.publish(packetWatermark(), idleHold, publisher)
        publisher.tick()
    }

    /// What holds the idle watermarks of a lane back beside what the publisher has in hand.
    private func idleHold(lane: Int) -> Timestamp {
        min(hold(lane: lane), traffic?.hold(lane: lane) ?? .undefined)
    }

    /// How long nothing is to be done unless an event comes.
    private func wait(blocked: Bool) -> Duration {
        if blocked { return Self.waitMax }
        guard let due = supply.nextDue else {
            return supply.isAwaited ? Self.awaitedMax : Self.waitMax
        }
        let nanoseconds = due.nanoseconds(since: time.now())
        // Ticks that are due within a millisecond are taken together.
        return min(Self.waitMax, .nanoseconds(max(1_000_000, nanoseconds)))
    }

    // MARK: backpressure

    func changed(_ causes: BackpressureMachine.Causes?) {
        guard let causes else { return }
        parts.context.telemetry.emit(
            BackpressureChanged(
                source: parts.settings.source, causes: causes,
                policies: parts.settings.policies))
    }

    /// How much room there is, and whether what was left out is to be written.
    private func lookAtRoom(_ now: Int64) {
        changed(backpressure.set(.headroom, parts.headroom() == .low))
        if backpressure.causes.contains(.noRoom) {
            let hasRoom =
                (traffic.map { !$0.isActive || $0.hasRoom } ?? true)
                && !lanes.tickLanes.contains { !isSpooled(lane: $0) && publisher.isFull(lane: $0) }
            if hasRoom { changed(backpressure.set(.noRoom, false)) }
        }
        let isDue = gaps.openSince < Int64.max && now >= gaps.openSince + Self.gapNanoseconds
        if isDue || !backpressure.isPressed && !time.isRefusing { gaps.close() }
    }

    // MARK: packets

    /// A provider that cannot wait goes into the spool.
    func makeRoom(lane: Int) -> Bool {
        guard let traffic else { return false }
        traffic.enter(lane: lane)
        return traffic.put(lane: lane, watermark: min(packetWatermark(), hold(lane: lane)))
    }

    private func isSpooled(lane: Int) -> Bool { traffic?.isActive(lane: lane) ?? false }

    /// No tick that comes behind the present packets is earlier, what is missing left aside.
    private func packetWatermark() -> Timestamp { time.watermark(of: supply) }

    /// What the lanes hold goes into the spool, and what the tape takes comes out of it.
    private func spool(_ traffic: SpoolTraffic, isSteady: Bool) {
        let now = clock.monotonic().nanoseconds
        // A disk has no deadline of ours.
        parts.beat.beat(before: ThreadWatch.systemTime)
        if spooledAt == Int64.min || now >= spooledAt + Self.spoolNanoseconds {
            spooledAt = now
            for lane in lanes.tickLanes where traffic.isActive(lane: lane) {
                _ = makeRoom(lane: lane)
            }
        }
        if isSteady { traffic.flow() }
        traffic.sync()
        _ = traffic.leaveIfDrained()
    }

    /// Ticks of a lane that takes no packet for too long go into the spool, and with them those of
    /// its stream; so do all of a gateway that may not publish for as long.
    private func enterSpoolIfStuck(_ now: Int64) {
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

    /// Sends the packets that may leave, beginning with another lane each time, so that a spent
    /// budget is shared out.
    private func publishTicks() {
        let now = clock.monotonic().nanoseconds
        let watermark = packetWatermark()
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
            publisher.publish(lane: lane, watermark: min(watermark, hold(lane: lane)))
        }
    }

    private func handle() -> TenureEnd? {
        defer { events.removeAll(keepingCapacity: true) }
        for event in events {
            if case .answer(let message) = event { publisher.handle(message) }
        }
        if let reason = parts.seat.connectionEnd { return .connectionGone(reason) }
        parts.report.add(publisher.rolledBack, now: clock.now())
        publisher.rolledBack.removeAll()
        for packet in publisher.acknowledged {
            parts.metrics.acknowledged(packet, now: clock.now())
            traffic?.acknowledged(packet)
        }
        publisher.acknowledged.removeAll(keepingCapacity: true)
        // Those of watermarks, too: a market that is at its end has nothing else to say.
        guard let lane = lanes.all.first(where: { publisher.isFenced(lane: $0) }) else {
            return nil
        }
        return .fenced(epoch: publisher.epoch(lane: lane))
    }

    // MARK: the end

    /// Providers end, and what they have said by then is taken; all that was taken is put on the
    /// tape, then how far it goes: what a successor misses begins there.
    private func drain() -> TenureEnd {
        let deadline = clock.monotonic().nanoseconds + parts.settings.drainNanoseconds
        providerStop = supply.providers.isEmpty ? nil : ProviderStop(supply.providers)
        var isTaking = providerStop != nil
        gaps.close()
        var hasSaidWatermark = false
        while clock.monotonic().nanoseconds < deadline {
            parts.beat.beat()
            if case .drop? = parts.seat.wish() { return .dropped }
            writeGaps()
            writeResets()
            if isTaking { isTaking = takeLast() }
            releaseQuotes(all: true)
            if hasFailed { return .failed }
            let isSteady = isSteady()
            if let traffic, traffic.isActive {
                spooledAt = Int64.min
                spool(traffic, isSteady: isSteady)
            }
            if isSteady {
                publishTicks()
                let isSpooled = traffic?.isActive ?? false
                if !hasSaidWatermark, !isTaking, !isSpooled, publisher.isIdle, !hasGapsDue,
                    held.isEmpty
                {
                    hasSaidWatermark = true
                    watermarks.publish(packetWatermark(), idleHold, publisher, isLast: true)
                }
            }
            if isSteady { publisher.tick() }
            if hasSaidWatermark, publisher.isIdle { break }
            _ = mailbox.receive(
                into: &events, max: Self.eventsPerTurn, timeout: Self.drainWaitMax)
            if let ending = handle() { return ending }
        }
        return drained()
    }

    /// False: there is nothing left to take.
    private func takeLast() -> Bool {
        let isOver = providerStop?.isOver ?? true
        if isOver { supply.close() }
        _ = takeTicks()
        gaps.close()
        guard isOver, supply.nextDue == nil else { return true }
        return false
    }

    private func drained() -> TenureEnd {
        parts.beat.beat(before: ThreadWatch.systemTime)
        supply.close()
        for name in providerStop?.late ?? [] {
            parts.context.telemetry.emit(
                ProviderLate(source: parts.settings.source, provider: name))
        }
        record()
        var left = lanes.tickLanes.reduce(0) { $0 + publisher.unacknowledgedTicks(lane: $1) }
        if let traffic { left = keep(in: traffic) }
        left += supply.waiting + held.count
        parts.context.telemetry.emit(
            GatewayDrained(
                ticks: parts.metrics.received.value, unpublished: UInt64(left),
                spooled: parts.spool?.spool.ticks ?? 0))
        return .released(left: left)
    }

    /// What is missing and on no record stays so: no packet that waits there says otherwise.
    private func keep(in traffic: SpoolTraffic) -> Int {
        let watermark = packetWatermark()
        return traffic.keep { min(watermark, hold(lane: $0)) }
    }

    private func tell() {
        let now = clock.monotonic().nanoseconds
        guard now >= reportedAt &+ Self.reportNanoseconds || reportedAt == Int64.min else { return }
        reportedAt = now
        time.tell()
        route()
        enterSpoolIfStuck(now)
        lookAtRoom(now)
        askForBooks(now: now)
        // A reader that holds more than was given out: the tape was put back before this gateway
        // came, or behind its back.
        if let heard = parts.readers.news() {
            supply.passOver(lanes.isBehind(heard))
            lanes.raise(to: heard)
        }
        if recordedAt == Int64.min || now >= recordedAt + Self.recordNanoseconds { record() }
        desk?.tell(now: now)
        parts.metrics.waiting(
            longestPacketBytes: lanes.tickLanes.map { publisher.waitingBytes(lane: $0) }.max() ?? 0)
        parts.metrics.source(hasEnded: supply.hasEnded)
        parts.context.readiness.set(ReadinessPart.tape, publisher.trouble)
        parts.report.update(
            GatewayReport.Progress(
                role: .active, generated: supply.next, finished: supply.isFinished,
                opened: true,
                waiting: lanes.tickLanes.reduce(0) { $0 + publisher.waitingTicks(lane: $1) },
                partitions: lanes.tickLanes.map {
                    GatewayReport.Head(
                        partition: publisher.partition(lane: $0), epoch: publisher.epoch(lane: $0),
                        lastOrdinal: publisher.nextOrdinal(lane: $0) - 1)
                }, record: recorder.status, pressure: backpressure.causes,
                spooled: parts.spool.map { ($0.spool.ticks, $0.spool.bytes) },
                gaps: desk?.status))
    }

    /// Hands over what is to be put on record, if any of it is news.
    private func record() {
        let present = lanes.record(time: clock.now())
        guard present.heads != recorded, recorder.record(present) else { return }
        recorded = present.heads
        recordedAt = clock.monotonic().nanoseconds
    }
}
