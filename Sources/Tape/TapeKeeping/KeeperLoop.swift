internal import MarketModel
internal import Membership
internal import MembershipTransport
internal import NatsTransport
internal import Primitives
internal import ServiceRuntime
internal import Synchronization
internal import TapeProtocol
internal import TapeTransport

/// The main loop of the keeper's thread. Each turn handles positions first, then the streams that
/// are above their marks.
///
/// The process is the *keeper* while it owns partition 0 of group `keeper`. A stream's *marks* are
/// sizes: see `PurgeMarks`. A stream is *held* when nothing more of it may be purged; its *holder*
/// is the group or rule that prevents more.
final class KeeperLoop {
    /// The shortest and the longest time between two checks of a stream's bytes. Between them the
    /// stream's room decides (`PurgeMarks.nanosecondsToStart`).
    private static let checkNanosecondsMin: Int64 = 200_000_000
    private static let checkNanosecondsMax: Int64 = 2_000_000_000
    /// A plan that is not older than this is continued, because another plan takes tens of
    /// requests.
    private static let planNanoseconds: Int64 = 5_000_000_000
    /// The timeout of every call to NATS.
    private static let callTimeout = Duration.seconds(2)
    /// The time between two writes of positions that moved. They are also written before each
    /// purge.
    private static let recordNanoseconds: Int64 = 10_000_000_000
    /// The time for which a stream is left alone after nothing of it could be purged: planning
    /// takes many requests.
    private static let heldNanoseconds: Int64 = 5_000_000_000
    private static let eventsMax = 64

    private let client: TapeClient
    private let jetStream: JetStream
    private let port: OwnershipPort
    private let mailbox: TapeMailbox
    private let positions: GroupPositionListener
    private let shared: TapeKeeper.Shared
    /// Nothing younger than this is purged.
    private let keep: Duration
    private let beat: ThreadBeat
    private let clock = SystemClock()
    /// The bucket of groups; `nil` until this keeper has opened it.
    private var registry: GroupRegistry?
    /// The registered groups with their stored positions, as last read.
    private var groups: [RegisteredGroup] = []
    /// The number of changes of each group's positions that are stored
    /// (`PositionStore.Reports.changes`).
    private var recorded: [GroupName: UInt64] = [:]
    /// The monotonic time of the last write of positions; `Int64.min` before the first.
    private var recordedAt = MonotonicTime.distantPast
    /// When a stream's bytes are checked next, by stream; monotonic. No entry: now.
    private var checkAt: [String: MonotonicTime] = [:]
    /// Until when a held stream is left alone, by stream; monotonic.
    private var heldUntil: [String: MonotonicTime] = [:]
    /// The purges in progress, by stream. Each makes one step in turn, so that none waits for
    /// another to finish.
    private var works: [String: PurgeWork] = [:]
    /// The purges that reached their goal, by stream. Their plans may allow more.
    private var finishedWorks: [String: PurgeWork] = [:]
    /// The tenure as the keeper; `nil` while another process is the keeper.
    private var claim: (tenure: UInt64, epoch: UInt64)?
    /// `nil` while another process is the keeper.
    private var leaders: LeaderKeeper?
    private var verification: VerificationWatch?
    private var events: [TapeEvent] = []
    private var orders: [OwnershipOrder] = []

    init(
        _ client: TapeClient, port: OwnershipPort, mailbox: TapeMailbox,
        positions: GroupPositionListener,
        shared: TapeKeeper.Shared, keep: Duration, beat: ThreadBeat
    ) {
        self.beat = beat
        self.client = client
        jetStream = client.jetStream.within(Self.callTimeout)
        self.port = port
        self.mailbox = mailbox
        self.positions = positions
        self.shared = shared
        self.keep = keep
    }

    func run() {
        while !mailbox.isClosed {
            beat.beat()
            guard isKeeper else {
                wait(.nanoseconds(Self.checkNanosecondsMin))
                continue
            }
            checkStreams()
            leaders?.turn(now: clock.monotonic())
            verification?.turn(
                registry?.bucket, now: clock.monotonic(), time: clock.now())
            for stream in client.names.allStreams where isKeeper { advance(stream) }
            let due = client.names.allStreams.map { works[$0]?.readyAt ?? dueAt($0) }.min()
            wait(clock.remaining(until: due ?? .distantPast))
        }
    }

    /// Returns when a stream's bytes are checked next.
    private func dueAt(_ stream: String) -> MonotonicTime { checkAt[stream] ?? .distantPast }

    // MARK: ownership

    /// Whether this process is the keeper now. It is checked between any two steps, because another
    /// process may have taken over the role.
    private var isKeeper: Bool {
        followOrders()
        return claim != nil && !mailbox.isClosed
            && port.isSteady(now: clock.monotonic())
    }

    private func followOrders() {
        port.take(into: &orders)
        for order in orders {
            switch order {
            case .take(let partition, let claim):
                self.claim = (claim.tenure, claim.epoch)
                port.answer(.opened(partition, tenure: claim.tenure, epoch: claim.epoch))
                setKeeper(true)
            case .release(let partition, let tenure):
                if claim?.tenure == tenure { setKeeper(false) }
                // Each step is finished when it is answered, so nothing is in progress here.
                port.answer(.released(partition, tenure: tenure))
            case .drop(_, let tenure):
                if claim?.tenure == tenure { setKeeper(false) }
            }
        }
        orders.removeAll(keepingCapacity: true)
    }

    /// Begins or ends the role of the keeper. All that is known of positions and purges is dropped.
    private func setKeeper(_ isKeeper: Bool) {
        if !isKeeper { claim = nil }
        verification?.end()
        let (metrics, streams) = (client.telemetry.metrics, client.names.allStreams)
        leaders = isKeeper ? LeaderKeeper(client, jetStream, streams) : nil
        verification = isKeeper ? VerificationWatch(metrics, jetStream, streams) : nil
        // A predecessor may have written since.
        (registry, groups, recorded, recordedAt, heldUntil) = (nil, [], [:], .distantPast, [:])
        (checkAt, works, finishedWorks) = ([:], [:], [:])
        shared.report.withLock { report in
            report.isKeeper = isKeeper
            if !isKeeper { report.streams = [:] }
        }
        client.telemetry.metrics.gauge(
            "mds_keeper_active", "1 in the process that keeps the tape in bounds, else 0."
        ).set(isKeeper ? 1 : 0)
        if !isKeeper { for stream in client.names.allStreams { show(nil, of: stream) } }
        client.telemetry.emit(KeeperChanged(isKeeper: isKeeper))
    }

    private func wait(_ timeout: Duration) {
        _ = mailbox.receive(into: &events, max: Self.eventsMax, timeout: timeout)
        events.removeAll(keepingCapacity: true)
    }

    // MARK: positions

    /// Stores the reported positions of registered groups, if that is due or `isUrgent`. A position
    /// that is not stored has no effect on purges.
    private func record(isUrgent: Bool) throws {
        let now = clock.monotonic()
        guard isUrgent || now >= recordedAt + Self.recordNanoseconds
        else { return }
        let registry = try self.registry ?? GroupRegistry.make(client)
        self.registry = registry
        groups = try registry.groups()
        let store = positions.store
        for index in groups.indices {
            let group = groups[index].group
            guard let reported = store.groups[group.text], recorded[group] != reported.changes
            else {
                continue
            }
            var stored = [PositionStore.Place: ReaderPosition](
                groups[index].positions.map { (PositionStore.Place($0), $0) }
            ) { $1 }
            stored.merge(reported.positions) { $1 }
            try registry.record(Array(stored.values), of: group, told: clock.now())
            groups[index].positions = Array(stored.values)
            recorded[group] = reported.changes
        }
        recordedAt = now
    }

    // MARK: streams

    /// Stores positions, checks the streams that are due, and begins a purge of each that needs
    /// one.
    private func checkStreams() {
        do {
            try record(isUrgent: false)
            shared.report.withLock { $0.problem = nil }
        } catch {
            failed("\(error)")
        }
        for stream in client.names.allStreams where isKeeper && works[stream] == nil {
            guard clock.monotonic() >= dueAt(stream) else { continue }
            checkAt[stream] = clock.monotonic() + Self.checkNanosecondsMin
            attempt(stream) { try begin(stream) }
            // Making a plan takes time, in which the other streams would fill.
            for other in client.names.allStreams where isKeeper { advance(other) }
        }
    }

    /// Works on a stream. When that fails, the purge is given up and tried again later.
    private func attempt(_ stream: String, _ body: () throws -> Void) {
        do {
            try body()
        } catch {
            works[stream] = nil
            heldUntil[stream] = clock.monotonic() + Self.heldNanoseconds
            client.telemetry.emit(PurgeFailed(stream: stream, reason: "\(error)"))
            shared.report.withLock { $0.streams[stream]?.problem = "\(error)" }
        }
    }

    /// Begins a purge if the stream is above its first mark and not held.
    private func begin(_ stream: String) throws {
        guard let info = try jetStream.streamInfo(stream), info.configuration.maxBytes > 0
        else { return }
        let marks = PurgeMarks(bytesMax: UInt64(info.configuration.maxBytes))
        let pause = marks.nanosecondsToStart(bytes: info.bytes, max: Self.checkNanosecondsMax)
        checkAt[stream] = clock.monotonic() + max(Self.checkNanosecondsMin, pause)
        shared.report.withLock { report in
            report.streams[stream, default: KeeperReport.Stream()].bytes = info.bytes
            report.streams[stream]?.marks = marks
        }
        guard info.bytes > marks.startBytes else {
            report(nil, of: stream)
            return
        }
        let isHeld = clock.monotonic() < heldUntil[stream] ?? .distantPast
        guard !isHeld || info.bytes > marks.urgentBytes else { return }
        if let work = finishedWorks.removeValue(forKey: stream), work.info.created == info.created,
            clock.monotonic() < work.plannedAt + Self.planNanoseconds
        {
            works[stream] = work.resumed(bytes: info.bytes)
            return
        }
        try record(isUrgent: true)
        let survey = StreamSurvey(client: client, jetStream: jetStream, stream: stream, info: info)
        let plan = PurgePlan(try survey.facts(groups, keep: keep, now: clock.now()))
        works[stream] = PurgeWork(
            jetStream: jetStream, info: info, marks: marks, plan: plan,
            plannedAt: clock.monotonic())
    }

    /// Makes the next step of the stream's purge, if it is due.
    private func advance(_ stream: String) {
        guard var work = works[stream], clock.monotonic() >= work.readyAt
        else { return }
        attempt(stream) {
            let started = clock.monotonic()
            let outcome = try work.step()
            let ended = clock.monotonic()
            work.readyAt =
                ended
                + PurgePace.pause(after: ended - started, bytes: work.bytes, marks: work.marks)
            works[stream] = outcome == nil ? work : nil
            if let outcome { try finished(stream, work, outcome) }
        }
    }

    /// Handles the end of a purge.
    private func finished(
        _ stream: String, _ work: PurgeWork, _ outcome: PurgePass.Outcome
    ) throws {
        shared.report.withLock { report in
            report.streams[stream]?.purged += work.purged
            report.streams[stream]?.bytes = work.bytes
            report.streams[stream]?.problem = nil
            report.streams[stream]?.time = clock.now()
        }
        client.telemetry.emit(
            StreamPurged(stream: stream, messages: work.purged, outcome: outcome))
        if outcome == .reached { finishedWorks[stream] = work }
        let isHeld = outcome == .held && work.bytes > work.marks.startBytes
        // Everything that could be purged is purged, and meanwhile readers may have read further.
        if isHeld, work.purged > 0 {
            try begin(stream)
            return
        }
        if outcome == .held {
            heldUntil[stream] = clock.monotonic() + Self.heldNanoseconds
        }
        report(isHeld ? work.plan.holder : nil, of: stream)
    }

    // MARK: reports

    /// Reports that positions could not be stored.
    private func failed(_ reason: String) {
        shared.report.withLock { $0.problem = reason }
        client.telemetry.emit(PurgeFailed(stream: "groups", reason: reason))
    }

    /// Reports what holds the stream, if that has changed; `nil`: nothing does.
    private func report(_ holder: PurgePlan.Holder?, of stream: String) {
        let before = shared.report.withLock { report in
            let before = report.streams[stream]?.holder
            report.streams[stream]?.holder = holder
            return before
        }
        guard before?.label != holder?.label else { return }
        show(holder, of: stream)
        if let holder {
            client.telemetry.emit(PurgeHeld(stream: stream, holder: holder.sentence))
        }
    }

    /// The label of the gauge that shows a stream's holder, by stream.
    private var shown: [String: String] = [:]

    private func show(_ holder: PurgePlan.Holder?, of stream: String) {
        if let label = shown[stream] { gauge(stream, label).remove() }
        shown[stream] = holder?.label
        if let label = holder?.label { gauge(stream, label).set(1) }
    }

    private func gauge(_ stream: String, _ label: String) -> Gauge {
        client.telemetry.metrics.gauge(
            "mds_keeper_held", "1 while what this group has not read keeps a stream too full.",
            labels: [("stream", stream), ("group", label)])
    }
}
