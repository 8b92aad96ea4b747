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
///     readers (ticks and all that is derived of each partition) -> lane of the partition's worker
///
/// It never waits for a worker and never asks the database. What is to be read, and from where,
/// workers say by their lanes when they have claimed it.
final class Intake {
    /// What one pull of a reader may bring: two of them of every reader lie in memory while the
    /// readers are held. Holds the largest packet that a publisher of ours makes.
    static let pullBytes = 160 * 1_024
    private static let eventsPerTurn = 64
    private static let waitMax = Duration.milliseconds(20)
    /// While a word of a worker, or room in a lane, may come at any moment.
    private static let waitBusy = Duration.milliseconds(1)

    let client: TapeClient
    let context: ServiceContext
    private let beat: ThreadBeat
    let queue: RowQueue
    let mailbox: TapeMailbox
    let port: OwnershipPort
    let gate: SteadyGate
    let readers: TapeReaders
    let report: WriterReport
    let metrics: WriterMetrics
    let positions: PositionTeller
    let lag: OwnLag
    let clock = SystemClock()
    var inputs: [IntakeInput] = []
    var slots: [IntakeSlot] = []
    var lanes: [IntakeLane]
    /// Taken from the port.
    var orders: [OwnershipOrder] = []
    var views: [PartitionView] = []
    /// The process may act as an owner; asked once a turn.
    var isSteady = false
    var reportedAt = Int64.min
    var lookedAt = Int64.min
    /// Workers have orders, and answer soon.
    var busyUntil = Int64.min
    /// Set when nothing more may be read: why the service ends.
    private(set) var ending: ExitCode?

    init(
        _ queue: RowQueue, mailbox: TapeMailbox, port: OwnershipPort, gate: SteadyGate,
        client: TapeClient, context: ServiceContext, report: WriterReport
    ) throws {
        let beat = context.threads.thread("intake")
        self.beat = beat
        let client = client.calling(beat)
        self.queue = queue
        self.mailbox = mailbox
        self.port = port
        self.gate = gate
        self.client = client
        self.context = context
        self.report = report
        lanes = queue.lanes.map { IntakeLane($0) }
        metrics = WriterMetrics(context.telemetry.metrics)
        positions = try PositionTeller(client, group: "writer")
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
        let lane = partition.number % lanes.count
        slots.append(IntakeSlot(partition: partition, lane: lane))
        lanes[lane].inputs += [ticks, bars]
    }

    // MARK: the loop

    /// Runs until `isOver`. An exit code that is not success says that the service has to end.
    func run(until isOver: () -> Bool) -> ExitCode {
        var events: [TapeEvent] = []
        defer { beat.retire() }
        while !isOver() {
            beat.beat()
            attend()
            hear()
            _ = mailbox.receive(into: &events, max: Self.eventsPerTurn, timeout: wait)
            handle(&events)
            readers.tick()
            releaseLanes()
            lookAtStopped()
            tell()
            if let ending {
                stopReading()
                return ending
            }
        }
        stopReading()
        return .success
    }

    private func stopReading() {
        gate.open(until: isSteady ? port.steadyUntilNow : .min)
        readers.close()
    }

    private var wait: Duration {
        lanes.contains { $0.isHeld } || clock.monotonic().nanoseconds < busyUntil
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

    private func take(_ reader: Int, _ header: PacketHeader, _ message: NatsMessage) {
        let slot = slots[reader / 2]
        guard inputs[reader].isOpen, let reading = slot.reading,
            let position = readers.position(reader)
        else { return }
        offer(
            QueuedPacket(
                input: reader, reading: reading, position: position, header: header,
                message: message), to: slot.lane)
    }

    private func offer(_ packet: QueuedPacket, to index: Int) {
        let lane = queue.lanes[index]
        switch lane.offer(packet, now: clock.monotonic().nanoseconds) {
        case .taken:
            metrics.submitted.add(UInt64(packet.rows))
            if queue.settings.overflow == .block, lane.waiting.isHigh { hold(index) }
        case .dropped:
            metrics.dropped.add(UInt64(packet.rows))
            lanes[index].droppedUntold += UInt64(packet.rows)
        case .refused where queue.settings.overflow == .error:
            guard ending == nil else { return }
            context.telemetry.emit(QueueFull(thread: index, capacity: lane.limits.rows))
            ending = .temporary
        case .refused:
            lanes[index].pending = packet
            hold(index)
        }
    }

    private func hold(_ index: Int) {
        lanes[index].isHeld = true
        for input in lanes[index].inputs { readers.hold(input) }
    }

    /// Lanes that are at their low mark again.
    private func releaseLanes() {
        guard isSteady else { return }
        for index in lanes.indices where lanes[index].isHeld && !queue.lanes[index].waiting.isHigh {
            lanes[index].isHeld = false
            if let pending = lanes[index].pending {
                lanes[index].pending = nil
                if slots[pending.input / 2].reading == pending.reading { offer(pending, to: index) }
            }
            release(index)
        }
    }

    /// Lets the readers of a lane go on, another one first each time, until it is held again.
    func release(_ index: Int) {
        let count = lanes[index].inputs.count
        for step in 0..<count {
            guard !lanes[index].isHeld else { return }
            let place = (lanes[index].next + step) % count
            readers.release(lanes[index].inputs[place], take)
            if lanes[index].isHeld { lanes[index].next = (place + 1) % count }
        }
    }
}

/// One input of one partition; its reader has the same number.
struct IntakeInput {
    /// As its worker's last COMMIT left it; nil: not claimed in this tenure.
    var stored: SinkPosition?
    /// Its reader is open at the position of the present reading.
    var isOpen = false
}

/// A partition as the intake sees it.
struct IntakeSlot {
    let partition: Partition
    let lane: Int
    /// Of the last order to take it; nil: it is not this process's.
    var tenure: UInt64?
    /// nil: not claimed yet, or not any more.
    var reading: UInt64?
}

/// The readers of one worker's partitions.
struct IntakeLane {
    let lane: WorkerLane
    var inputs: [Int] = []
    /// Nothing more is taken from them until the lane's low mark.
    var isHeld = false
    /// Found no room: the first one to go in.
    var pending: QueuedPacket?
    /// Whose turn it is when they go on.
    var next = 0
    /// That it has been above its low mark for a while.
    var isHighTold = false
    /// Since the last event about it.
    var droppedUntold: UInt64 = 0
    var droppedToldAt = Int64.min

    init(_ lane: WorkerLane) { self.lane = lane }
}
