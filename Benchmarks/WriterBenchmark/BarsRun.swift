import BenchmarkRows
internal import Foundation
import MarketModel
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport

/// Writes bars at a steady rate, while the database stands still for some time.
enum BarsRun {
    static let barsPerSecond = 11_000
    private static let stallSeconds = 10.0
    private static let recoverySeconds = 60.0

    static func run(seconds: Double) throws -> Bool {
        let ground = try Ground()
        try ground.fill(ticks: 1_000)
        let database = try ground.database()
        let feed = try BarFeed(ground)
        let writer = try WriterRun(database)
        try writer.start(database)
        try feed.run(seconds: 3)
        let before = try latency(writer)
        try feed.run(seconds: seconds)
        let after = try latency(writer)
        let average = (after.sum - before.sum) / max(1, after.count - before.count)
        let depth = try writer.metric("mds_coord_queue_depth")
        let resident = try writer.residentMiB()
        print(
            """
            bars, \(barsPerSecond)/s: \(Int(average * 1e6)) us per transaction of \
            \(Int(Double(barsPerSecond) * seconds / max(1, after.count - before.count))) bars on \
            average (predecessor: 42,000 us), queue depth \(Int(depth)), \(resident) MiB resident
            """)
        BenchmarkRow("bars, \(barsPerSecond)/s: a transaction", average * 1e3, "ms").tell()
        BenchmarkRow("bars, \(barsPerSecond)/s: memory of the writer", Double(resident), "MiB")
            .atMost(Double(WriterBenchmark.residentMiBMark)).tell()
        ground.postgres.pause()
        try feed.run(seconds: stallSeconds)
        let stalled = try writer.metric("mds_coord_queue_depth")
        ground.postgres.resume()
        let clock = SystemClock()
        let resumed = clock.monotonic().nanoseconds
        var drained: Double?
        var caughtUp: Double?
        while caughtUp == nil {
            try feed.run(seconds: 0.05)
            let now = Double(clock.monotonic().nanoseconds - resumed) / 1e9
            let rows = try database.written()
            if drained == nil, try writer.metric("mds_coord_queue_depth") <= max(500, depth * 2) {
                drained = now
            }
            if feed.acknowledged - rows < barsPerSecond { caughtUp = now }
            guard now < recoverySeconds else { throw Unusable("the writer does not catch up") }
        }
        print(
            """
            bars, \(Int(stallSeconds)) s stall: queue depth \(Int(stalled)), back to normal after \
            \(drained ?? caughtUp ?? 0) s (predecessor: 1.2 s), less than a second behind the tape \
            after \(caughtUp ?? 0) s, \(try writer.residentMiB()) MiB resident at most
            """)
        BenchmarkRow("bars, after a stall of \(Int(stallSeconds)) s: caught up", caughtUp ?? 0, "s")
            .tell()
        let isSmall = try writer.residentMiB() < WriterBenchmark.stalledMiBMark
        try writer.stop()
        return isSmall && resident < WriterBenchmark.residentMiBMark
    }

    private static func latency(_ writer: WriterRun) throws -> (sum: Double, count: Double) {
        (
            try writer.metric("mds_worker_write_latency_seconds_sum"),
            try writer.metric("mds_worker_write_latency_seconds_count")
        )
    }
}

/// Puts bars on all partitions at the given rate, one packet per partition in turn.
final class BarFeed {
    private static let turnNanoseconds: Int64 = 2_000_000
    private static let symbolsPerPartition = 64

    private let publisher: TapePublisher
    private let mailbox = TapeMailbox(capacity: 4_096)
    private let clock = SystemClock()
    private var lanes: [(lane: Int, symbols: [UInt32], series: UInt16, made: Int64)] = []
    private var events: [TapeEvent] = []
    private var next = 0
    private(set) var acknowledged = 0

    init(_ ground: Ground) throws {
        let client = ground.client
        client.notify(mailbox)
        publisher = try TapePublisher(client, mailbox: mailbox)
        guard let series = SeriesName("1s"), let source = SourceName("synthetic") else {
            throw Unusable("no names")
        }
        for number in 0..<Ground.partitions {
            let partition = Partition(number)
            let lane = publisher.addLane(
                subject: client.names.bars(partition), stream: client.names.barStream,
                builder: PacketBuilder(kind: .bars, partition: partition, source: .operator))
            let symbols = (0..<Self.symbolsPerPartition).compactMap { Symbol("B\(number)_\($0)") }
                .map {
                    publisher.register(
                        SymbolDefinition(
                            symbol: $0, provider: "", since: .undefined, source: source),
                        lane: lane)
                }
            let definition = SeriesDefinition(
                name: series, widthNanoseconds: 1_000_000_000)
            lanes.append((lane, symbols, publisher.register(definition, lane: lane), 0))
        }
        publisher.open()
        while !lanes.allSatisfy({ publisher.isReady(lane: $0.lane) }) { try once() }
        acknowledged = 0
    }

    func run(seconds: Double) throws {
        let begun = clock.monotonic().nanoseconds
        var sent = 0
        while true {
            let elapsed = Double(clock.monotonic().nanoseconds - begun) / 1e9
            guard elapsed < seconds else { return }
            let due = Int(elapsed * Double(BarsRun.barsPerSecond)) - sent
            let packet = BarsRun.barsPerSecond / lanes.count / 10
            if due >= packet, publisher.isReady(lane: lanes[next].lane) {
                publish(next, packet)
                sent += packet
            }
            next = (next + 1) % lanes.count
            if due < packet { try once() } else if next == 0 { try once() }
        }
    }

    private func publish(_ index: Int, _ count: Int) {
        for _ in 0..<count {
            let made = lanes[index].made
            lanes[index].made += 1
            let symbol = Int(made) % Self.symbolsPerPartition
            let open =
                1_700_000_000_000_000_000
                + made / Int64(Self.symbolsPerPartition) * 1_000_000_000
            var bar = Bar(
                symbol: lanes[index].symbols[symbol], series: lanes[index].series,
                openTime: Timestamp(nanoseconds: open),
                closeTime: Timestamp(nanoseconds: open + 1_000_000_000))
            bar.open = Price(raw: 100_000_000_000 + made)
            bar.high = Price(raw: 101_000_000_000 + made)
            bar.low = Price(raw: 99_000_000_000 + made)
            bar.close = Price(raw: 100_500_000_000 + made)
            bar.vwap = Price(raw: 100_200_000_000 + made)
            bar.trades = 17
            bar.volume = 170_000_000_000
            bar.notional = Int128(100_200_000_000 + made) * 170_000_000_000
            bar.flags = .final
            _ = publisher.append(bar, lane: lanes[index].lane)
        }
        publisher.publish(
            lane: lanes[index].lane, watermark: Timestamp(nanoseconds: 1_700_000_000_000_000_000))
    }

    private func once() throws {
        _ = mailbox.receive(into: &events, max: 256, timeout: .nanoseconds(Self.turnNanoseconds))
        for event in events {
            switch event {
            case .answer(let message): publisher.handle(message)
            case .closed(let reason): throw Unusable(reason)
            case .delivery, .reconnected, .wake: continue
            }
        }
        events.removeAll(keepingCapacity: true)
        publisher.timePassed()
        for packet in publisher.acknowledged { acknowledged += Int(packet.header.tickCount) }
        publisher.acknowledged.removeAll(keepingCapacity: true)
    }
}
