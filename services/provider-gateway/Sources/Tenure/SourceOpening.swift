import TapeTransport
import Membership
import Primitives
import ProviderKit
import MarketModel
import ServiceRuntime
import TapeProtocol
import TickSpool

/// A source that is open on all of its subjects: no other gateway adds ticks to it any more, and
/// the provider continues after the last tick on the tape.
struct OpenedSource {
    let mailbox: TapeMailbox
    let publisher: TapePublisher
    let lanes: SourceLanes
    let resumption: SourceLanes.Resumption
    let recorder: SourceRecorder
    let traffic: SpoolTraffic?
    /// `nil` when no provider fills this source's gaps.
    let gaps: GapTracker?
}

/// Opens a source in three steps. First it reads what others remember of the source, because a tape
/// that was restored from a backup does not show that itself. Then it opens the epochs. Only then
/// it reads where the source left off: after an earlier reading, a predecessor that is still alive
/// could add ticks, which would then come twice.
///
/// Each turn does what is possible next; a function that is not done returns false or `nil`, and is
/// called again in the next turn. A reading that fails is repeated after `retryAt`.
struct SourceOpening {
    enum Outcome {
        case opened(OpenedSource)
        /// This gateway does not own the source any more.
        case ended(TenureEnd)
    }

    private static let eventsPerTurn = 256
    /// The time of a turn in which no event comes.
    private static let waitMax = Duration.milliseconds(5)
    /// The time between two attempts to read where the source left off.
    private static let retryNanoseconds: Int64 = 500_000_000
    /// How long the tape is read for gaps before the opening checks again whether it is still
    /// wanted.
    private static let recoveryNanoseconds: Int64 = 100_000_000
    /// How long a recorder's thread may take to end when the opening is given up.
    private static let recordTimeout = Duration.seconds(2)

    private let parts: GatewayParts
    private let claim: Claim
    private let clock = SystemClock()
    private let mailbox = TapeMailbox(capacity: 64)
    private let publisher: TapePublisher
    private var lanes: SourceLanes
    /// The earliest monotonic time of the next reading.
    private var retryAt = MonotonicTime.distantPast
    /// Stores the source's record; `nil` until the stored one is read.
    private var recorder: SourceRecorder?
    /// Whether the epochs are being opened, or are open.
    private var isOpening = false
    /// Whether it was reported to the group that the epochs are open.
    private var hasReportedOpened = false
    /// The way from the spool onto the tape; `nil` until it is decided what happens to the spool.
    private var traffic: SpoolTraffic?
    private var events: [TapeEvent] = []
    /// The stored ledgers of the source's gaps, how far they have been brought up to date, and the
    /// tracker that keeps them then; `nil` until that step has begun.
    private var gapRecorder: GapRecorder?
    private var recovery: GapRecovery?
    private var tracker: GapTracker?

    init(_ parts: GatewayParts, _ claim: Claim) throws {
        self.parts = parts
        self.claim = claim
        publisher = try TapePublisher(parts.client, mailbox: mailbox)
        mailbox.show(in: parts.context.telemetry.metrics, as: "publisher")
        if let live = parts.live {
            publisher.onAcknowledged = { packet, _ in live.offer(packet) }
        }
        lanes = SourceLanes(parts.settings, names: parts.client.names, publisher: publisher)
    }

    mutating func run() throws -> Outcome {
        parts.context.readiness.set(ReadinessPart.tape, "the tape is being opened")
        parts.report.update(GatewayReport.Progress(role: .opening))
        while true {
            parts.beat.beat()
            if let ending = ending() {
                recorder?.stop(within: Self.recordTimeout)
                gapRecorder?.stop(within: Self.recordTimeout)
                return .ended(ending)
            }
            let isSteady = parts.ownership.isSteady(now: clock.monotonic())
            if isSteady {
                try remember()
                if let source = opened() { return .opened(source) }
            }
            _ = mailbox.receive(into: &events, max: Self.eventsPerTurn, timeout: Self.waitMax)
            handleEvents()
            if isSteady { publisher.timePassed() }
            // A full tape does not accept a marker either. That reason is more useful than "being
            // opened".
            if let trouble = publisher.trouble {
                parts.context.readiness.set(ReadinessPart.tape, trouble)
            }
        }
    }

    /// Returns the source when everything is done; `nil` while something is left to do.
    private mutating func opened() -> OpenedSource? {
        guard let recorder, isOpening, hasReportedOpened || areAllReady else { return nil }
        if !hasReportedOpened {
            hasReportedOpened = true
            parts.ownership.opened(epoch: lanes.highestEpoch)
        }
        guard hasReplayed(), hasRecovered(), let resumption = resumed() else { return nil }
        parts.context.readiness.set(ReadinessPart.tape, nil)
        parts.context.telemetry.emit(
            GatewayStarted(source: parts.settings.source, nextTick: resumption.ticks.handedOut))
        return OpenedSource(
            mailbox: mailbox, publisher: publisher, lanes: lanes, resumption: resumption,
            recorder: recorder, traffic: traffic, gaps: tracker)
    }

    /// Returns whether all packets that an earlier tenure spooled are on the tape or set aside.
    private mutating func hasReplayed() -> Bool {
        guard let spool = parts.spool else { return true }
        guard let traffic else {
            decide(spool)
            return false
        }
        guard traffic.isActive else { return true }
        parts.beat.beat(before: ThreadWatch.systemTime)
        traffic.flow()
        return traffic.leaveIfDrained()
    }

    /// Decides what happens to the spool of an earlier tenure, and begins it.
    private mutating func decide(_ spool: SourceSpool) {
        let now = clock.monotonic()
        guard now >= retryAt else { return }
        do {
            let predecessor = try lanes.predecessor(client: parts.client)
            // From here on the thread waits for the disk.
            parts.beat.beat(before: ThreadWatch.systemTime)
            let decision = spool.decide(predecessor.epochs)
            if case .setAside(let reason) = decision { try spool.setAside(reason: reason) }
            try spool.hold(lanes.openEpochs)
            let made = SpoolTraffic(spool, publisher, lanes: lanes.tickLanes.count)
            try made.replay(behind: predecessor)
            traffic = made
        } catch {
            if let error = error as? SpoolError { spool.trouble(error) }
            notRead(error, now)
        }
    }

    /// Returns whether all gaps of the source are known, or are not needed. It reads one part per
    /// call, as there may be much to read. Providers wait for all of it, because the gaps decide
    /// what they are asked for. A gap that they reported before the older ones are known could be
    /// filled twice.
    private mutating func hasRecovered() -> Bool {
        guard tracker == nil, parts.settings.delivery.fillsGaps else { return true }
        let now = clock.monotonic()
        guard now >= retryAt else { return false }
        do {
            let recorder = try gapRecorder ?? openGaps()
            gapRecorder = recorder
            var recovery =
                try recovery
                ?? GapRecovery(
                    recorder.found.ledgers, client: parts.client, source: parts.settings.source)
            // Keep a single reference: with a second one the next packet would copy all ledgers.
            self.recovery = nil
            defer { self.recovery = recovery }
            guard try isThrough(&recovery, until: now + Self.recoveryNanoseconds) else {
                parts.context.readiness.set(
                    ReadinessPart.tape,
                    "the tape is read for gaps: \(recovery.packets) packets so far")
                return false
            }
            take(recovery, recorder)
            return true
        } catch {
            notRead(error, now)
            return false
        }
    }

    /// Brings the ledgers up to date until the monotonic deadline. Returns whether that is done.
    private func isThrough(
        _ recovery: inout GapRecovery, until deadline: MonotonicTime
    ) throws -> Bool {
        while try !recovery.step() {
            guard clock.monotonic() < deadline else { return false }
        }
        return true
    }

    /// Reads the stored ledgers, and starts the thread that stores them.
    private func openGaps() throws -> GapRecorder {
        let recorder = try GapRecorder(parts.client, source: parts.settings.source)
        for (partition, refusal) in recorder.found.refused {
            parts.context.telemetry.emit(
                GapsRefused(
                    source: parts.settings.source, partition: partition, refusal: refusal))
        }
        return recorder
    }

    /// Makes the ledgers follow acknowledged packets from now on.
    private mutating func take(_ recovery: GapRecovery, _ recorder: GapRecorder) {
        let tracker = GapTracker(
            recovery, recorder, source: parts.settings.source,
            telemetry: parts.context.telemetry)
        self.tracker = tracker
        let live = parts.live
        publisher.onAcknowledged = { packet, sequence in
            live?.offer(packet)
            tracker.acknowledged(packet, sequence: sequence)
        }
    }

    /// Whether every lane has an epoch and may publish.
    private var areAllReady: Bool { lanes.all.allSatisfy { publisher.isReady(lane: $0) } }

    /// Reads the source's record. When the readers have had time to answer, opens epochs above the
    /// record's, the readers' and the group's.
    private mutating func remember() throws {
        let now = clock.monotonic()
        if recorder != nil, !isOpening, let answeredBy = parts.readers.answeredBy, now >= answeredBy
        {
            lanes.raise(to: parts.readers.known)
            lanes.raise(aboveEpoch: max(1, claim.epoch) - 1)
            publisher.open()
            isOpening = true
        }
        guard recorder == nil, now >= retryAt else { return }
        do {
            if parts.readers.answeredBy == nil { try parts.readers.ask() }
            let recorder = try SourceRecorder(parts.client, source: parts.settings.source)
            lanes.raise(to: recorder.found)
            self.recorder = recorder
        } catch let error as TapeError where !error.isRetryable {
            throw error
        } catch {
            notRead(error, now)
        }
    }

    /// Reports that a reading failed, and has it repeated.
    private mutating func notRead(_ error: any Error, _ now: MonotonicTime) {
        retryAt = now + Self.retryNanoseconds
        parts.context.readiness.set(ReadinessPart.tape, "\(error)")
        parts.context.telemetry.emit(
            SourceNotRead(source: parts.settings.source, reason: "\(error)"))
    }

    /// Starts the providers. Returns `nil` as long as the tape or a provider fails.
    private mutating func resumed() -> SourceLanes.Resumption? {
        let now = clock.monotonic()
        guard now >= retryAt else { return nil }
        do {
            return try lanes.resume(
                client: parts.client, now: clock.now(), tracker: tracker, beat: parts.beat,
                context: ProviderKind.Context(
                    configuration: parts.context.configuration,
                    telemetry: parts.context.telemetry, threads: parts.context.threads))
        } catch {
            notRead(error, now)
            return nil
        }
    }

    /// Returns why the opening has to be given up; `nil` when it continues.
    private func ending() -> TenureEnd? {
        let request = parts.ownership.endRequest()
        if let reason = parts.ownership.connectionEnd { return .connectionGone(reason) }
        if let lane = lanes.all.first(where: { publisher.isFenced(lane: $0) }) {
            return .fenced(epoch: publisher.epoch(lane: lane))
        }
        switch request {
        case .release?: return .released(left: 0)
        case .drop?: return .dropped
        case nil: return nil
        }
    }

    /// Handles the tape's answers.
    private mutating func handleEvents() {
        for event in events {
            if case .answer(let message) = event { publisher.handle(message) }
        }
        events.removeAll(keepingCapacity: true)
        if let traffic { for packet in publisher.acknowledged { traffic.acknowledged(packet) } }
        publisher.acknowledged.removeAll(keepingCapacity: true)
    }
}
