internal import MarketModel
internal import Membership
internal import NatsTransport
internal import Primitives
internal import ServiceRuntime
internal import TapeTransport
internal import Synchronization
internal import TapeProtocol

/// The main loop of the membership's thread, which decides: it hands events to the machine and
/// carries out the effects. It never waits for anything but its mailbox. A *call* is a read or
/// write of records, which another thread carries out.
struct MemberLoop {
    private static let messagesPerTurn = 256
    private static let waitMax = Duration.seconds(1)
    /// The wait while a port is full.
    private static let retryWait = Duration.milliseconds(5)
    /// The longest age of the state that others read.
    private static let showNanoseconds: Int64 = 100_000_000
    /// How long the last heartbeat may take to reach the server.
    private static let lastHeartbeatTimeout = Duration.milliseconds(200)

    private let shared: MemberShared
    private var machine: MembershipMachine
    private var ports: MemberPorts
    /// The subject of this member's heartbeats.
    private let subject: String
    /// The number of the link that the machine knows.
    private var link = 0
    /// Whether the machine knows that it is to leave.
    private var isLeaving = false
    private let beat: ThreadBeat
    /// The monotonic time at which others were last shown the state; `Int64.min`: show it now.
    private var shownAt = MonotonicTime.distantPast
    private var effects: [MembershipMachine.Effect] = []
    /// The answers to calls for which the other thread had no room. They are handled after the
    /// effects, because the machine must not be called from within them.
    private var answers: [MembershipMachine.Event] = []
    private let heldGauge: Gauge
    private let othersGauge: Gauge
    private let leasesGauge: Gauge
    /// The metrics of the held partitions.
    private var shownEpochs: [Partition: Gauge] = [:]

    init(_ shared: MemberShared, _ machine: MembershipMachine, _ ports: [OwnershipPort]) {
        self.shared = shared
        self.machine = machine
        self.ports = MemberPorts(ports, partitions: shared.settings.partitions)
        beat = shared.context.threads.thread("group-\(shared.settings.group)")
        subject = shared.tape.names.heartbeat(
            group: shared.settings.group.text, member: shared.settings.member.text)
        let labels = [("group", shared.settings.group.text)]
        heldGauge = shared.telemetry.metrics.gauge(
            "mds_member_partitions", "partitions that this member owns",
            "summed over a group: the owned partitions of the group", labels: labels)
        othersGauge = shared.telemetry.metrics.gauge(
            "mds_member_others", "other members of the group that are alive",
            "below the configured number: check the missing ones", labels: labels)
        leasesGauge = shared.telemetry.metrics.gauge(
            "mds_member_other_leases",
            "living members of the group whose `MDS_LEASE` differs from this one's; between two "
                + "members the longer one is used",
            "above 0 after a rolling restart: give all members of the group the same `MDS_LEASE`",
            labels: labels)
        shared.telemetry.metrics.gauge(
            "mds_member_group_partitions", "partitions that the group shares out; for a source 1",
            "`mds_member_partitions` summed over the group is below it for long: check the "
                + "members", labels: labels
        ).set(Double(shared.settings.partitions))
    }

    /// The name of this part of the service's readiness.
    private var part: String { "membership.\(shared.settings.group)" }

    mutating func run() {
        shared.context.readiness.set(part, "joining")
        ServiceEvent.memberStateChanged(
            group: shared.settings.group, state: .joining, before: .joining
        )
        .count(in: shared.telemetry.metrics)
        var messages: [MemberShared.Message] = []
        var replies: [OwnershipAnswer] = []
        defer { beat.retire() }
        while shared.isOpen {
            beat.beat()
            messages.removeAll(keepingCapacity: true)
            _ = shared.messages.receive(into: &messages, max: Self.messagesPerTurn, timeout: wait)
            checkThreads()
            checkLinks()
            for message in messages { handle(message) }
            ports.takeAnswers(into: &replies)
            for reply in replies { handle(.answer(reply)) }
            replies.removeAll(keepingCapacity: true)
            let late = answers
            answers = []
            for event in late { handle(event) }
            handle(.time)
            ports.deliver()
            show()
        }
        ports.steady(until: .distantPast)
    }

    /// How long the thread may wait for messages.
    private var wait: Duration {
        if !answers.isEmpty { return .zero }
        let left = shared.context.clock.remaining(until: machine.nextDeadline)
        let wait = min(Self.waitMax, left)
        return ports.areEmpty ? wait : min(wait, Self.retryWait)
    }

    /// Checks the process's threads. When one hangs, the partitions are given away; this thread
    /// continues.
    private mutating func checkThreads() {
        let isHung = shared.context.threads.isHung
        if isHung != machine.isHung { handle(.hangs(isHung)) }
    }

    /// Notices a new link, and the request to leave.
    private mutating func checkLinks() {
        let links = shared.links.load(ordering: .acquiring)
        if links != link {
            link = links
            handle(.connected)
        }
        if !isLeaving, shared.wantsLeave.load(ordering: .acquiring) {
            isLeaving = true
            handle(.leave)
        }
    }

    private mutating func handle(_ message: MemberShared.Message) {
        switch message {
        case .event(let event): handle(event)
        case .heartbeat(let heartbeat, let link):
            // A heartbeat on an older link proves nothing about this one.
            if link == self.link { handle(.heartbeat(heartbeat)) }
        case .wake: break
        }
    }

    private mutating func handle(_ event: MembershipMachine.Event) {
        let now = MembershipMachine.Moment(
            monotonic: shared.context.clock.monotonic(),
            wall: shared.context.clock.now())
        effects.removeAll(keepingCapacity: true)
        machine.handle(event, at: now, into: &effects)
        for effect in effects { carryOut(effect) }
    }

    // MARK: effects

    private mutating func carryOut(_ effect: MembershipMachine.Effect) {
        switch effect {
        case .send(let heartbeat): publish(heartbeat.json, to: subject)
        case .ask: publish([], to: shared.tape.names.askMembers)
        case .read(let number, let after):
            if !shared.calls.send(.read(number: number, after: after)) {
                answers.append(.readFailed(number: number, reason: "too many calls wait"))
            }
        case .write(let write):
            if !shared.calls.send(.write(write)) {
                answers.append(
                    .written(write.partition, id: write.id, .unsettled("too many calls wait")))
            }
        case .order(let order): ports.send(order)
        case .steady(let time): ports.steady(until: time)
        case .note(let note): report(note)
        case .left: flushLastHeartbeat()
        }
    }

    private func publish(_ payload: [UInt8], to subject: String) {
        do throws(NatsError) {
            try shared.publish(payload, to: subject)
        } catch {
            shared.telemetry.emit(
                .heartbeatUnsaid(group: shared.settings.group, reason: "\(error)"))
        }
    }

    /// Sends the last heartbeat, which the others must hear before the process ends.
    private func flushLastHeartbeat() {
        do throws(NatsError) {
            try shared.flush(timeout: Self.lastHeartbeatTimeout)
        } catch {
            shared.telemetry.emit(
                .heartbeatUnsaid(group: shared.settings.group, reason: "\(error)"))
        }
        shared.show(machine)
        shared.hasLeft.store(true, ordering: .releasing)
    }

    // MARK: state for others

    /// Brings the state for other threads and the metrics up to date.
    private mutating func show() {
        let now = shared.context.clock.monotonic()
        guard now >= shownAt + Self.showNanoseconds else { return }
        shownAt = now
        shared.show(machine)
        heldGauge.set(Double(machine.held.count))
        othersGauge.set(Double(machine.others.count))
        leasesGauge.set(Double(machine.otherLeases))
        showEpochs()
    }

    /// Shows the epoch of each partition. Only its owner reports it.
    private mutating func showEpochs() {
        let held = Set(machine.held)
        for partition in shownEpochs.keys where !held.contains(partition) {
            shownEpochs.removeValue(forKey: partition)?.remove()
        }
        for (partition, record) in machine.records where held.contains(partition) {
            let gauge = shownEpochs[partition] ?? epochGauge(partition)
            shownEpochs[partition] = gauge
            gauge.set(Double(record.epoch))
        }
    }

    private func epochGauge(_ partition: Partition) -> Gauge {
        shared.telemetry.metrics.gauge(
            "mds_partition_owner_epoch",
            "epoch of a partition, shown only by the member that owns it; `source-…` and "
                + "`keeper` have one partition",
            "two series of one partition for longer than a lease: see `mds_member_losses_total`",
            labels: [
                ("group", shared.settings.group.text), ("partition", "\(partition)"),
                ("member", shared.settings.member.text),
            ])
    }

    /// Turns a note into an event.
    private mutating func report(_ note: MembershipNote) {
        let (telemetry, group) = (shared.telemetry, shared.settings.group)
        // A reader that was triggered by an event must see the state that the event describes.
        shownAt = .distantPast
        switch note {
        case .state(let state, let before):
            let problem = state.problem(isHung: machine.isHung, machine.drain)
            shared.context.readiness.set(part, problem)
            telemetry.emit(.memberStateChanged(group: group, state: state, before: before))
        case .claimed(let partition, let claim):
            telemetry.emit(.ownershipClaimed(group: group, partition: partition, claim: claim))
        case .released(let partition, let epoch):
            telemetry.emit(.ownershipReleased(group: group, partition: partition, epoch: epoch))
        case .dropped(let partition, let owner):
            telemetry.emit(.ownershipLost(group: group, partition: partition, cause: .owner(owner)))
        case .fenced(let partition, let reason, let wait):
            telemetry.emit(
                .ownershipLost(
                    group: group, partition: partition,
                    cause: .stranger(reason, waitNanoseconds: wait)))
        case .writeFailed(_, let reason):
            telemetry.emit(.ownersUnsettled(group: group, operation: "write", reason: reason))
        case .readFailed(let reason):
            telemetry.emit(.ownersUnsettled(group: group, operation: "read", reason: reason))
        case .refusedRecord(let partition, let refusal):
            telemetry.emit(
                .ownerRecordRefused(group: group, partition: partition, refusal: refusal))
        case .bucketReplaced: telemetry.emit(.ownersReplaced(group: group))
        case .doubled(let instance):
            telemetry.emit(
                .memberDoubled(group: group, member: shared.settings.member, instance: instance))
        case .came(let member, let instance):
            telemetry.emit(
                .memberSeen(group: group, member: member, instance: instance, change: .came))
        case .went(let member, let instance):
            telemetry.emit(
                .memberSeen(group: group, member: member, instance: instance, change: .went))
        case .tooManyMembers(let member):
            telemetry.emit(
                .memberSeen(group: group, member: member, instance: 0, change: .tooMany))
        case .drainAsked(let cause):
            telemetry.emit(.memberDrainAsked(group: group, cause: cause))
        case .drainEnded: telemetry.emit(.memberDrainEnded(group: group))
        case .refusedDrain(let refusal):
            telemetry.emit(.drainRequestRefused(group: group, refusal: refusal))
        case .leaseDiffers(let member, let instance, let nanoseconds):
            telemetry.emit(
                .memberLeaseDiffers(
                    group: group, member: member, instance: instance,
                    own: machine.settings.leaseNanoseconds, other: nanoseconds))
        }
    }
}

extension MemberState {
    /// Returns why the service is not ready, in one sentence; `nil` when it is.
    func problem(isHung: Bool, _ drain: DrainCause?) -> String? {
        switch self {
        case .ready: nil
        case .joining: "joining"
        case .paused where isHung: "paused: a thread of this process hangs"
        case .paused: "paused: it does not hear its own heartbeats from NATS"
        case .resuming: "resuming: it looks which partitions are still its own"
        case .aside: "stands aside: another process has the same MDS_MEMBER"
        case .leaving, .gone: "leaving"
        case .draining: "hands over what it owns, drained \(drain?.text ?? "")"
        case .drained: "drained \(drain?.text ?? "")"
        }
    }
}
