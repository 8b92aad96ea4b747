import HotState
import MarketModel
import Membership
import MembershipTransport
import NatsTransport
import Primitives
import ServiceRuntime
import StoreSinks
import TapeCodec
import TapeProtocol
import TapeTransport

/// The reader of the tape for all workers. It runs on one thread, which also takes the membership's
/// orders about partitions from the port.
///
///     two readers per partition (`SinkInput`) -> queue of the partition's worker
///         at the tape's end                   -> queue of the hot state
///
/// It never waits for a worker and never queries the database. Workers report in their queues which
/// partitions they have claimed, and from where to read them (`PartitionView`).
final class Intake {
    /// The most events of one turn, so that many packets do not delay orders and reports.
    private static let eventsPerTurn = 64
    /// The longest wait for an event in one turn. It bounds how late deadlines are noticed, and
    /// views of workers that are not expected.
    private static let waitNanosecondsMax: Int64 = 50_000_000
    /// The wait while a view of a worker, or room in a queue, is expected soon: a view does not end
    /// a wait in the mailbox before its time.
    private static let waitBusy = Duration.milliseconds(1)

    let client: TapeClient
    let context: ServiceContext
    private let beat: ThreadBeat
    /// The tables that are switched on.
    private let sinks: SinkCatalogue
    /// The inputs that are read. The others are claimed, so that no second owner has them.
    let reads: Set<SinkInput>
    let queues: WorkerQueues
    /// Brings this thread its packets, and wakes of other threads.
    let mailbox: TapeMailbox
    let port: OwnershipPort
    /// Opened here, so that workers write only while the process is steady.
    let gate: SteadyGate
    let readers: TapeReaders
    /// Whether the tape may be purged of what is not read yet: the store is not needed.
    let mayBeLetGo: Bool
    /// The packets for the hot state; `nil` when it is not kept.
    let hotQueue: HotQueue?
    /// Orders values of the database for the hot state; `nil` when it is not kept.
    let hotFills: HotFillOrders?
    let report: WriterReport
    let metrics: WriterMetrics
    /// Sends the positions in the database to the gateways.
    let positions: PositionReporter
    /// Shows how far the database is behind the tape.
    let lag: OwnLag
    let clock = SystemClock()
    /// By the number of an input, which is also that of its reader (`InputNumber`).
    var inputs: [IntakeInput] = []
    /// Of ticks and of bars (`SinkInput.allCases`).
    var delays = SinkInput.allCases.map { _ in TapeDelay() }
    /// By the number of a partition.
    var slots: [IntakeSlot] = []
    /// By the number of a worker.
    var workers: [IntakeWorker]
    /// The orders taken from the port in this turn.
    var orders: [OwnershipOrder] = []
    /// The views taken from the queues in this turn.
    var views: [PartitionView] = []
    /// Whether the process may act as an owner. Updated once per turn.
    var isSteady = false
    /// When `reportState` last made its reports.
    var reportedAt = MonotonicTime.distantPast
    /// When the positions of stopped readers were last checked.
    var checkedAt = MonotonicTime.distantPast
    /// When it was last looked at how the hot state gets its packets.
    var fedAt = MonotonicTime.distantPast
    /// Until when orders or views of workers are expected soon, so that waits are short.
    var busyUntil = MonotonicTime.distantPast
    /// The groups of tables that waited apart at the last report.
    var apart: Set<TableGroup> = []
    /// Why the service ends; `nil` while it may continue to read.
    private(set) var ending: ExitCode?

    init(
        _ settings: WriterSettings, _ queues: WorkerQueues, _ hot: HotOutput?, mailbox: TapeMailbox,
        port: OwnershipPort,
        gate: SteadyGate, client: TapeClient, context: ServiceContext, report: WriterReport
    ) throws {
        sinks = queues.sinks
        reads = settings.inputs
        mayBeLetGo = !settings.isNeeded
        let beat = context.threads.thread("intake")
        self.beat = beat
        let client = client.calling(beat)
        self.queues = queues
        hotQueue = hot?.queue
        hotFills = hot?.fills
        self.mailbox = mailbox
        self.port = port
        self.gate = gate
        self.client = client
        self.context = context
        self.report = report
        workers = queues.all.map { IntakeWorker($0) }
        metrics = WriterMetrics(context.telemetry.metrics)
        positions = try PositionReporter(client, group: settings.store.text)
        let lag = try OwnLag(
            client, group: settings.store.text, inputs: Set(reads.map(\.reported)))
        self.lag = lag
        context.operations.addEndpoint("/scale") { .json { lag.write(into: &$0) } }
        client.notify(mailbox)
        readers = try TapeReaders(
            client, group: settings.store.text, mailbox: mailbox, takesDamaged: true)
        try mailbox.wakeByMessages(client)
        mailbox.show(in: context.telemetry.metrics, as: "intake")
        for partition in port.partitions.sorted() { add(partition) }
        if hotQueue != nil { addTails() }
    }

    private func add(_ partition: Partition) {
        precondition(partition.number == slots.count, "the partitions are counted from 0")
        let names = client.names
        var ticksInput = TapeReaders.Input(
            partition: partition, stream: names.tickStream(of: partition),
            filters: [names.ticks(partition)], sharesConsumer: true)
        var barsInput = TapeReaders.Input(
            partition: partition, stream: names.barStream, filters: names.derived(partition),
            sharesConsumer: true)
        ticksInput.mayBeLetGo = mayBeLetGo
        barsInput.mayBeLetGo = mayBeLetGo
        let (ticks, bars) = (readers.add(ticksInput), readers.add(barsInput))
        precondition([ticks, bars] == InputNumber.both(of: partition), "readers are inputs")
        inputs += InputNumber.both(of: partition).map { _ in
            IntakeInput(durable: DurableMark(queues.durability))
        }
        let worker = partition.number % workers.count
        slots.append(IntakeSlot(partition: partition, worker: worker))
        workers[worker].inputs += [ticks, bars]
    }

    // MARK: the loop

    /// Runs until `isOver`, which is true when all partitions are handed over, or when the writer
    /// does not wait for that any longer. Returns another exit code than success when the service
    /// has to end before.
    func run(until isOver: () -> Bool) -> ExitCode {
        var events: [TapeEvent] = []
        defer { beat.retire() }
        busyUntil = clock.monotonic() + Self.busyNanoseconds
        while !isOver() {
            beat.beat()
            followOrders()
            takeViews()
            _ = mailbox.receive(into: &events, max: Self.eventsPerTurn, timeout: wait)
            handle(&events)
            readers.timePassed()
            releaseLanes()
            checkWaiting()
            feedHotState()
            reportState()
            if let ending {
                stopReading()
                return ending
            }
        }
        stopReading()
        return .success
    }

    /// Closes the readers. Workers may still write their packets until the steady time ends. The
    /// gate is set for the last time here, because no later turn renews it.
    private func stopReading() {
        gate.open(until: isSteady ? port.steadyUntilNow : .distantPast)
        readers.close()
    }

    private var wait: Duration {
        let now = clock.monotonic()
        guard !workers.contains(where: \.isHeld), now >= busyUntil else { return Self.waitBusy }
        return now.next(every: Self.waitNanosecondsMax).duration(since: now)
    }

    /// Handles the events of one turn, and empties the list.
    private func handle(_ events: inout [TapeEvent]) {
        defer { events.removeAll(keepingCapacity: true) }
        for event in events {
            switch event {
            case .delivery(let message): readers.handle(message, take)
            case .reconnected: readers.reconnected()
            case .closed(let reason):
                context.telemetry.emit(.connectionGone(reason: reason))
                ending = .unavailable
                return
            // A wake only ends the wait. The intake publishes nothing, so no answer comes.
            case .answer, .wake: continue
            }
        }
    }

    // MARK: packets

    /// Takes a packet of a reader, and offers it to the worker of its partition. Packets of inputs
    /// that are not open are left: the next reading begins at the position in the database.
    private func take(_ reader: Int, _ header: PacketHeader, _ message: NatsMessage) {
        handOver(reader, header, message)
        guard reader < inputs.count else { return }
        let slot = slots[reader / 2]
        guard inputs[reader].isOpen, let reading = slot.reading,
            let position = readers.position(reader)
        else { return }
        let count = message.withPayload { sinks.count($0, header) }
        if let taken = inputs[reader].tape(message) {
            delays[reader % 2].note(taken: taken, sent: header.sendTime)
        }
        offer(
            QueuedPacket(
                input: reader, reading: reading, position: position, header: header,
                message: message, count: count, tapeTime: inputs[reader].tapeTime),
            to: slot.worker)
    }

    /// Offers a packet to a queue. Without room, the policy WRITER_OVERFLOW decides. The policy
    /// `drop` also holds readers when too many packets without rows wait (`Limits.rowless`).
    private func offer(_ packet: QueuedPacket, to index: Int) {
        let queue = queues.all[index]
        // A group of tables that waits apart will write its rows of each packet.
        let mayDrop = inputs[packet.input].stored?.apart.isEmpty != false
        switch queue.offer(packet, mayDrop: mayDrop, now: clock.monotonic()) {
        case .taken:
            metrics.submitted.add(UInt64(packet.rows))
            if queues.settings.overflow == .block, queue.isHigh { hold(index) }
        case .dropped:
            metrics.dropped.add(packet.records)
            workers[index].droppedUnreported += packet.records
        // One without rows is refused because too many of them wait, which writing ends.
        case .refused where queues.settings.overflow == .error && packet.rows > 0:
            guard ending == nil else { return }
            context.telemetry.emit(.queueFull(thread: index, capacity: queue.limits.rows))
            ending = .temporary
        case .refused:
            workers[index].pending = packet
            hold(index)
        }
    }

    /// Holds the readers of a worker's partitions until its queue is down at its low mark.
    private func hold(_ index: Int) {
        workers[index].isHeld = true
        for input in workers[index].inputs { readers.hold(input) }
    }

    /// For each queue that has reached its low mark: offers the packet that had no room again, and
    /// releases the readers. A packet of an earlier reading is dropped, because it is read again.
    /// While the process is not steady, all readers stay held.
    private func releaseLanes() {
        guard isSteady else { return }
        for index in workers.indices
        where workers[index].isHeld && !queues.all[index].isHigh {
            workers[index].isHeld = false
            if let pending = workers[index].pending {
                workers[index].pending = nil
                if slots[pending.input / 2].reading == pending.reading { offer(pending, to: index) }
            }
            release(index)
        }
    }

    /// Releases the readers of a worker, reader by reader. When the packets that waited in a reader
    /// fill the queue again, the rest stays held. The next release begins with the reader after
    /// that one, so that all have their turn.
    func release(_ index: Int) {
        let count = workers[index].inputs.count
        for step in 0..<count {
            guard !workers[index].isHeld else { return }
            let place = (workers[index].next + step) % count
            readers.release(workers[index].inputs[place], take)
            if workers[index].isHeld { workers[index].next = (place + 1) % count }
        }
    }
}

/// The state of one input of one partition, for the intake's thread only. Its reader has the same
/// number.
struct IntakeInput {
    /// The position as of its worker's last COMMIT. `nil` when this process does not own the
    /// partition, or its worker has not claimed it since the order.
    var stored: SinkPosition?
    /// How much of that is durable.
    var durable: DurableMark
    /// Whether its reader is open at the position of the present reading.
    var isOpen = false
    /// When the tape took the last packet of the present reading: the highest time so far, counted
    /// on from the time at the position. So each writer that reads a packet gets the same time for
    /// it, also after a clock of the server went back. Undefined when it is not known.
    private(set) var tapeTime = Timestamp.undefined
    /// How the hot state gets its packets.
    var feed = HotFeed.undecided

    init(durable: DurableMark) { self.durable = durable }

    /// Begins to read at a position that has this time.
    mutating func open(at time: Timestamp) {
        isOpen = true
        tapeTime = time
    }

    /// Notes when the tape took the next packet. Returns the time that the tape itself gave it.
    mutating func tape(_ message: NatsMessage) -> Timestamp? {
        guard let time = message.withReplyTo({ PulledMessage(ofReplySubject: $0)?.time }) else {
            return nil
        }
        tapeTime = tapeTime.isDefined ? max(tapeTime, time) : time
        return time
    }
}

/// The state of a partition in the intake. `WorkerSlot` is its state in its worker.
struct IntakeSlot {
    let partition: Partition
    /// The number of its worker.
    let worker: Int
    /// The tenure of the last order to take it; `nil` when this process does not own it.
    var tenure: UInt64?
    /// The number of its reading (`WorkerQueue`), as its worker gave it; `nil` while the partition
    /// is not claimed, and so is not read.
    var reading: UInt64?
    /// When its values are read from the database for the hot state.
    var fill = HotFillGate.closed
}

/// The state of one worker's queue in the intake, with the readers that fill it.
struct IntakeWorker {
    let queue: WorkerQueue
    /// The inputs of the worker's partitions, owned or not. Readers have the same numbers.
    var inputs: [Int] = []
    /// Whether its readers are held until the queue's low mark.
    var isHeld = false
    /// The packet that found no room, which is at most one, because it holds the readers. It is
    /// offered before any other.
    var pending: QueuedPacket?
    /// The index in `inputs` of the reader that is released first.
    var next = 0
    /// Whether `queueHigh` was sent and `queueLow` was not sent since.
    var isHighReported = false
    /// The number of records dropped since the last `queueDropped`.
    var droppedUnreported: UInt64 = 0
    /// When `queueDropped` may be sent next: at most one a second.
    var droppedReportedAt = MonotonicTime.distantPast

    init(_ queue: WorkerQueue) { self.queue = queue }
}
