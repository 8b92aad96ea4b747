import TapeTransport
import Membership
import Primitives
import ProviderKit
import MarketModel
import ServiceRuntime
import TapeProtocol
import TickSpool

/// A source that is open on all of its subjects: no other gateway adds ticks to it any more, and
/// its providers run and continue after the last ticks on the tape. `SourceTenure` takes it over.
struct OpenedSource {
    /// The ownership that the group gave to this gateway.
    let claim: Claim
    /// Receives the tape's answers for the publisher.
    let mailbox: TapeMailbox
    let publisher: TapePublisher
    let lanes: SourceLanes
    let resumption: SourceLanes.Resumption
    /// Stores the source's record on a separate thread.
    let recorder: SourceRecorder
    /// The way through the spool; `nil` when none is configured.
    let traffic: SpoolTraffic?
    /// `nil` when no provider fills this source's gaps.
    let gaps: GapTracker?
}

/// Opens a source for a tenure, in three steps. First it reads what others remember of the source,
/// because a tape that was restored from a backup does not show by itself that ticks are lost: the
/// *source's record*, in which its gateway stores the acknowledged ordinals and the epochs, and the
/// answers of readers. Then it opens the epochs, which fences a predecessor. Only then it reads
/// where the source left off and starts the providers. After an earlier reading, a predecessor that
/// is still alive could add ticks, which would then come twice.
///
/// `Gateway` runs it on the gateway's thread. Each turn does what is possible next. A function that
/// is not done returns false or `nil` and is called again in the next turn. A reading that fails is
/// repeated after half a second.
struct SourceOpening {
    /// How the opening ended.
    enum Outcome {
        case opened(OpenedSource)
        /// This gateway does not own the source any more.
        case ended(TenureEnd)
    }

    /// The maximum of the tape's answers that a turn handles.
    private static let eventsPerTurn = 256
    /// The longest wait for an answer in a turn.
    private static let waitMax = Duration.milliseconds(5)
    /// The time between two attempts of a reading that failed.
    private static let retryNanoseconds: Int64 = 500_000_000
    /// How long a turn reads the tape for gaps. After it the opening checks whether this gateway is
    /// still to own the source.
    private static let recoveryNanoseconds: Int64 = 100_000_000
    /// How long the thread of a recorder may take to end when the opening is given up.
    private static let recordTimeout = Duration.seconds(2)

    private let parts: GatewayParts
    /// The ownership that the group gave to this gateway.
    private let claim: Claim
    private let clock = SystemClock()
    private let mailbox = TapeMailbox(capacity: 64)
    private let publisher: TapePublisher
    private var lanes: SourceLanes
    /// The earliest moment of the next reading.
    private var retryAt = MonotonicTime.distantPast
    /// Stores the source's record; `nil` until the stored record is read.
    private var recorder: SourceRecorder?
    /// Whether the epochs are being opened, or are open.
    private var isOpening = false
    /// Whether the group was informed that the epochs are open.
    private var hasReportedOpened = false
    /// The way from the spool onto the tape; `nil` until it is decided what happens to the spool.
    private var traffic: SpoolTraffic?
    private var events: [TapeEvent] = []
    /// The steps of reading the source's gaps: the recorder with the stored ledgers, their recovery
    /// from later packets of the tape, and the tracker that then keeps them; `nil` until the step
    /// has begun.
    private var gapRecorder: GapRecorder?
    private var recovery: GapRecovery?
    private var tracker: GapTracker?

    init(_ parts: GatewayParts, _ claim: Claim) throws {
        self.parts = parts
        self.claim = claim
        publisher = try TapePublisher(parts.client, mailbox: mailbox)
        mailbox.show(
            in: parts.context.telemetry.metrics,
            as: "publisher\(parts.settings.delivery.queueSuffix)")
        if let live = parts.live {
            publisher.onAcknowledged = { packet, _ in live.offer(packet) }
        }
        lanes = SourceLanes(parts.settings, names: parts.client.names, publisher: publisher)
    }

    /// Runs until the source is open, or this gateway is not to own it any more. Throws what no
    /// retry can help, which ends the service.
    mutating func run() throws -> Outcome {
        parts.show(trouble: "the tape is being opened")
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
                parts.show(trouble: trouble)
            }
        }
    }

    /// Returns the source when everything is done; `nil` while something is left to do.
    private mutating func opened() -> OpenedSource? {
        // Packets of the spool make lanes busy later. So it matters only until the epochs are
        // reported whether all lanes are ready.
        guard let recorder, isOpening, hasReportedOpened || areAllReady else { return nil }
        if !hasReportedOpened {
            hasReportedOpened = true
            parts.ownership.opened(epoch: lanes.highestEpoch)
        }
        guard hasReplayed(), hasRecovered(), let resumption = resumed() else { return nil }
        parts.show(trouble: nil)
        parts.context.telemetry.emit(
            .gatewayStarted(source: parts.settings.source, nextTick: resumption.ticks.handedOut))
        // The source of delayed data opens the same epoch.
        var claim = claim
        claim.epoch = lanes.highestEpoch
        return OpenedSource(
            claim: claim, mailbox: mailbox, publisher: publisher, lanes: lanes,
            resumption: resumption,
            recorder: recorder, traffic: traffic, gaps: tracker)
    }

    /// Returns whether all packets that an earlier tenure spooled are on the tape or set aside.
    /// They are published first, because their ticks are older than those of the providers.
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

    /// Decides what happens to the packets of an earlier tenure in the spool: sets them aside, or
    /// begins to publish them. Then `traffic` is set.
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

    /// Returns whether all gaps of the source are known, or are not needed. It reads for 100 ms per
    /// call, as there may be much to read. The providers are started after it, because the gaps
    /// decide what they are asked for. A gap that a provider reported before the older gaps are
    /// known could be filled twice.
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
                    recorder.found.ledgers, client: parts.client, source: parts.settings.source,
                    followed: parts.settings.delivery.followed)
            // Keep a single reference: with a second one the next packet would copy all ledgers.
            self.recovery = nil
            defer { self.recovery = recovery }
            guard try isThrough(&recovery, until: now + Self.recoveryNanoseconds) else {
                parts.show(trouble: "the tape is read for gaps: \(recovery.packets) packets so far")
                return false
            }
            take(recovery, recorder)
            return true
        } catch {
            notRead(error, now)
            return false
        }
    }

    /// Brings the ledgers up to date, until the deadline at most. Returns whether they are.
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
                .gapsRefused(
                    source: parts.settings.source, partition: partition, refusal: refusal))
        }
        return recorder
    }

    /// Hands the recovered ledgers to a tracker, which follows acknowledged packets from now on.
    private mutating func take(_ recovery: GapRecovery, _ recorder: GapRecorder) {
        let tracker = GapTracker(
            recovery, recorder, source: parts.settings.source,
            followed: parts.settings.delivery.followed, telemetry: parts.context.telemetry)
        self.tracker = tracker
        let live = parts.live
        publisher.onAcknowledged = { packet, sequence in
            live?.offer(packet)
            tracker.acknowledged(packet, sequence: sequence)
        }
    }

    /// Whether every lane may publish now: its epoch is open, and no packet is in flight.
    private var areAllReady: Bool { lanes.all.allSatisfy { publisher.isReady(lane: $0) } }

    /// Asks the readers and reads the source's record. When the readers have had time to answer,
    /// opens epochs above those that the record, the readers and the group know. Throws errors that
    /// no retry can help.
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
            let standing = try SourceStanding(parts.client, of: parts.settings.source)
            let recorder = try SourceRecorder(parts.client, source: parts.settings.source)
            lanes.raise(to: recorder.found)
            take(standing)
            self.recorder = recorder
        } catch let error as TapeError where !error.isRetryable {
            throw error
        } catch {
            notRead(error, now)
        }
    }

    /// Takes back that the source was retired: all epochs are above that of its retirement.
    private func take(_ standing: SourceStanding) {
        guard let retired = standing.retirement else { return }
        lanes.raise(aboveEpoch: retired.epoch)
        parts.context.telemetry.emit(
            .sourceReturned(source: parts.settings.source, retired: retired.time))
    }

    /// Reports that a reading failed, and has it repeated after `retryNanoseconds`.
    private mutating func notRead(_ error: any Error, _ now: MonotonicTime) {
        retryAt = now + Self.retryNanoseconds
        parts.show(trouble: "\(error)")
        parts.context.telemetry.emit(
            .sourceNotRead(source: parts.settings.source, reason: "\(error)"))
    }

    /// Reads where the source left off, and starts the providers there. Returns `nil` when the tape
    /// or a provider fails, or while it waits for the next attempt.
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

    /// Returns how the tenure has to end before the source is open; `nil` when the opening
    /// continues.
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

    /// Handles the tape's answers that the turn received.
    private mutating func handleEvents() {
        for event in events {
            if case .answer(let message) = event { publisher.handle(message) }
        }
        events.removeAll(keepingCapacity: true)
        if let traffic { for packet in publisher.acknowledged { traffic.acknowledged(packet) } }
        publisher.acknowledged.removeAll(keepingCapacity: true)
    }
}
