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
///                                                -> image of its state -> CheckpointThread
final class Worker {
    private static let eventsPerTurn = 256
    private static let waitMax = Duration.milliseconds(20)
    private static let reportNanoseconds: Int64 = 100_000_000

    let settings: OperatorSettings
    let client: TapeClient
    let context: ServiceContext
    let publisher: TapePublisher
    let readers: TapeReaders
    let checkpoints: CheckpointThread
    let metrics: OperatorMetrics
    let clock = SystemClock()
    var slots: [PartitionSlot] = []
    private let report: OperatorReport
    private let mailbox = TapeMailbox(capacity: 16_384)
    private let positions: PositionTeller
    private var answers: [CheckpointAnswer] = []
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
            client, mailbox: mailbox)
        readers = try TapeReaders(
            client, group: "operator", mailbox: mailbox)
        checkpoints = try CheckpointThread(
            client, settings: settings, telemetry: context.telemetry, mailbox: mailbox)
        for partition in settings.partitions { add(partition) }
    }

    private func add(_ partition: Partition) {
        let names = client.names
        let lane = publisher.addLane(
            subject: names.bars(partition), stream: names.barStream,
            builder: PacketBuilder(kind: .bars, partition: partition, source: .operator),
            marking: PublisherLane.Marking(
                definition: settings.definition, generation: settings.generation))
        let reader = readers.add(
            TapeReaders.Input(
                partition: partition, stream: names.tickStream(of: partition),
                filters: [
                    names.ticks(partition),
                    names.watermarks(stream: names.streamIndex(of: partition)),
                ]))
        slots.append(PartitionSlot(partition: partition, reader: reader, lane: lane))
    }

    // MARK: the loop

    /// Runs until shutdown is asked for or no partition is left to work on.
    func run() -> ExitCode {
        defer { checkpoints.stop() }
        var events: [TapeEvent] = []
        while !context.shutdown.isRequested {
            for index in slots.indices { advance(index) }
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
        // Lanes and slots are added together, so their numbers are the same.
        for packet in publisher.acknowledged { slots[packet.lane].core?.acknowledge(packet.header) }
        publisher.acknowledged.removeAll(keepingCapacity: true)
        checkpoints.take(into: &answers)
        for answer in answers { heard(answer) }
        answers.removeAll(keepingCapacity: true)
        return nil
    }

    private func take(_ reader: Int, _ header: PacketHeader, _ packet: NatsMessage) {
        // Readers and slots are added together, so their numbers are the same.
        let position = readers.position(reader)
        packet.withPayload { slots[reader].core?.take(header, $0, at: position) }
        if slots[reader].core?.mustHold ?? false { hold(reader) }
    }

    func hold(_ index: Int) {
        guard !slots[index].isHeld else { return }
        slots[index].isHeld = true
        readers.hold(slots[index].reader)
    }

    private func pump() {
        let now = clock.monotonic().nanoseconds
        for index in slots.indices {
            // What another owner has taken over is held for good.
            guard !publisher.isFenced(lane: slots[index].lane) else { continue }
            let lane = lane(index)
            slots[index].core?.pump(lane, now: now)
            keep(index, now: now, isLast: false)
            guard slots[index].isHeld, case .working = slots[index].stage,
                !(slots[index].core?.mustHold ?? true)
            else { continue }
            slots[index].isHeld = false
            readers.release(slots[index].reader, take)
        }
    }

    func lane(_ index: Int) -> TapeLane { TapeLane(publisher: publisher, lane: slots[index].lane) }

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

    /// Takes nothing more; bars leave, and then every partition is kept as it stands.
    private func drain(_ events: inout [TapeEvent]) -> ExitCode {
        for index in slots.indices { hold(index) }
        let deadline = clock.monotonic().nanoseconds + settings.drainNanoseconds
        while !isIdle, clock.monotonic().nanoseconds < deadline {
            _ = mailbox.receive(
                into: &events, max: Self.eventsPerTurn, timeout: .milliseconds(5))
            if let ending = handle(&events) { return ending }
            let now = clock.monotonic().nanoseconds
            for index in slots.indices where !publisher.isFenced(lane: slots[index].lane) {
                let lane = lane(index)
                slots[index].core?.pump(lane, now: now)
                keep(index, now: now, isLast: true)
            }
            publisher.tick()
        }
        readers.close()
        context.telemetry.emit(OperatorDrained(isComplete: isIdle))
        return isIdle ? .success : .temporary
    }

    /// Everything is on the tape that may still get there, and kept.
    private var isIdle: Bool {
        slots.allSatisfy { slot in
            publisher.isFenced(lane: slot.lane)
                || publisher.isIdle(lane: slot.lane) && !slot.isWriting
                    && slot.core?.isAtRest ?? true
        }
    }

    // MARK: report

    private func problem(_ slot: PartitionSlot) -> String? {
        if publisher.isFenced(lane: slot.lane) {
            return "another worker owns it; a restart takes it back"
        }
        switch slot.stage {
        case .waiting(_, let reason): return reason ?? "it is being opened"
        case .looking, .opening, .finding: return "it is being opened"
        case .stopped(let reason): return reason
        case .leaving: return "its bars are about to be made anew"
        case .working: break
        }
        if let problem = readers.problem(slot.reader) {
            return "\(problem); \(RecoverySituation.remedy(slot.partition))"
        }
        if let stopped = slot.core?.stopped { return stopped }
        if !(slot.core?.hasBegunLine ?? true) { return "its bars are being made anew" }
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
                    slot, epoch: publisher.epoch(lane: slot.lane),
                    input: readers.position(slot.reader), problem: problem, now: now))
        }
        // From here on the partitions speak for themselves.
        context.readiness.set(ReadinessPart.tape, publisher.trouble)
        metrics.update(lines, series: settings.series)
        report.update(lines)
        positions.tell(now: now) { slots.compactMap(told) }
    }

    private func told(_ slot: PartitionSlot) -> ReaderPosition? {
        readers.position(slot.reader).map {
            ReaderPosition(
                partition: slot.partition, input: .ticks, sequence: $0.sequence,
                durable: 0, sources: $0.sources, proof: ReaderPosition.Proof($0))
        }
    }
}
