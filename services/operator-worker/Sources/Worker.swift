import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import StreamCore
import TapeCodec
import TapeProtocol
import TapeTransport
import Telemetry

/// The data plane of the operator: one thread that reads its partitions of the tape, makes bars
/// and publishes them.
///
///     reader of a partition -> PartitionOperator -> lane of its bars -> acknowledged
final class Worker {
    private static let eventsPerTurn = 256
    private static let waitMax = Duration.milliseconds(20)
    private static let reportNanoseconds: Int64 = 100_000_000

    /// A partition on its way to work.
    private struct Slot {
        let partition: Partition
        let reader: Int
        let lane: Int
        /// Made when the epoch's marker stands: from then on nobody else adds output.
        var core: PartitionOperator?
        var isHeld = false
        var retryAt = Int64.min
    }

    private let settings: OperatorSettings
    private let client: TapeClient
    private let context: ServiceContext
    private let report: OperatorReport
    private let clock = SystemClock()
    private let mailbox = TapeMailbox(capacity: 16_384)
    private let publisher: TapePublisher
    private let readers: TapeReaders
    private let metrics: OperatorMetrics
    private let positions: PositionTeller
    private var slots: [Slot] = []
    private var reportedAt = Int64.min

    init(
        _ settings: OperatorSettings, client: TapeClient, context: ServiceContext,
        report: OperatorReport
    ) throws {
        self.settings = settings
        self.client = client
        self.context = context
        self.report = report
        metrics = OperatorMetrics(context.telemetry.metrics)
        positions = try PositionTeller(client, group: "operator")
        client.notify(mailbox)
        publisher = try TapePublisher(
            client, mailbox: mailbox, lanesMax: settings.partitions.count)
        readers = try TapeReaders(
            client, group: "operator", mailbox: mailbox, readersMax: settings.partitions.count)
        for partition in settings.partitions { add(partition) }
    }

    private func add(_ partition: Partition) {
        let names = client.names
        let lane = publisher.addLane(
            subject: names.bars(partition), stream: names.barStream,
            builder: PacketBuilder(kind: .bars, partition: partition, source: .operator),
            marking: PublisherLane.Marking(
                definition: settings.definition, generation: OperatorSettings.generation))
        let reader = readers.add(
            TapeReaders.Input(
                partition: partition, stream: names.tickStream(of: partition),
                filters: [
                    names.ticks(partition),
                    names.watermarks(stream: names.streamIndex(of: partition)),
                ]))
        slots.append(Slot(partition: partition, reader: reader, lane: lane))
    }

    // MARK: the loop

    /// Runs until shutdown is asked for or no partition is left to work on.
    func run() -> ExitCode {
        publisher.open()
        var events: [TapeEvent] = []
        while !context.shutdown.isRequested {
            startOpened()
            _ = mailbox.receive(into: &events, max: Self.eventsPerTurn, timeout: Self.waitMax)
            if let ending = handle(&events) { return ending }
            pump()
            publisher.tick()
            readers.tick()
            tell()
            if let ending = fenced() { return ending }
        }
        return drain(&events)
    }

    /// Begins with each partition whose epoch is open: reads what stands, then the ticks from the
    /// start of the tape.
    private func startOpened() {
        let now = clock.monotonic().nanoseconds
        for index in slots.indices where slots[index].core == nil {
            let slot = slots[index]
            guard now >= slot.retryAt, publisher.isReady(lane: slot.lane) else { continue }
            do {
                let standing = try standingOutput(of: slot.partition)
                slots[index].core = PartitionOperator(
                    partition: slot.partition, reader: slot.reader, lane: slot.lane,
                    settings: settings, standing: standing, publisher: publisher)
                context.telemetry.emit(
                    PartitionStarted(
                        partition: slot.partition, epoch: publisher.epoch(lane: slot.lane),
                        standing: standing?.ordinal ?? 0))
                readers.open(slot.reader, at: nil)
            } catch {
                slots[index].retryAt = now + 1_000_000_000
                context.telemetry.emit(
                    PartitionNotStarted(partition: slot.partition, reason: "\(error)"))
            }
        }
    }

    private func standingOutput(of partition: Partition) throws -> OutputLedger.Standing? {
        let names = client.names
        guard
            let last = try client.lastContent(
                stream: names.barStream, subject: names.bars(partition)),
            let state = last.withBytes({ PacketReader.outputState(of: $0) })
        else { return nil }
        let ordinal = last.header.nextOrdinal - 1
        return ordinal == 0
            ? nil : OutputLedger.Standing(ordinal: ordinal, checksum: state.checksum)
    }

    /// An exit code: the service has to end.
    private func handle(_ events: inout [TapeEvent]) -> ExitCode? {
        defer { events.removeAll(keepingCapacity: true) }
        for event in events {
            switch event {
            case .delivery(let message): readers.handle(message, take)
            case .answer(let message): publisher.handle(message)
            case .reconnected: readers.reconnected()
            case .closed(let reason):
                context.telemetry.emit(ConnectionGone(reason: reason))
                return .unavailable
            case .wake: continue
            }
        }
        publisher.acknowledged.removeAll(keepingCapacity: true)
        return nil
    }

    private func take(_ reader: Int, _ header: PacketHeader, _ packet: NatsMessage) {
        // Readers and slots are added together, so their numbers are the same.
        let position = readers.position(reader)
        packet.withPayload { slots[reader].core?.take(header, $0, at: position) }
        if slots[reader].core?.mustHold ?? false { hold(reader) }
    }

    private func hold(_ index: Int) {
        guard !slots[index].isHeld else { return }
        slots[index].isHeld = true
        readers.hold(slots[index].reader)
    }

    private func pump() {
        let now = clock.monotonic().nanoseconds
        for index in slots.indices {
            // What another owner has taken over is held for good.
            guard !publisher.isFenced(lane: slots[index].lane) else { continue }
            slots[index].core?.pump(publisher, now: now)
            guard slots[index].isHeld, !(slots[index].core?.mustHold ?? true) else { continue }
            slots[index].isHeld = false
            readers.release(slots[index].reader, take)
        }
    }

    // MARK: trouble and the end

    /// Another owner has taken partitions over: those end here, and with the last one the service.
    private func fenced() -> ExitCode? {
        var left = 0
        for slot in slots {
            if publisher.isFenced(lane: slot.lane) {
                hold(slot.reader)
            } else {
                left += 1
            }
        }
        return left == 0 ? .temporary : nil
    }

    private func drain(_ events: inout [TapeEvent]) -> ExitCode {
        for index in slots.indices { hold(index) }
        let deadline = clock.monotonic().nanoseconds + settings.drainNanoseconds
        while !isIdle, clock.monotonic().nanoseconds < deadline {
            _ = mailbox.receive(
                into: &events, max: Self.eventsPerTurn, timeout: .milliseconds(5))
            if let ending = handle(&events) { return ending }
            for index in slots.indices {
                slots[index].core?.pump(publisher, now: clock.monotonic().nanoseconds)
            }
            publisher.tick()
        }
        readers.close()
        context.telemetry.emit(OperatorDrained(isComplete: isIdle))
        return isIdle ? .success : .temporary
    }

    /// Everything is on the tape that may still get there.
    private var isIdle: Bool {
        slots.allSatisfy { slot in
            publisher.isFenced(lane: slot.lane)
                || publisher.isIdle(lane: slot.lane) && slot.core?.isEmpty ?? true
        }
    }

    // MARK: report

    private func problem(_ slot: Slot) -> String? {
        if publisher.isFenced(lane: slot.lane) { return "another worker owns it" }
        if let problem = readers.problem(slot.reader) { return problem.description }
        if let stopped = slot.core?.stopped { return stopped }
        return readers.isReading(slot.reader) ? nil : "it is being opened"
    }

    private func tell() {
        let now = clock.monotonic().nanoseconds
        guard reportedAt == Int64.min || now >= reportedAt + Self.reportNanoseconds else { return }
        reportedAt = now
        var lines: [OperatorReport.Line] = []
        for slot in slots {
            let problem = problem(slot)
            context.readiness.set("partition \(slot.partition)", problem)
            if let stopped = slot.core?.stopped {
                context.telemetry.emit(
                    PartitionStopped(partition: slot.partition, reason: stopped))
            }
            lines.append(
                OperatorReport.Line(
                    slot.partition, epoch: publisher.epoch(lane: slot.lane), core: slot.core,
                    input: readers.position(slot.reader), problem: problem))
        }
        // From here on the partitions speak for themselves.
        context.readiness.set(ReadinessPart.tape, publisher.trouble)
        metrics.update(lines, series: settings.series)
        report.update(lines)
        positions.tell(now: now) { slots.compactMap(told) }
    }

    private func told(_ slot: Slot) -> ReaderPosition? {
        readers.position(slot.reader).map {
            ReaderPosition(
                partition: slot.partition, input: .ticks, sequence: $0.sequence,
                sources: $0.sources)
        }
    }
}
