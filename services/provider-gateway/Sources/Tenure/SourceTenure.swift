import MarketModel
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTraces
import TapeTransport
import TickSpool

/// How a tenure of this gateway ended.
enum TenureEnd: Sendable {
    /// The source was given back in order. `left` records are neither on the tape nor in the spool.
    case released(left: Int)
    /// The group reported that this tenure does not own the source any more: the group has given
    /// the source to another gateway, or to this one again.
    case dropped
    /// The tape has a higher epoch than `epoch`, which was this gateway's.
    case fenced(epoch: UInt64)
    /// The connection to the tape has ended for good, for this reason.
    case connectionGone(String)
    /// The source is pressed, and the policy `error` requires the service to end.
    case endedByPolicy
    /// The source of delayed data has failed in a way that no retry can help.
    case failed(any Error)
}

/// One tenure of the source, from the moment when it is open: takes the ticks of the providers,
/// packs them per partition, and puts them onto the tape. `Gateway` runs it on the gateway's
/// thread, which owns all its parts.
///
///     provider -> lane of its partition (packet grows) -> one packet in flight -> acknowledged
///
/// A *turn* is one round of the main loop. When a lane is full, the provider has to wait. If it
/// cannot, its ticks go into the spool, if there is one, until the tape accepts everything again.
/// `SourceTenure+Taking` has the way of a single tick.
final class SourceTenure {
    /// The maximum of the tape's answers that a turn handles.
    private static let eventsPerTurn = 256
    /// The longest wait for an answer while the provider is blocked. It bounds how late orders of
    /// the group, shutdown and timeouts are noticed.
    private static let blockedWaitMax = Duration.milliseconds(20)
    /// The longest wait for an answer while records are left that no turn has taken yet.
    /// Otherwise it is `Outflow.turn`: a new tick does not end a wait for an answer, so that is the
    /// most that waiting adds to a tick's latency. While no answer is expected, a tick wakes the
    /// thread. In an `Outflow.pause` neither ticks nor answers do, because each wake-up costs more
    /// than what there is to do.
    private static let busyWaitMax = Duration.milliseconds(1)
    /// The longest wait for an answer while the source is drained. Few ticks come then.
    private static let drainWaitMax = Duration.milliseconds(5)
    /// How often the periodic work of `reportState` is done.
    private static let reportNanoseconds: Int64 = 100_000_000
    /// How long left-out ticks are collected for one gap record per symbol and kind.
    private static let gapNanoseconds: Int64 = 5_000_000_000
    /// How long the last writes of the source's record and of its ledgers may take at the end.
    private static let recordTimeout = Duration.seconds(2)
    /// How much later than this source the one of delayed data may end in order.
    private static let joinGrace = Duration.milliseconds(500)

    let parts: GatewayParts
    let clock = SystemClock()
    /// The records that come in, and the decisions about them.
    var inflow: Inflow
    /// The packets that go out, onto the tape or into the spool.
    var outflow: Outflow
    /// The source's gaps and its record.
    var ledgers: Ledgers
    /// Brings the tape's answers to this thread.
    private let mailbox: TapeMailbox
    private var events: [TapeEvent] = []
    /// Nothing is ever sent here: a pause is a wait for it.
    private let pause = Mailbox<Never>(capacity: 1)
    /// The source of the delayed data of a provider; `nil`: it would have no name.
    private let delayed: DelayedTenure?
    /// The orderly end of the providers; `nil` until it has begun.
    private var providerStop: ProviderStop?
    /// When the draining is given up; `distantPast` until it has begun.
    private var drainDeadline = MonotonicTime.distantPast
    /// When the periodic work was done last; `distantPast` before the first time.
    private var reportedAt = MonotonicTime.distantPast

    init(_ parts: GatewayParts, _ source: OpenedSource) {
        self.parts = parts
        mailbox = source.mailbox
        inflow = Inflow(parts, source)
        outflow = Outflow(source, parts.settings.pace)
        ledgers = Ledgers(source)
        delayed = DelayedTenure(parts, source.claim, inflow.ticks.inlets.providers)
        inflow.ticks.inlets.onRecords(parts.ownership.wake)
        // They were found while the source was being opened, whether this tenure uses the spool or
        // not.
        if let traffic = source.traffic { note(lossesOf: traffic) }
    }

    // MARK: the loop

    /// Runs until this gateway does not own the source any more, or has to end.
    func run() -> TenureEnd {
        parts.report.show(inflow.ticks.inlets.providers)
        parts.report.show(feeders: inflow.ticks.feeders)
        let end = work()
        stopWaiting()
        var isReleased = false
        if case .released = end { isReleased = true }
        // It ends while the providers are stopped, which have its data, too.
        if !isReleased { delayed?.drop() }
        // Each of these calls has a deadline, except those to the spool's disk.
        parts.beat.beat(before: ThreadWatch.systemTime)
        parts.report.show([])
        parts.report.show(feeders: [])
        if providerStop == nil {
            inflow.ticks.inlets.stop(within: parts.settings.delivery.stopTimeout)
        }
        ledgers.stop(within: Self.recordTimeout)
        // Ticks that a disorderly end left go into the spool, too. The next tenure that opens the
        // spool decides about them.
        _ = keepInSpool()
        joinDelayed(isReleased: isReleased)
        guard case .released(let own) = end else { return end }
        return .released(left: own + (delayed?.left ?? 0))
    }

    /// Waits for the end of the source of delayed data: after an orderly end for what is left of
    /// the time for draining, and for its last writes.
    private func joinDelayed(isReleased: Bool) {
        guard let delayed else { return }
        parts.beat.beat()
        let left = Duration.nanoseconds(max(0, drainDeadline - clock.monotonic()))
        let ending = isReleased ? left + Self.joinGrace : parts.settings.delivery.stopTimeout
        let time = ending + Self.recordTimeout
        guard !delayed.join(within: time, parts.beat) else { return }
        parts.context.telemetry.emit(
            .delayedSourceLate(source: parts.settings.source, time: time))
    }

    /// The main loop. Gap records, owed resets and held quotes go first: they are older than the
    /// ticks that are taken next.
    private func work() -> TenureEnd {
        while true {
            parts.beat.beat()
            switch parts.ownership.endRequest() {
            case .release?: return drain()
            case .drop?: return .dropped
            case nil: break
            }
            writeGaps()
            writeResets()
            releaseQuotes(all: !inflow.backpressure.isPressed)
            let blocked = takeTicks()
            if !blocked { repeatBooks() }
            if inflow.policyEndsService {
                parts.context.telemetry.emit(.backpressureEnds(source: parts.settings.source))
                return .endedByPolicy
            }
            publish(isSteady: isSteady())
            reportState()
            wait(blocked: blocked)
            if let ending = handle() { return ending }
        }
    }

    /// Waits for what comes next: for nothing but the time while no packet can leave, for an answer
    /// of the tape, or, while the tape owes none, for whatever else gives work.
    private func wait(blocked: Bool) {
        let now = clock.monotonic()
        let pause = blocked || inflow.ticks.hasNext ? .zero : outflow.pause(now: now)
        if pause > .zero {
            var nothing: [Never] = []
            _ = self.pause.receive(into: &nothing, max: 1, timeout: pause)
            _ = mailbox.receive(into: &events, max: Self.eventsPerTurn, timeout: .zero)
            return
        }
        if !blocked, isAtRest {
            let watermarkAt = outflow.watermarkDueAt(inflow.watermark(), now: now)
            let until = min(reportedAt + Self.reportNanoseconds, watermarkAt)
            // A watermark that is due has to wait while the gateway may not publish.
            return parts.ownership.wait(max(Self.busyWaitMax, until.duration(since: now)))
        }
        let timeout =
            blocked
            ? Self.blockedWaitMax : inflow.ticks.hasNext ? Self.busyWaitMax : outflow.turn(now: now)
        _ = mailbox.receive(into: &events, max: Self.eventsPerTurn, timeout: timeout)
    }

    /// Whether nothing is left to do but by time: all that came is on the tape.
    private var isAtRest: Bool {
        outflow.isAtRest && !inflow.ticks.hasNext && inflow.held.isEmpty && !ledgers.hasGapsDue
            && !inflow.depth.owesResets
    }

    /// Returns whether the gateway may publish now. It may not while its group has not heard it for
    /// a lease, because then another gateway may own the source. Meanwhile it takes ticks as far as
    /// there is room.
    private func isSteady() -> Bool {
        let now = clock.monotonic()
        let isSteady = parts.ownership.isSteady(now: now)
        if outflow.set(isSteady: isSteady, now: now) {
            parts.context.telemetry.emit(
                .sourcePaused(source: parts.settings.source, isPaused: !isSteady))
        }
        return isSteady
    }

    /// Sends what may leave now: ticks, and watermarks for readers of partitions without ticks.
    private func publish(isSteady: Bool) {
        send(isSteady: isSteady)
        if let traffic = outflow.traffic { note(lossesOf: traffic) }
        guard isSteady else { return }
        outflow.publishIdle(inflow.watermark()) { watermarkMax(lane: $0) }
        outflow.publisher.timePassed()
    }

    /// Sends the collected ticks of the lanes, through the spool or directly. With `isUrgent` it
    /// does so now, instead of collecting more for a packet.
    private func send(isSteady: Bool, isUrgent: Bool = false) {
        let now = clock.monotonic()
        let watermark = inflow.watermark()
        // Calls to a disk have no deadline of ours.
        if outflow.isSpooling { parts.beat.beat(before: ThreadWatch.systemTime) }
        outflow.spool(now: now, isSteady: isSteady, spoolsAll: isUrgent) {
            min(watermark, watermarkMax(lane: $0))
        }
        if isSteady {
            outflow.publishTicks(now: now, isUrgent: isUrgent) {
                min(watermark, watermarkMax(lane: $0))
            }
        }
    }

    // MARK: backpressure

    /// Reports the causes of pressure after a change; `nil` means that nothing has changed.
    func reportPressure(_ causes: BackpressureMachine.Causes?) {
        guard let causes else { return }
        parts.context.telemetry.emit(
            .backpressureChanged(
                source: parts.settings.source, causes: causes,
                policies: parts.settings.policies))
    }

    /// Updates the causes of pressure, and makes open gaps due: after `gapNanoseconds`, or when no
    /// more ticks are left out.
    private func checkRoom(_ now: MonotonicTime) {
        reportPressure(inflow.backpressure.set(.headroom, parts.headroom() == .low))
        reportPressure(inflow.backpressure.set(.ceiling, inflow.ceiling.wasExceeded(now)))
        if inflow.backpressure.causes.contains(.noRoom), outflow.hasRoom {
            reportPressure(inflow.backpressure.set(.noRoom, false))
        }
        let isDue = now >= ledgers.gaps.openSince + Self.gapNanoseconds
        if isDue || !inflow.backpressure.isPressed && !inflow.time.isRefusing {
            ledgers.gaps.close()
        }
    }

    /// Nobody waits in a source that this gateway does not own: a gauge that stays would silence
    /// alerts about the next owner.
    private func stopWaiting() {
        parts.metrics.slowed.show(quoteInterval: 0)
        guard inflow.storePressure.isHeld || parts.metrics.slowed.isHeld else { return }
        parts.metrics.slowed.show(isHeld: false, waited: 0)
        parts.context.telemetry.emit(
            .sourceSlowed(
                source: parts.settings.source, news: .free,
                ticksMax: inflow.storePressure.ticksMax))
    }

    /// Lets a source that can wait do so while a group is too far behind the tape.
    private func checkBacklog(_ heads: [GatewayReport.Head], _ now: MonotonicTime) {
        let sent = heads.reduce(UInt64(0)) { $0 &+ $1.lastOrdinal }
        let source = StorePressure.Source(
            canWait: inflow.ticks.inlets.waitForReaders,
            ordinals: sent &+ UInt64(clamping: outflow.unacknowledged))
        var waited: Int64 = 0
        let backlog = parts.backlog(parts.settings.source)
        if !source.canWait, inflow.backlogSteps.judge(backlog, now: now) { conflateQuotes() }
        let news = inflow.storePressure.judge(backlog, source, now: now, waited: &waited)
        parts.metrics.slowed.show(isHeld: inflow.storePressure.isHeld, waited: waited)
        guard let news else { return }
        parts.context.telemetry.emit(
            .sourceSlowed(
                source: parts.settings.source, news: news,
                ticksMax: inflow.storePressure.ticksMax))
    }

    private func conflateQuotes() {
        let steps = inflow.backlogSteps
        reportPressure(inflow.backpressure.conflate(every: steps.interval))
        parts.metrics.slowed.show(quoteInterval: steps.interval)
        parts.context.telemetry.emit(
            .quotesConflated(source: parts.settings.source, steps: steps))
    }

    /// Returns whether the lane's next packet has room for a tick. If it is full, it leaves first,
    /// if that is possible.
    func ensureRoom(lane: Int) -> Bool {
        !outflow.publisher.isFull(lane: lane) || makeRoom(lane: lane)
    }

    /// Sends the ticks of a lane if they may leave now. Otherwise moves them into the spool, or,
    /// when all providers can wait, lets them wait beside the lane's next packet. Returns false
    /// when that has no room, or is not used: no spool is configured.
    func makeRoom(lane: Int) -> Bool {
        let (now, watermark) = (
            clock.monotonic(), min(inflow.watermark(), watermarkMax(lane: lane))
        )
        if outflow.isPublishable(lane: lane), isSteady(),
            outflow.publishNow(lane: lane, now: now, watermark: watermark)
        {
            return true
        }
        return outflow.makeRoom(lane: lane, now: now, watermark: watermark)
    }

    /// Handles the tape's answers that the turn received. Returns how the tenure has ended, or
    /// `nil` when it continues.
    private func handle() -> TenureEnd? {
        defer { events.removeAll(keepingCapacity: true) }
        if let ending = delayed?.ending { return ending }
        for event in events {
            if case .answer(let message) = event { outflow.publisher.handle(message) }
        }
        if let reason = parts.ownership.connectionEnd { return .connectionGone(reason) }
        parts.report.add(outflow.publisher.rolledBack, now: clock.now())
        outflow.publisher.rolledBack.removeAll()
        let now = clock.monotonic()
        for packet in outflow.publisher.acknowledged {
            let age = outflow.acknowledged(packet, now: now)
            let time = clock.now()
            let trace = parts.traces?.published(packet.header, tickNanoseconds: age, now: time)
            parts.metrics.acknowledged(packet, tickNanoseconds: age, now: time, trace: trace)
        }
        outflow.publisher.acknowledged.removeAll(keepingCapacity: true)
        // Lanes of watermarks are checked, too: a market that has ended publishes nothing else.
        guard let lane = outflow.publisher.firstFenced else { return nil }
        return .fenced(epoch: outflow.publisher.epoch(lane: lane))
    }

    // MARK: the end

    /// Ends the tenure in order: stops the providers, takes their last records, puts all ticks onto
    /// the tape, and then publishes the last watermark, at which a successor's gap begins. It gives
    /// up after `drainNanoseconds`, so that a service that stops ends in time.
    private func drain() -> TenureEnd {
        drainDeadline = clock.monotonic() + parts.settings.drainNanoseconds
        providerStop = ProviderStop(
            inflow.ticks.inlets.providers, within: parts.settings.delivery.stopTimeout)
        // Whether the providers may still have records. They are taken however many they are.
        var isTaking = true
        inflow.ceiling = TickCeiling(perSecond: 0)
        inflow.storePressure.end()
        delayed?.release()
        ledgers.gaps.close()
        var hasPublishedLast = false
        while clock.monotonic() < drainDeadline {
            parts.beat.beat()
            if case .drop? = parts.ownership.endRequest() { return .dropped }
            writeGaps()
            writeResets()
            if isTaking { isTaking = takeLast() }
            releaseQuotes(all: true)
            if inflow.policyEndsService { return .endedByPolicy }
            let isSteady = isSteady()
            send(isSteady: isSteady, isUrgent: true)
            if isSteady {
                if !hasPublishedLast, !isTaking, isEmptied {
                    hasPublishedLast = true
                    outflow.publishIdle(inflow.watermark(), isLast: true) { watermarkMax(lane: $0) }
                }
                outflow.publisher.timePassed()
            }
            if hasPublishedLast, outflow.publisher.isIdle { break }
            _ = mailbox.receive(
                into: &events, max: Self.eventsPerTurn, timeout: Self.drainWaitMax)
            if let ending = handle() { return ending }
        }
        return drained()
    }

    /// Whether all records that were taken are on the tape, with the records of their gaps.
    private var isEmptied: Bool {
        !outflow.isSpooling && outflow.publisher.isIdle && !ledgers.hasGapsDue
            && inflow.held.isEmpty
    }

    /// Takes the providers' last records. Returns false when the providers have stopped, or are not
    /// waited for any more, and nothing is left to take.
    private func takeLast() -> Bool {
        let isOver = providerStop?.isOver ?? true
        if isOver { inflow.ticks.inlets.close() }
        _ = takeTicks()
        ledgers.gaps.close()
        guard isOver, !inflow.ticks.hasNext else { return true }
        return false
    }

    /// Ends the draining, when all ticks are on the tape or its time is over. Puts what is left
    /// into the spool.
    private func drained() -> TenureEnd {
        parts.beat.beat(before: ThreadWatch.systemTime)
        inflow.ticks.inlets.close()
        for name in providerStop?.late ?? [] {
            parts.context.telemetry.emit(
                .providerLate(
                    source: parts.settings.source, provider: name,
                    timeout: parts.settings.delivery.stopTimeout))
        }
        record()
        let left =
            (keepInSpool() ?? outflow.unacknowledged) + inflow.ticks.waiting + inflow.held.count
        parts.context.telemetry.emit(
            .gatewayDrained(
                ticks: parts.metrics.received.value, unpublished: UInt64(left),
                spooled: parts.spool?.spool.ticks ?? 0))
        return .released(left: left)
    }

    /// Puts all ticks that are not on the tape into the spool. The watermarks of their packets do
    /// not pass gaps that are not recorded yet. Returns the number of ticks that found no room
    /// there; `nil` when the spool is not used. A second call changes nothing.
    private func keepInSpool() -> Int? {
        guard let traffic = outflow.traffic else { return nil }
        let watermark = inflow.watermark()
        return traffic.keep { min(watermark, watermarkMax(lane: $0)) }
    }

    /// Does the periodic work, ten times a second: follows changes of instruments, checks the room,
    /// requests void books, stores the ledgers, and reports progress to other threads.
    private func reportState() {
        let now = clock.monotonic()
        guard now >= reportedAt + Self.reportNanoseconds else { return }
        reportedAt = now
        inflow.time.report()
        route()
        outflow.enterSpoolIfStuck(now: now)
        checkRoom(now)
        let heads = outflow.heads
        checkBacklog(heads, now)
        askForBooks(now: now)
        // A reader may have higher ordinals than this gateway has used. Then the tape was restored
        // from a backup, before this tenure or unnoticed in it.
        if let heard = parts.readers.takeRisen() {
            let lost = outflow.lanes.partitions(behind: heard)
            inflow.ticks.passOver { lost.contains(outflow.lanes.partition(of: $0)) }
            outflow.lanes.raise(to: heard)
        }
        if ledgers.isRecordDue(now: now) { record() }
        ledgers.tracker?.storeIfDue(now: now)
        parts.metrics.waiting(longestPacketBytes: outflow.longestPacketBytes)
        parts.metrics.source(hasEnded: inflow.ticks.hasEnded)
        parts.show(trouble: outflow.publisher.trouble)
        parts.report.update(
            GatewayReport.Progress(
                role: .active, generated: inflow.ticks.handedOut,
                finished: inflow.ticks.isFinished, opened: true, waiting: outflow.waiting,
                partitions: heads, record: ledgers.recordStatus,
                pressure: inflow.backpressure.causes, hold: inflow.storePressure.hold,
                conflated: inflow.backlogSteps,
                spooled: parts.spool.map { ($0.spool.ticks, $0.spool.bytes) },
                gaps: ledgers.tracker?.status))
        parts.report.show(newest: inflow.newest.times)
    }

    /// Has the source's record stored, with the newest acknowledged ordinals, if it has changed.
    private func record() {
        ledgers.record(outflow.lanes, clock.now(), monotonic: clock.monotonic())
    }
}
