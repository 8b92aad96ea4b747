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
    /// The time for which a stream is left alone after nothing of it could be purged: planning
    /// takes many requests.
    private static let heldNanoseconds: Int64 = 5_000_000_000
    private static let eventsMax = 64

    private let client: TapeClient
    private let jetStream: JetStream
    private let port: OwnershipPort
    private let mailbox: TapeMailbox
    private let shared: TapeKeeper.Shared
    /// Nothing younger than this is purged.
    private let keep: Duration
    private let beat: ThreadBeat
    private let clock = SystemClock()
    private var recorder: GroupRecorder
    /// By stream. Each purge makes one step in turn, so that none waits for another to finish.
    private var streams: [String: KeptStream] = [:]
    /// `nil` while another process is the keeper.
    private var role: Role?
    private var events: [TapeEvent] = []
    private var orders: [OwnershipOrder] = []

    /// A stream, as far as its purges go. Times are monotonic.
    private struct KeptStream {
        /// When its bytes are checked next.
        var checkAt = MonotonicTime.distantPast
        /// Until when it is left alone while it is held.
        var heldUntil = MonotonicTime.distantPast
        /// The purge in progress.
        var work: PurgeWork?
        /// The purge that reached its goal. Its plan may allow more.
        var finished: PurgeWork?
        /// The places of groups that were let go, and have not continued since.
        var letGo = LetGoTable()
    }

    /// What only the keeper has.
    private struct Role {
        let tenure: UInt64
        var leaders: LeaderKeeper
        var verification: VerificationWatch
    }

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
        recorder = GroupRecorder(client, positions)
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
            role?.leaders.turn(now: clock.monotonic())
            role?.verification.turn(
                recorder.registry?.bucket, now: clock.monotonic(), time: clock.now())
            for stream in client.names.allStreams where isKeeper { advance(stream) }
            let due = client.names.allStreams.map { kept($0).work?.readyAt ?? kept($0).checkAt }
                .min()
            wait(clock.remaining(until: due ?? .distantPast))
        }
    }

    private func kept(_ stream: String) -> KeptStream { streams[stream] ?? KeptStream() }

    // MARK: ownership

    /// Whether this process is the keeper now. It is checked between any two steps, because another
    /// process may have taken over the role.
    private var isKeeper: Bool {
        followOrders()
        return role != nil && !mailbox.isClosed
            && port.isSteady(now: clock.monotonic())
    }

    private func followOrders() {
        port.take(into: &orders)
        for order in orders {
            switch order {
            case .take(let partition, let claim):
                port.answer(.opened(partition, tenure: claim.tenure, epoch: claim.epoch))
                setKeeper(claim.tenure)
            case .release(let partition, let tenure):
                if role?.tenure == tenure { setKeeper(nil) }
                // Each step is finished when it is answered, so nothing is in progress here.
                port.answer(.released(partition, tenure: tenure))
            case .drop(_, let tenure):
                if role?.tenure == tenure { setKeeper(nil) }
            }
        }
        orders.removeAll(keepingCapacity: true)
    }

    /// Begins or ends the role of the keeper. All that is known of positions and purges is dropped.
    private func setKeeper(_ tenure: UInt64?) {
        let isKeeper = tenure != nil
        role?.verification.end()
        let (metrics, names) = (client.telemetry.metrics, client.names.allStreams)
        role = tenure.map {
            Role(
                tenure: $0, leaders: LeaderKeeper(client, jetStream, names),
                verification: VerificationWatch(metrics, jetStream, names))
        }
        for (stream, kept) in streams { if let work = kept.work { noteLetGo(stream, work) } }
        // A predecessor may have written since.
        recorder.forget()
        streams = [:]
        shared.report.withLock { report in
            report.isKeeper = isKeeper
            if !isKeeper { report.streams = [:] }
        }
        client.telemetry.metrics.gauge(
            "mds_keeper_active", "1 in the process that purges the tape, else 0",
            "the sum over all gateways is 1"
        ).set(isKeeper ? 1 : 0)
        if !isKeeper {
            for stream in client.names.allStreams {
                show(nil, of: stream)
                showLetGo(stream)
            }
        }
        client.telemetry.emit(.keeperChanged(isKeeper: isKeeper))
    }

    private func wait(_ timeout: Duration) {
        _ = mailbox.receive(into: &events, max: Self.eventsMax, timeout: timeout)
        events.removeAll(keepingCapacity: true)
    }

    // MARK: streams

    /// Stores positions, checks the streams that are due, and begins a purge of each that needs
    /// one.
    private func checkStreams() {
        do {
            try recorder.record(isUrgent: false)
            shared.report.withLock { $0.problem = nil }
        } catch {
            failed("\(error)")
        }
        for stream in client.names.allStreams { noteContinued(stream) }
        for stream in client.names.allStreams where isKeeper && kept(stream).work == nil {
            guard clock.monotonic() >= kept(stream).checkAt else { continue }
            streams[stream, default: KeptStream()].checkAt =
                clock.monotonic() + Self.checkNanosecondsMin
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
            if let work = kept(stream).work { noteLetGo(stream, work) }
            streams[stream, default: KeptStream()].work = nil
            streams[stream]?.heldUntil = clock.monotonic() + Self.heldNanoseconds
            client.telemetry.emit(.purgeFailed(stream: stream, reason: "\(error)"))
            shared.report.withLock { $0.streams[stream]?.problem = "\(error)" }
        }
    }

    /// Begins a purge if the stream is above its first mark and not held.
    private func begin(_ stream: String) throws {
        guard let info = try jetStream.streamInfo(stream), info.configuration.maxBytes > 0
        else { return }
        let marks = PurgeMarks(bytesMax: UInt64(info.configuration.maxBytes))
        let pause = marks.nanosecondsToStart(bytes: info.bytes, max: Self.checkNanosecondsMax)
        let now = clock.monotonic()
        streams[stream, default: KeptStream()].checkAt =
            pause < Self.checkNanosecondsMax
            ? now + max(Self.checkNanosecondsMin, pause)
            : now.next(every: Self.checkNanosecondsMax)
        shared.report.withLock { report in
            report.streams[stream, default: KeeperReport.Stream()].bytes = info.bytes
            report.streams[stream]?.marks = marks
        }
        guard info.bytes > marks.startBytes else {
            report(nil, of: stream)
            return
        }
        let isHeld = clock.monotonic() < kept(stream).heldUntil
        guard !isHeld || info.bytes > marks.urgentBytes else { return }
        if let work = streams[stream]?.finished.take(), work.info.created == info.created,
            clock.monotonic() < work.plannedAt + Self.planNanoseconds
        {
            streams[stream]?.work = work.resumed(bytes: info.bytes)
            return
        }
        try recorder.record(isUrgent: true)
        let survey = StreamSurvey(client: client, jetStream: jetStream, stream: stream, info: info)
        let plan = PurgePlan(try survey.facts(recorder.groups, keep: keep, now: clock.now()))
        streams[stream]?.work = PurgeWork(
            jetStream: jetStream, info: info, marks: marks, plan: plan,
            plannedAt: clock.monotonic())
    }

    /// Makes the next step of the stream's purge, if it is due.
    private func advance(_ stream: String) {
        guard var work = kept(stream).work, clock.monotonic() >= work.readyAt
        else { return }
        attempt(stream) {
            let started = clock.monotonic()
            let outcome = try work.step()
            let ended = clock.monotonic()
            work.readyAt =
                ended
                + PurgePace.pause(after: ended - started, bytes: work.bytes, marks: work.marks)
            streams[stream]?.work = outcome == nil ? work : nil
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
            .streamPurged(stream: stream, messages: work.purged, outcome: outcome))
        noteLetGo(stream, work)
        if outcome == .reached { streams[stream]?.finished = work }
        let isHeld = outcome == .held && work.bytes > work.marks.startBytes
        // Everything that could be purged is purged, and meanwhile readers may have read further.
        if isHeld, work.purged > 0 {
            try begin(stream)
            return
        }
        if outcome == .held {
            streams[stream]?.heldUntil = clock.monotonic() + Self.heldNanoseconds
        }
        report(isHeld ? work.plan.holder : nil, of: stream)
    }

    // MARK: reports

    /// Reports that positions could not be stored.
    private func failed(_ reason: String) {
        shared.report.withLock { $0.problem = reason }
        client.telemetry.emit(.purgeFailed(stream: "groups", reason: reason))
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
            client.telemetry.emit(.purgeHeld(stream: stream, holder: holder.sentence))
        }
    }

    /// The label of the gauge that shows a stream's holder, by stream.
    private var shown: [String: String] = [:]
    /// The groups with a gauge that says that they were let go, by stream.
    private var shownLetGo: [String: Set<GroupName>] = [:]

    /// Notes and reports the groups that the purge let go.
    private func noteLetGo(_ stream: String, _ work: PurgeWork) {
        let new = streams[stream, default: KeptStream()].letGo.add(
            work.plan.letGo(below: work.pass.cursor, beyond: work.pass.begunBeyond))
        for (group, partitions) in new.sorted(by: { $0.key.text < $1.key.text }) {
            client.telemetry.emit(
                .groupLetGo(stream: stream, group: group.text, partitions: partitions))
        }
        showLetGo(stream)
    }

    /// Forgets those that were let go and have continued.
    private func noteContinued(_ stream: String) {
        guard streams[stream]?.letGo.isEmpty == false else { return }
        let input = StreamSurvey.Readers(client.names, stream: stream).input
        streams[stream]?.letGo.removeContinued(recorder.groups, input)
        showLetGo(stream)
    }

    private func showLetGo(_ stream: String) {
        let present = kept(stream).letGo.partitions
        for group in shownLetGo[stream] ?? [] where present[group] == nil {
            letGoGauge(stream, group).remove()
        }
        for (group, count) in present { letGoGauge(stream, group).set(Double(count)) }
        shownLetGo[stream] = Set(present.keys)
        let groups = present.keys.sorted { $0.text < $1.text }
        shared.report.withLock { $0.streams[stream]?.letGo = groups }
    }

    private func letGoGauge(_ stream: String, _ group: GroupName) -> Gauge {
        client.telemetry.metrics.gauge(
            "mds_keeper_let_go",
            "partitions of the stream in which this group, which is not needed, was let go and has "
                + "not continued since",
            "start the group, then `tapeline store fill`: [TapePurgeHeld](runbooks/TapeRoom.md)",
            labels: [("stream", stream), ("group", group.text)])
    }

    private func show(_ holder: PurgePlan.Holder?, of stream: String) {
        if let label = shown[stream] { gauge(stream, label).remove() }
        shown[stream] = holder?.label
        if let label = holder?.label { gauge(stream, label).set(1) }
    }

    private func gauge(_ stream: String, _ label: String) -> Gauge {
        client.telemetry.metrics.gauge(
            "mds_keeper_held",
            "1 while unread data of this group keep a stream above its mark; group NOBODY: no "
                + "group is registered, AGE: all data are younger than GATEWAY_KEEP",
            "start the group, or `tapeline groups remove`",
            labels: [("stream", stream), ("group", label)])
    }
}
