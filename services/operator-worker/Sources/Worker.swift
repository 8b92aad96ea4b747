import TapeTransport
import MarketModel
import Membership
import MembershipTransport
import NatsTransport
import OperatorGraph
import Primitives
import ServiceRuntime
import StreamCore
import TapeCodec
import TapeProtocol
import TapeTraces

/// The data plane of the operator: one thread that reads the partitions that its process owns,
/// makes bars and publishes them.
///
///     orders of the membership -> slots
///     reader of a partition -> PartitionOperator -> lane of its bars -> acknowledged
///                                                -> image of its state -> CheckpointThreads
///
/// A *slot* is the state of one partition in this worker. Its `core` is the pure machine that
/// computes. An *image* is the core's state as bytes. The *share over all partitions* (`universe`)
/// is one more slot, for nodes with `scope: all`: it reads the bars of all partitions.
final class Worker {
    /// The maximum number of messages that one turn of the loop takes, so that many messages do not
    /// delay orders and deadlines. The rest waits for the next turn.
    private static let eventsPerTurn = 256
    /// The maximum wait while partitions are taken or handed over. Otherwise the loop waits until
    /// the next visit is due.
    private static let waitMaxMoving = Duration.milliseconds(1)

    let settings: OperatorSettings
    let client: TapeClient
    let context: ServiceContext
    /// Brings the membership's orders about partitions, and takes the answers.
    let port: OwnershipPort
    /// Publishes bars: one lane for each slot.
    let publisher: TapePublisher
    /// Three readers for each slot: of its input, of the ticks for its repairs, and of its bars
    /// that a repair reads back.
    let readers: TapeReaders
    let checkpoints: CheckpointThreads
    var metrics: OperatorMetrics
    var calendars: CalendarWatch
    var sources: SourceWatch
    let clock = SystemClock()
    /// One slot for each partition and for the share over all partitions, owned or not.
    var slots: [PartitionSlot] = []
    /// Which of them a turn of the loop visits.
    var visits = SlotVisits()
    /// By partition, the index of its slot.
    var slotOfPartition: [Partition: Int] = [:]
    /// Reports for which the membership has no room yet.
    var unsentAnswers: [OwnershipAnswer] = []
    /// The last report. The operations port's thread reads it for /status.
    let report: OperatorReport
    /// Reports the positions of the inputs, so that the tape keeps unread packets.
    let positions: PositionReporter
    /// Reports the newest bars of each partition.
    let heads: HeadReporter
    /// Reports the newest values over all partitions.
    let universeHeads: HeadReporter
    /// The lag on the owned partitions, for /scale.
    let lag: OwnLag
    /// When the last report was made, monotonic.
    var reportedAt = MonotonicTime.distantPast
    /// The reading for the present repair; `nil` when none is running.
    var repairing: RepairReading?
    /// The question whose answer the repair waits for; `nil` when there is none. The answer is
    /// handled only while the process may act as an owner.
    var openQuestion: RepairAsking?
    /// The number of the last question.
    var questionsAsked: UInt64 = 0
    /// The index of the slot that was repaired last; -1 for none.
    var slotRepairedLast = -1
    /// When the next repair may begin, monotonic.
    var repairsFrom = MonotonicTime.distantPast
    /// Publishes to live readers; `nil` when that is switched off.
    let live: LivePublisher?
    /// Sends traces of packets; `nil` when no collector is named.
    let traces: PacketTraces?
    /// The queues between nodes and live readers.
    var edges: LiveEdges
    /// When open bars are published next, monotonic.
    var openBarsAt = MonotonicTime.distantPast
    /// What wakes the loop: messages of NATS, and answers of other threads.
    private let mailbox = TapeMailbox(capacity: 16_384)
    /// The beat of the loop's thread.
    let beat: ThreadBeat
    /// Buffers that each turn fills and empties.
    private var answers: [CheckpointAnswer] = []
    private var orders: [OwnershipOrder] = []
    /// Whether the process may act as the owner of its partitions: its own heartbeats
    /// come back in time.
    private(set) var isSteady = false

    init(
        _ settings: OperatorSettings, client: TapeClient, context: ServiceContext,
        report: OperatorReport, live: LivePublisher? = nil
    ) throws {
        let beat = context.threads.thread("operator")
        self.beat = beat
        let client = client.calling(beat)
        self.settings = settings
        self.client = client
        self.context = context
        self.report = report
        self.live = live
        traces = try PacketTraces.begin(context, namespace: client.names.namespace)
        edges = LiveEdges(settings.program.definition)
        metrics = OperatorMetrics(context.telemetry.metrics)
        calendars = CalendarWatch(settings.program.definition, context.telemetry.metrics)
        sources = SourceWatch(
            context.telemetry.metrics, patienceNanoseconds: settings.sourcePatienceNanoseconds)
        positions = try PositionReporter(client, group: "operator")
        universeHeads = HeadReporter(client, source: .universe, input: .bars)
        heads = HeadReporter(client, source: .operator, input: .bars)
        let lag = try OwnLag(client, group: "operator")
        self.lag = lag
        context.operations.addEndpoint("/scale") { .json { lag.write(into: &$0) } }
        let mailbox = mailbox
        let partitions = (0..<settings.shares(of: client.names)).map { Partition($0) }
        // A full mailbox wakes its thread anyway, because it is not empty.
        port = OwnershipPort(partitions: partitions) { _ = mailbox.send(.wake) }
        client.notify(mailbox)
        publisher = try TapePublisher(client, mailbox: mailbox)
        if let live { publisher.onAcknowledged = { packet, _ in live.offer(packet) } }
        readers = try TapeReaders(client, group: "operator", mailbox: mailbox)
        checkpoints = try CheckpointThreads(
            client, settings: settings, telemetry: context.telemetry, mailbox: mailbox)
        // Orders, answers and the end of the service need not wait for a message of the tape.
        try mailbox.wakeByMessages(client)
        context.shutdown.onRequest { _ = mailbox.send(.wake) }
        mailbox.show(in: context.telemetry.metrics, as: "worker")
        for partition in partitions { add(partition) }
        addRepairReaders()
    }

    /// Adds a share's lane, reader and slot. They are added together, so all three have the same
    /// index.
    private func add(_ partition: Partition) {
        let names = client.names
        let lane = publisher.addLane(
            subject: names.output(partition), stream: names.barStream,
            builder: PacketBuilder(
                kind: .bars, partition: names.outputPartition(partition),
                source: names.outputSource(partition)),
            marking: PublisherLane.Marking(
                definition: settings.definition, generation: settings.generation))
        let reader = readers.add(input(partition))
        slotOfPartition[partition] = slots.count
        slots.append(PartitionSlot(partition: partition, reader: reader, lane: lane))
        visits.add()
    }

    // MARK: the loop

    /// Runs on the calling thread until the connection is closed, or until shutdown is requested
    /// and then everything is handed over or the time for that is over.
    func run(as member: some OwnershipMember) -> ExitCode {
        defer {
            checkpoints.stop()
            beat.retire()
            traces?.end()
        }
        var events: [TapeEvent] = []
        var leavesUntil: MonotonicTime?
        while true {
            beat.beat()
            let now = clock.monotonic()
            if let until = leavesUntil {
                if member.hasLeft || now >= until { break }
            } else if context.shutdown.isRequested {
                leavesUntil = now + settings.drainNanoseconds
                member.leave()
            }
            let isMoving = slots.contains(where: \.isMoving) || leavesUntil != nil
            let timeout = isMoving ? Self.waitMaxMoving : visits.wait(now: now)
            let received = mailbox.receive(
                into: &events, max: Self.eventsPerTurn, timeout: timeout)
            if isMoving { visits.changeAll() }
            // A wait that brought nothing is followed by another one until a visit is due.
            guard received > 0 || visits.isDue(now: clock.monotonic()) else { continue }
            if let ending = turn(&events) { return ending }
        }
        return end()
    }

    /// Does one turn: visits the slots that changed, and from time to time all of them. Returns an
    /// exit code when the service has to end. Partitions advance only while the process may act as
    /// an owner.
    private func turn(_ events: inout [TapeEvent]) -> ExitCode? {
        settle()
        if let ending = handle(&events) { return ending }
        port.take(into: &orders)
        if !orders.isEmpty { visits.changeAll() }
        for order in orders { carryOut(order) }
        orders.removeAll(keepingCapacity: true)
        let now = clock.monotonic()
        visits.begin(now: now)
        leaveWhatIsFenced()
        if isSteady {
            for index in visits.due where slots[index].isOwned {
                beat.beat()
                advance(index, now: now)
            }
            repair(now: now)
            pumpLive()
            pump(now: now)
            publisher.timePassed()
            readers.timePassed()
            publishOpenBars(now: now)
        }
        finishReleases(now: now)
        sendAnswers()
        reportState()
        return nil
    }

    /// Finds out whether the process may act as an owner, and holds or releases its readers when
    /// that has changed. It comes first in a turn, because the process may have been stopped for
    /// long before it. A process that others may treat as dead reads and publishes nothing.
    private func settle() {
        let wasSteady = isSteady
        isSteady = port.isSteady(now: clock.monotonic())
        guard isSteady != wasSteady else { return }
        visits.changeAll()
        if let repairing {
            if isSteady {
                readers.release(repairing.reader, take)
            } else {
                readers.hold(repairing.reader)
            }
        }
        for index in slots.indices where slots[index].isOwned && !slots[index].isHeld {
            if isSteady {
                readers.release(slots[index].reader, take)
            } else {
                readers.hold(slots[index].reader)
            }
        }
    }

    /// Handles messages of NATS, and answers of the checkpoint threads. Returns an exit code when
    /// the connection is closed permanently.
    private func handle(_ events: inout [TapeEvent]) -> ExitCode? {
        defer { events.removeAll(keepingCapacity: true) }
        for event in events {
            // A custom operator may take each of a packet's ticks, up to 4,096, so one event may
            // take long.
            beat.beat()
            switch event {
            case .delivery(let message): readers.handle(message, take)
            case .answer(let message): publisher.handle(message)
            case .reconnected: readers.reconnected()
            case .closed(let reason):
                context.telemetry.emit(.connectionGone(reason: reason))
                return .unavailable
            case .wake: continue
            }
        }
        // A lane has the index of its slot.
        for packet in publisher.acknowledged {
            visits.change(packet.lane)
            if packet.header.flags.contains(.epochMarker) { opened(packet.lane, packet.header) }
            if packet.header.tickCount > 0 { slots[packet.lane].headSequence = packet.sequence }
            if let end = slots[packet.lane].core?.acknowledge(packet.header) {
                metrics.stored(windowEnd: end, now: clock.now())
            }
        }
        publisher.acknowledged.removeAll(keepingCapacity: true)
        checkpoints.take(into: &answers)
        if !answers.isEmpty { visits.changeAll() }
        for answer in answers {
            beat.beat()
            handle(answer)
        }
        answers.removeAll(keepingCapacity: true)
        return nil
    }

    /// Takes a packet that `readers` deliver: the next input of a partition, or a part of the tape
    /// that a repair reads.
    func take(_ reader: Int, _ header: PacketHeader, _ packet: NatsMessage) {
        guard reader < slots.count else { return takePacketForRepair(reader, header, packet) }
        // A reader of input has the index of its slot.
        visits.change(reader)
        guard let core = slots[reader].core else { return }
        let position = readers.position(reader)
        let begun = traces.map { _ in (time: clock.now(), late: core.counted.late) }
        packet.withPayload { core.take(header, $0, at: position) }
        if let begun { trace(header, packet, core, since: begun.time, late: begun.late) }
        offerLive(reader)
        reportRefusedRanges(reader)
        if core.mustHold { hold(reader) }
    }

    /// Holds the partition's reader until the core can take packets again.
    func hold(_ index: Int) {
        guard !slots[index].isHeld else { return }
        slots[index].isHeld = true
        readers.hold(slots[index].reader)
    }

    /// Lets the visited cores publish their output, sends images that are due to the checkpoint
    /// threads, and releases readers whose core can take packets again.
    private func pump(now: MonotonicTime) {
        for index in visits.due {
            guard let core = slots[index].core else { continue }
            beat.beat()
            core.pump(lane(index), now: now)
            if case .releasing = slots[index].stage {
                keep(index, now: now, isLast: core.isWorthStoring)
                continue
            }
            keep(index, now: now, isLast: false)
            guard slots[index].isHeld, slots[index].takesPackets, !core.mustHold else { continue }
            slots[index].isHeld = false
            readers.release(slots[index].reader, take)
        }
    }

    func lane(_ index: Int) -> TapeLane { TapeLane(publisher: publisher, lane: slots[index].lane) }

    /// Ends the service. Partitions that were not handed over are left as after a kill: the next
    /// owner computes the rest again.
    private func end() -> ExitCode {
        let isComplete = !slots.contains(where: \.isOwned)
        readers.close()
        context.telemetry.emit(.operatorDrained(isComplete: isComplete))
        return isComplete ? .success : .temporary
    }
}
