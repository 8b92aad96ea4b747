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
    /// How long what a policy leaves out is collected for a gap record.
    private static let gapNanoseconds: Int64 = 5_000_000_000
    /// How long the last record may take at the end.
    private static let recordTimeout = Duration.seconds(2)

    let parts: GatewayParts
    let clock = SystemClock()
    var inflow: Inflow
    var outflow: Outflow
    var books: Books
    private let mailbox: TapeMailbox
    private var events: [TapeEvent] = []
    /// The providers have been asked to end, in order.
    private var providerStop: ProviderStop?
    private var reportedAt = Int64.min

    init(_ parts: GatewayParts, _ source: OpenedSource) {
        self.parts = parts
        mailbox = source.mailbox
        inflow = Inflow(parts, source)
        outflow = Outflow(source, packetsPerSecond: parts.settings.packetsPerSecond)
        books = Books(source)
    }

    // MARK: the loop

    /// Until the source is no longer this gateway's own.
    func run() -> TenureEnd {
        parts.report.show(inflow.ticks.providers)
        parts.report.show(feeders: inflow.ticks.feeders)
        let end = work()
        // Each of these has a deadline; the spool's disk has none.
        parts.beat.beat(before: ThreadWatch.systemTime)
        parts.report.show([])
        parts.report.show(feeders: [])
        if providerStop == nil { inflow.ticks.stop(within: ProviderStop.timeout) }
        books.stop(within: Self.recordTimeout)
        // Also what an end without order cuts short: who owns the spool then decides about it.
        guard let lost = keepInSpool() else { return end }
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
            releaseQuotes(all: !inflow.backpressure.isPressed)
            let blocked = takeTicks()
            if inflow.hasFailed {
                parts.context.telemetry.emit(BackpressureEnds(source: parts.settings.source))
                return .failed
            }
            publish(isSteady: isSteady())
            tell()
            _ = mailbox.receive(
                into: &events, max: Self.eventsPerTurn,
                timeout: blocked ? Self.waitMax : Self.awaitedMax)
            if let ending = handle() { return ending }
        }
    }

    /// Only an owner puts anything on the tape. Ticks are taken meanwhile, as far as there is room.
    private func isSteady() -> Bool {
        let now = clock.monotonic().nanoseconds
        let isSteady = parts.seat.isSteady(now: now)
        if outflow.set(isSteady: isSteady, now: now) {
            parts.context.telemetry.emit(
                SourcePaused(source: parts.settings.source, isPaused: !isSteady))
        }
        return isSteady
    }

    private func publish(isSteady: Bool) {
        send(isSteady: isSteady)
        // Also those of packets that came out while the source was being opened.
        if let traffic = outflow.traffic, !traffic.losses.isEmpty { note(lossesOf: traffic) }
        guard isSteady else { return }
        outflow.publishIdle(inflow.watermark()) { hold(lane: $0) }
        outflow.publisher.tick()
    }

    /// What is in the lanes leaves them, through the spool or at once.
    private func send(isSteady: Bool, spoolAtOnce: Bool = false) {
        let now = clock.monotonic().nanoseconds
        let watermark = inflow.watermark()
        // A disk has no deadline of ours.
        if outflow.isSpooling { parts.beat.beat(before: ThreadWatch.systemTime) }
        outflow.spool(now: now, isSteady: isSteady, atOnce: spoolAtOnce) {
            min(watermark, hold(lane: $0))
        }
        if isSteady {
            outflow.publishTicks(now: now) { min(watermark, hold(lane: $0)) }
        }
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
        changed(inflow.backpressure.set(.headroom, parts.headroom() == .low))
        if inflow.backpressure.causes.contains(.noRoom), outflow.hasRoom {
            changed(inflow.backpressure.set(.noRoom, false))
        }
        let openSince = books.gaps.openSince
        let isDue = openSince < Int64.max && now >= openSince + Self.gapNanoseconds
        if isDue || !inflow.backpressure.isPressed && !inflow.time.isRefusing {
            books.gaps.close()
        }
    }

    /// A provider that cannot wait goes into the spool.
    func makeRoom(lane: Int) -> Bool {
        outflow.makeRoom(lane: lane, watermark: min(inflow.watermark(), hold(lane: lane)))
    }

    private func handle() -> TenureEnd? {
        defer { events.removeAll(keepingCapacity: true) }
        for event in events {
            if case .answer(let message) = event { outflow.publisher.handle(message) }
        }
        if let reason = parts.seat.connectionEnd { return .connectionGone(reason) }
        parts.report.add(outflow.publisher.rolledBack, now: clock.now())
        outflow.publisher.rolledBack.removeAll()
        for packet in outflow.publisher.acknowledged {
            parts.metrics.acknowledged(packet, now: clock.now())
            outflow.traffic?.acknowledged(packet)
        }
        outflow.publisher.acknowledged.removeAll(keepingCapacity: true)
        // Those of watermarks, too: a market that is at its end has nothing else to say.
        guard let lane = outflow.lanes.all.first(where: { outflow.publisher.isFenced(lane: $0) })
        else {
            return nil
        }
        return .fenced(epoch: outflow.publisher.epoch(lane: lane))
    }

    // MARK: the end

    /// Providers end, and what they have said by then is taken; all that was taken is put on the
    /// tape, then how far it goes: what a successor misses begins there.
    private func drain() -> TenureEnd {
        let deadline = clock.monotonic().nanoseconds + parts.settings.drainNanoseconds
        providerStop = ProviderStop(inflow.ticks.providers)
        var isTaking = true
        books.gaps.close()
        var hasSaidWatermark = false
        while clock.monotonic().nanoseconds < deadline {
            parts.beat.beat()
            if case .drop? = parts.seat.wish() { return .dropped }
            writeGaps()
            writeResets()
            if isTaking { isTaking = takeLast() }
            releaseQuotes(all: true)
            if inflow.hasFailed { return .failed }
            let isSteady = isSteady()
            send(isSteady: isSteady, spoolAtOnce: true)
            if isSteady {
                if !hasSaidWatermark, !isTaking, isEmptied {
                    hasSaidWatermark = true
                    outflow.publishIdle(inflow.watermark(), isLast: true) { hold(lane: $0) }
                }
                outflow.publisher.tick()
            }
            if hasSaidWatermark, outflow.publisher.isIdle { break }
            _ = mailbox.receive(
                into: &events, max: Self.eventsPerTurn, timeout: Self.drainWaitMax)
            if let ending = handle() { return ending }
        }
        return drained()
    }

    /// All that was taken is on the tape.
    private var isEmptied: Bool {
        !outflow.isSpooling && outflow.publisher.isIdle && !books.hasGapsDue && inflow.held.isEmpty
    }

    /// False: there is nothing left to take.
    private func takeLast() -> Bool {
        let isOver = providerStop?.isOver ?? true
        if isOver { inflow.ticks.close() }
        _ = takeTicks()
        books.gaps.close()
        guard isOver, !inflow.ticks.hasNext else { return true }
        return false
    }

    private func drained() -> TenureEnd {
        parts.beat.beat(before: ThreadWatch.systemTime)
        inflow.ticks.close()
        for name in providerStop?.late ?? [] {
            parts.context.telemetry.emit(
                ProviderLate(source: parts.settings.source, provider: name))
        }
        record()
        let left =
            (keepInSpool() ?? outflow.unacknowledged) + inflow.ticks.waiting + inflow.held.count
        parts.context.telemetry.emit(
            GatewayDrained(
                ticks: parts.metrics.received.value, unpublished: UInt64(left),
                spooled: parts.spool?.spool.ticks ?? 0))
        return .released(left: left)
    }

    /// What is missing and on no record stays so: no packet that waits there says otherwise.
    /// Answers how many ticks found no room there; nil: there is no spool.
    private func keepInSpool() -> Int? {
        guard let traffic = outflow.traffic else { return nil }
        let watermark = inflow.watermark()
        return traffic.keep { min(watermark, hold(lane: $0)) }
    }

    private func tell() {
        let now = clock.monotonic().nanoseconds
        guard now >= reportedAt &+ Self.reportNanoseconds || reportedAt == Int64.min else { return }
        reportedAt = now
        inflow.time.tell()
        route()
        outflow.enterSpoolIfStuck(now: now)
        lookAtRoom(now)
        askForBooks(now: now)
        // A reader that holds more than was given out: the tape was put back before this gateway
        // came, or behind its back.
        if let heard = parts.readers.news() {
            let behind = outflow.lanes.behind(heard)
            inflow.ticks.passOver { behind.contains(outflow.lanes.partition(of: $0)) }
            outflow.lanes.raise(to: heard)
        }
        if books.isRecordDue(now: now) { record() }
        books.desk?.tell(now: now)
        parts.metrics.waiting(longestPacketBytes: outflow.longestPacketBytes)
        parts.metrics.source(hasEnded: inflow.ticks.hasEnded)
        parts.context.readiness.set(ReadinessPart.tape, outflow.publisher.trouble)
        parts.report.update(
            GatewayReport.Progress(
                role: .active, generated: inflow.ticks.handedOut,
                finished: inflow.ticks.isFinished, opened: true, waiting: outflow.waiting,
                partitions: outflow.heads, record: books.recordStatus,
                pressure: inflow.backpressure.causes,
                spooled: parts.spool.map { ($0.spool.ticks, $0.spool.bytes) },
                gaps: books.desk?.status))
    }

    private func record() {
        books.record(outflow.lanes, clock.now(), monotonic: clock.monotonic().nanoseconds)
    }
}
