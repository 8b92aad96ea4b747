import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport

/// A server whose tape holds eight hours of trades, up to the present.
final class FilledTape {
    static let partitions = TapeNames.defaultPartitions
    static let symbolsPerPartition = 64
    static let hours: Int64 = 8
    static let hourNanoseconds: Int64 = 3_600_000_000_000
    private static let secondsMax: Int64 = 600
    /// The size of each stream, which the worker is given, too. The one-second bars of all symbols
    /// are 3 GB, and five streams have to fit into the server's disk limit.
    static let streamGibibytes: Int64 = 5

    let server: NatsServer
    let names: TapeNames
    let source: SourceName
    let packetsPerPartition: Int
    /// The symbols by partition.
    let symbols: [[Symbol]]
    /// The time of the first trade in nanoseconds.
    let start: Int64
    private(set) var bytes: Int64 = 0
    private(set) var filledIn: Int64 = 0
    /// For each packet of `watched`: the time just before it was published, and its sequence.
    private(set) var publishedAt: [Timestamp] = []
    private(set) var sequences: [UInt64] = []
    /// The partition whose packets are noted, in the middle of its stream.
    static let watched = Partition(5)

    private let clock = SystemClock()

    var trades: Int { packetsPerPartition * Self.partitions * PacketLimits.ticksMax }

    init(trades: Int) throws {
        guard let names = TapeNames(namespace: "md", partitions: Self.partitions),
            let source = SourceName("bench")
        else { throw RepairBenchmark.Unusable("no names") }
        self.names = names
        self.source = source
        packetsPerPartition = max(
            Int(Self.hours), trades / Self.partitions / PacketLimits.ticksMax)
        var symbols = [[Symbol]](repeating: [], count: Self.partitions)
        var number = 0
        while symbols.contains(where: { $0.count < Self.symbolsPerPartition }) {
            number += 1
            guard let symbol = Symbol("R\(number)") else { continue }
            let partition = names.partition(of: symbol).number
            if symbols[partition].count < Self.symbolsPerPartition {
                symbols[partition].append(symbol)
            }
        }
        self.symbols = symbols
        start = clock.now().nanoseconds - Self.hours * Self.hourNanoseconds
        server = try NatsServer(syncInterval: "2m")
        try fill()
    }

    func client() throws -> TapeClient {
        let logger = Logger(service: "benchmark", level: .error, format: .text(color: false))
        return try TapeClient(
            NatsConfiguration(urls: [server.url], clientName: "benchmark"), names: names,
            telemetry: TelemetryHub(logger: logger, metrics: MetricRegistry()),
            readiness: Readiness())
    }

    // MARK: filling

    private func fill() throws {
        let client = try client()
        defer { client.close() }
        try client.ensureTickStreams(bytesMax: Self.streamGibibytes << 30)
        try client.ensureBarStream(bytesMax: Self.streamGibibytes << 30)
        let mailbox = TapeMailbox(capacity: 4_096)
        client.notify(mailbox)
        let publisher = try TapePublisher(client, mailbox: mailbox)
        let began = clock.monotonic().nanoseconds
        var lanes = try (0..<Self.partitions).map { try Lane($0, self, publisher) }
        publisher.open()
        var events: [TapeEvent] = []
        while lanes.contains(where: { $0.acknowledged < packetsPerPartition }) {
            for index in lanes.indices
            where lanes[index].published < packetsPerPartition
                && publisher.isReady(lane: lanes[index].lane)
            {
                if index == Self.watched.number { publishedAt.append(clock.now()) }
                bytes += Int64(try lanes[index].publish(publisher))
            }
            _ = mailbox.receive(into: &events, max: 256, timeout: .milliseconds(20))
            try take(events, publisher, &lanes)
            events.removeAll(keepingCapacity: true)
            guard clock.monotonic().nanoseconds - began < Self.secondsMax * 1_000_000_000 else {
                throw RepairBenchmark.Unusable("the tape is not filled in time")
            }
        }
        filledIn = clock.monotonic().nanoseconds - began
    }

    private func take(
        _ events: [TapeEvent], _ publisher: TapePublisher, _ lanes: inout [Lane]
    ) throws {
        for event in events {
            switch event {
            case .answer(let message): publisher.handle(message)
            case .closed(let reason): throw RepairBenchmark.Unusable(reason)
            case .delivery, .reconnected, .wake: continue
            }
        }
        publisher.timePassed()
        for packet in publisher.acknowledged where packet.header.tickCount > 0 {
            // Lanes were added in the order of partitions.
            lanes[packet.lane].acknowledged += 1
            if packet.lane == Self.watched.number { sequences.append(packet.sequence) }
        }
        publisher.acknowledged.removeAll(keepingCapacity: true)
    }

    /// One partition while it is filled.
    private struct Lane {
        let lane: Int
        var published = 0
        var acknowledged = 0
        private let numbers: [UInt32]
        private let pause: Int64
        private var time: Int64
        private var random: SeededRandom

        init(_ number: Int, _ tape: FilledTape, _ publisher: TapePublisher) throws {
            let partition = Partition(number)
            let lane = publisher.addLane(
                subject: tape.names.ticks(partition, tape.source),
                stream: tape.names.tickStream(of: partition),
                builder: PacketBuilder(kind: .ticks, partition: partition, source: tape.source))
            numbers = tape.symbols[number].map {
                publisher.register(
                    SymbolDefinition(
                        symbol: $0, provider: "bench", since: Timestamp(nanoseconds: 0)),
                    lane: lane)
            }
            self.lane = lane
            time = tape.start
            pause =
                FilledTape.hours * FilledTape.hourNanoseconds
                / Int64(tape.packetsPerPartition * PacketLimits.ticksMax)
            random = SeededRandom(seed: UInt64(number))
        }

        /// Returns the number of bytes.
        mutating func publish(_ publisher: TapePublisher) throws -> Int {
            for _ in 0..<PacketLimits.ticksMax {
                time += pause
                let now = Timestamp(nanoseconds: time)
                let symbol = numbers[Int(random.next() % UInt64(numbers.count))]
                let isIn = publisher.append(
                    Trade(
                        header: TickHeader(symbol: symbol, providerTime: now, receiveTime: now),
                        price: Price(raw: Int64(random.next() % 1_000 + 9_500) * 10_000_000),
                        size: Quantity(raw: Int64(random.next() % 900 + 1) * 100_000_000)),
                    lane: lane)
                guard isIn else { throw RepairBenchmark.Unusable("a packet is full early") }
            }
            let bytes = publisher.waitingBytes(lane: lane)
            publisher.publish(lane: lane, watermark: Timestamp(nanoseconds: time))
            published += 1
            return bytes
        }
    }
}
