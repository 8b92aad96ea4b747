internal import Glibc
import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport

/// Runs the shipped worker on the filled tape: first it computes all bars, then it repairs an hour
/// of them.
///
/// All of the tape was stored within a minute. The worker begins to read where packets were stored
/// at the time of the hour, and here that is the start of the partition. This is the worst case for
/// a tape of this size.
final class RepairRun {
    private static let catchUpSeconds: Int64 = 600
    private static let repairSeconds: Int64 = 60
    /// After this long without a bar there will be no more.
    private static let quietNanoseconds: Int64 = 1_000_000_000

    private let tape: FilledTape
    private let client: TapeClient
    private let mailbox = TapeMailbox(capacity: 16_384)
    private let clock = SystemClock()
    private let folder: TemporaryFolder
    private let worker: ServerProcess
    private var events: [TapeEvent] = []

    init(_ tape: FilledTape) throws {
        self.tape = tape
        client = try tape.client()
        client.notify(mailbox)
        folder = try TemporaryFolder("repair")
        worker = try ServerProcess(
            try ProductPrograms.path("operator-worker"), [],
            environment: [
                "NATS_URL": tape.server.url, "OPS_PORT": "\(freePort())", "MDS_MEMBER": "worker-0",
                "LOG_FORMAT": "json", "MDS_STREAM_BYTES": "\(FilledTape.streamGibibytes)GiB",
            ], logPath: folder.file("worker.log"))
    }

    deinit {
        worker.stop(SIGKILL)
        client.close()
    }

    /// Returns seconds.
    func run() throws -> Double {
        try catchUp()
        let partition = FilledTape.watched
        let readers = try TapeReaders(client, group: "bench", mailbox: mailbox)
        defer { readers.close() }
        let reader = readers.add(
            TapeReaders.Input(
                partition: partition, stream: tape.names.barStream,
                filters: [tape.names.bars(partition)]))
        readers.open(reader, from: .end)
        let asked = try ask()
        var (bars, last) = (0, asked)
        while clock.monotonic().nanoseconds - asked < Self.repairSeconds * 1_000_000_000 {
            receive(readers) { packet in
                let repaired = Self.repaired(in: packet)
                guard repaired > 0 else { return }
                bars += repaired
                last = self.clock.monotonic().nanoseconds
            }
            if bars > 0, clock.monotonic().nanoseconds - last > Self.quietNanoseconds { break }
        }
        guard bars > 0 else {
            throw RepairBenchmark.Unusable("nothing was mended: \(worker.log.suffix(1_000))")
        }
        print(
            "repair of an hour of one symbol: \(bars) bars, the last one "
                + "\(RepairBenchmark.seconds(last - asked)) s after the request")
        // Prints the worker's own report: how many packets it read, and for how long.
        for line in worker.log.split(separator: "\n") where line.contains("operator.repair.done") {
            print("the worker: \(line)")
        }
        return Double(last - asked) / 1e9
    }

    private func receive(_ readers: TapeReaders, _ take: (NatsMessage) -> Void) {
        _ = mailbox.receive(into: &events, max: 256, timeout: .milliseconds(5))
        for event in events {
            guard case .delivery(let message) = event else { continue }
            readers.handle(message) { _, _, packet in take(packet) }
        }
        events.removeAll(keepingCapacity: true)
        readers.timePassed()
    }

    private static func repaired(in packet: NatsMessage) -> Int {
        packet.withPayload { bytes in
            var count = 0
            var cursor = RecordCursor()
            while let record = cursor.next(in: bytes) {
                guard case .bar(let bar) = record, bar.reason == BarReason.repair.rawValue else {
                    continue
                }
                count += 1
            }
            return count
        }
    }

    /// Waits until the worker has made the bars of all partitions.
    private func catchUp() throws {
        let start = clock.monotonic().nanoseconds
        let wanted = Timestamp(
            nanoseconds: tape.start + FilledTape.hours * FilledTape.hourNanoseconds - 60_000_000_000
        )
        var open = Set(0..<FilledTape.partitions)
        while !open.isEmpty {
            guard clock.monotonic().nanoseconds - start < Self.catchUpSeconds * 1_000_000_000,
                worker.isRunning
            else { throw RepairBenchmark.Unusable("no bars: \(worker.log.suffix(1_000))") }
            usleep(200_000)
            for number in open {
                let packet = try client.lastPacket(
                    stream: tape.names.barStream, subject: tape.names.bars(Partition(number)))
                if let packet, packet.header.watermark >= wanted { open.remove(number) }
            }
        }
        let taken = clock.monotonic().nanoseconds - start
        let millions = Double(tape.trades) * 1e3 / Double(taken)
        print(
            "the worker made all bars in \(RepairBenchmark.seconds(taken)) s, "
                + "\(Int(millions)) million trades per second")
    }

    /// Puts the request on the tape. Returns the monotonic time just before it.
    private func ask() throws -> Int64 {
        let partition = FilledTape.watched
        let outbox = TapeMailbox(capacity: 64)
        let client = try tape.client()
        defer { client.close() }
        client.notify(outbox)
        let publisher = try TapePublisher(client, mailbox: outbox)
        let lane = publisher.addLane(
            subject: tape.names.ticks(partition, .manual),
            stream: tape.names.tickStream(of: partition),
            builder: PacketBuilder(kind: .ticks, partition: partition, source: .manual))
        let symbol = publisher.register(
            SymbolDefinition(
                symbol: tape.symbols[partition.number][0], provider: "manual", since: .undefined),
            lane: lane)
        publisher.open()
        try turn(publisher, outbox) { !publisher.isReady(lane: lane) }
        let from = tape.start + FilledTape.hours / 2 * FilledTape.hourNanoseconds
        let now = clock.now()
        let outcome = publisher.append(
            .repair(
                RepairRequest(
                    header: TickHeader(symbol: symbol, providerTime: now, receiveTime: now),
                    from: Timestamp(nanoseconds: from),
                    to: Timestamp(nanoseconds: from + FilledTape.hourNanoseconds), reason: .repair,
                    requester: "benchmark")), lane: lane)
        guard case .appended = outcome else {
            throw RepairBenchmark.Unusable("the request does not fit: \(outcome)")
        }
        let before = clock.monotonic().nanoseconds
        publisher.publish(lane: lane, watermark: .undefined)
        try turn(publisher, outbox) { !publisher.isIdle }
        return before
    }

    private func turn(
        _ publisher: TapePublisher, _ outbox: TapeMailbox, while isNeeded: () -> Bool
    ) throws {
        let start = clock.monotonic().nanoseconds
        var events: [TapeEvent] = []
        while isNeeded() {
            _ = outbox.receive(into: &events, max: 16, timeout: .milliseconds(20))
            for event in events {
                if case .answer(let message) = event { publisher.handle(message) }
            }
            events.removeAll(keepingCapacity: true)
            publisher.timePassed()
            publisher.acknowledged.removeAll(keepingCapacity: true)
            guard clock.monotonic().nanoseconds - start < 10_000_000_000 else {
                throw RepairBenchmark.Unusable("the request is not acknowledged")
            }
        }
    }
}
