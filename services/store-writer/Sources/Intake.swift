import MarketModel
import Membership
import MembershipTransport
import NatsTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport

/// Reads the tape for all workers: one thread with the readers of every partition and the
/// membership's port.
///
///     readers (ticks and all that is derived of each partition) -> queue of the partition's worker
///
/// It never waits for a worker and never queries the database. Workers report by their queues which
/// partitions they have claimed, and from where to read them.
final class Intake {
    /// The size of one pull of a reader, in bytes. While readers are held, two pulls of each reader
    /// are in memory. It is at least the largest packet that a publisher of ours makes.
    static let pullBytes = 160 * 1_024
    private static let eventsPerTurn = 64
    private static let waitMax = Duration.milliseconds(20)
    /// The wait while a report of a worker, or room in a queue, is expected soon.
    private static let waitBusy = Duration.milliseconds(1)

    let client: TapeClient
    let context: ServiceContext
    private let beat: ThreadBeat
    let queues: WorkerQueues
    let mailbox: TapeMailbox
    let port: OwnershipPort
    let gate: SteadyGate
    let readers: TapeReaders
    let report: WriterReport
    let metrics: WriterMetrics
    let positions: PositionReporter
    let lag: OwnLag
    let clock = SystemClock()
    var inputs: [IntakeInput] = []
    var slots: [IntakeSlot] = []
    var workers: [IntakeWorker]
    /// The orders taken from the port.
    var orders: [OwnershipOrder] = []
    /// The views taken from the queues.
    var views: [PartitionView] = []
    /// Whether the process may act as an owner. Updated once per turn.
    var isSteady = false
    /// When the last report was made, and stopped readers were last checked, monotonic.
    var reportedAt = MonotonicTime.distantPast
    var checkedAt = MonotonicTime.distantPast
    /// Until when answers of workers to orders are expected soon, so that waits are short;
    /// monotonic.
    var busyUntil = MonotonicTime.distantPast
    /// Why the service ends; `nil` while it may continue to read.
    private(set) var ending: ExitCode?

    init(
        _ queues: WorkerQueues, mailbox: TapeMailbox, port: OwnershipPort, gate: SteadyGate,
        client: TapeClient, context: ServiceContext, report: WriterReport
    ) throws {
        let beat = context.threads.thread("intake")
        self.beat = beat
        let client = client.calling(beat)
        self.queues = queues
        self.mailbox = mailbox
        self.port = port
        self.gate = gate
        self.client = client
        self.context = context
        self.report = report
        workers = queues.all.map { IntakeWorker($0) }
        metrics = WriterMetrics(context.telemetry.metrics)
        positions = try PositionReporter(client, group: "writer")
        let lag = try OwnLag(client, group: "writer")
        self.lag = lag
        context.operations.addEndpoint("/scale") { .json { lag.write(into: &$0) } }
        client.notify(mailbox)
        readers = try TapeReaders(
            client, group: "writer", mailbox: mailbox, takesDamaged: true,
            pullBytes: Self.pullBytes)
        mailbox.show(in: context.telemetry.metrics, as: "intake")
        for partition in port.partitions.sorted() { add(partition) }
    }

    private func add(_ partition: Partition) {
        precondition(partition.number == slots.count, "the partitions are counted from 0")
        let names = client.names
        let ticks = readers.add(
            TapeReaders.Input(
                partition: partition, stream: names.tickStream(of: partition),
                filters: [names.ticks(partition)]))
        let bars = readers.add(
            TapeReaders.Input(
                partition: partition, stream: names.barStream, filters: names.derived(partition)))
        precondition([ticks, bars] == InputNumber.both(of: partition), "readers are inputs")
        inputs += [IntakeInput(), IntakeInput()]
        let worker = partition.number % workers.count
        slots.append(IntakeSlot(partition: partition, worker: worker))
        workers[worker].inputs += [ticks, bars]
    }

    // MARK: the loop

    /// Runs until `isOver`. Returns an exit code other than success when the service has to end.
    func run(until isOver: () -> Bool) -> ExitCode {
        var events: [TapeEvent] = []
        defer { beat.retire() }
        while !isOver() {
            beat.beat()
            followOrders()
            takeViews()
            _ = mailbox.receive(into: &events, max: Self.eventsPerTurn, timeout: wait)
            handle(&events)
            readers.timePassed()
            releaseLanes()
            checkStoppedReaders()
            reportState()
            if let ending {
                stopReading()
                return ending
            }
        }
        stopReading()
        return .success
    }

    /// Closes the readers. Workers may write what they have as long as the process is steady.
    private func stopReading() {
        gate.open(until: isSteady ? port.steadyUntilNow : .distantPast)
        readers.close()
    }

    private var wait: Duration {
        workers.contains { $0.isHeld } || clock.monotonic() < busyUntil
            ? Self.waitBusy : Self.waitMax
    }

    private func handle(_ events: inout [TapeEvent]) {
        defer { events.removeAll(keepingCapacity: true) }
        for event in events {
            switch event {
            case .delivery(let message): readers.handle(message, take)
            case .reconnected: readers.reconnected()
            case .closed(let reason):
                context.telemetry.emit(ConnectionGone(reason: reason))
                ending = .unavailable
                return
            case .answer, .wake: continue
            }
        }
    }

    // MARK: packets

    /// Takes a packet of a reader, and offers it to the worker of its partition.
    private func take(_ reader: Int, _ header: PacketHeader, _ message: NatsMessage) {
        let slot = slots[reader / 2]
        guard inputs[reader].isOpen, let reading = slot.reading,
            let position = readers.position(reader)
        else { return }
        offer(
            QueuedPacket(
                input: reader, reading: reading, position: position, header: header,
                message: message), to: slot.worker)
    }

    /// Offers a packet to a queue, and does what the queue's policy says when there is no room.
    private func offer(_ packet: QueuedPacket, to index: Int) {
        let queue = queues.all[index]
        switch queue.offer(packet, now: clock.monotonic()) {
        case .taken:
            metrics.submitted.add(UInt64(packet.rows))
            if queues.settings.overflow == .block, queue.waiting.isHigh { hold(index) }
        case .dropped:
            metrics.dropped.add(UInt64(packet.rows))
            workers[index].droppedUnreported += UInt64(packet.rows)
        case .refused where queues.settings.overflow == .error:
            guard ending == nil else { return }
            context.telemetry.emit(QueueFull(thread: index, capacity: queue.limits.rows))
            ending = .temporary
        case .refused:
            workers[index].pending = packet
            hold(index)
        }
    }

    /// Holds the readers of a worker's partitions until the queue's low mark.
    private func hold(_ index: Int) {
        workers[index].isHeld = true
        for input in workers[index].inputs { readers.hold(input) }
    }

    /// Offers packets without room again, and releases the readers of queues that have reached
    /// their low mark.
    private func releaseLanes() {
        guard isSteady else { return }
        for index in workers.indices
        where workers[index].isHeld && !queues.all[index].waiting.isHigh {
            workers[index].isHeld = false
            if let pending = workers[index].pending {
                workers[index].pending = nil
                if slots[pending.input / 2].reading == pending.reading { offer(pending, to: index) }
            }
            release(index)
        }
    }

    /// Lets the readers of a queue continue until it is held again. Each time another reader comes
    /// first.
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

/// One input of one partition. Its reader has the same number.
struct IntakeInput {
    /// The position as of its worker's last COMMIT; `nil` when it is not claimed in this tenure.
    var stored: SinkPosition?
    /// Whether its reader is open at the position of the present reading.
    var isOpen = false
}

/// A partition in the view of the intake.
struct IntakeSlot {
    let partition: Partition
    /// The number of its worker.
    let worker: Int
    /// The tenure of the last order to take it; `nil` when this process does not own it.
    var tenure: UInt64?
    /// The number of its reading; `nil` while it is not claimed.
    var reading: UInt64?
}

/// The readers of one worker's partitions.
struct IntakeWorker {
    let queue: WorkerQueue
    /// The inputs of the worker's partitions, which are also their readers.
    var inputs: [Int] = []
    /// Whether its readers are held until the queue's low mark.
    var isHeld = false
    /// A packet that found no room. It is the first one to be offered again.
    var pending: QueuedPacket?
    /// The reader that comes first when they are released.
    var next = 0
    /// Whether it was reported that the queue has been above its low mark for a while.
    var isHighReported = false
    /// Rows dropped since the last event about it.
    var droppedUnreported: UInt64 = 0
    /// When dropped rows may be reported next, monotonic.
    var droppedReportedAt = MonotonicTime.distantPast

    init(_ queue: WorkerQueue) { self.queue = queue }
}
