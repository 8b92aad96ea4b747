import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import ProviderGateway

/// A gateway in this process, on a connection of its own.
struct TestGateway {
    let tape: TestTape
    let service: TestService
    let settings: GatewaySettings
    let report: GatewayReport

    init(_ tape: TestTape, _ environment: [String: String]) throws {
        self.tape = tape
        service = try TestService(
            Main.description, tape.environment.merging(environment) { $1 })
        settings = try GatewaySettings(service.context.configuration)
        report = GatewayReport(settings)
    }

    /// Runs it on a client that the test may close: to the gateway that is a kill.
    func start(_ client: TapeClient) throws -> RunningService {
        let (settings, report) = (settings, report)
        return try service.start { context in
            defer { client.close() }
            return try Gateway.run(
                settings, client: client, context: context, report: report)
        }
    }

    func start() throws -> RunningService { try start(try tape.connect(service)) }
}

/// What stands on the tape of one source: per partition the ticks' numbers, in order.
struct SourceOnTape {
    let source: SourceName
    var indexes: [Partition: [UInt64]] = [:]
    var epochs: [Partition: [UInt64]] = [:]
    /// Sentences that say what is wrong with ordinals, order and watermarks.
    var problems: [String] = []

    init(_ tape: TestTape, source: String = "synthetic") throws {
        self.source = try #require(SourceName(source))
        for number in 0..<tape.names.partitions {
            try read(tape, Partition(number))
        }
    }

    private mutating func read(_ tape: TestTape, _ partition: Partition) throws {
        var next: UInt64 = 1
        var watermark = Int64.min
        for packet in try tape.tickPackets(partition)
        where packet.subject == tape.names.ticks(partition, source) {
            if packet.header.firstOrdinal != next {
                problems.append("\(partition): \(packet.header.firstOrdinal), not \(next)")
            }
            next = packet.header.nextOrdinal
            if epochs[partition]?.last != packet.header.epoch {
                epochs[partition, default: []].append(packet.header.epoch)
            }
            var cursor = RecordCursor()
            packet.payload.withRawSpan { bytes in
                while let record = cursor.next(in: bytes) {
                    switch record {
                    case .trade(let trade): add(trade.header, partition, watermark)
                    case .quote(let quote): add(quote.header, partition, watermark)
                    case .bar, .other: continue
                    case .malformed: problems.append("\(partition): malformed")
                    }
                }
            }
            watermark = max(watermark, packet.header.watermark.nanoseconds)
        }
    }

    private mutating func add(_ header: TickHeader, _ partition: Partition, _ watermark: Int64) {
        indexes[partition, default: []].append(header.providerID & SyntheticMarket.indexMax)
        if header.eventTime.nanoseconds < watermark {
            problems.append("\(partition): a tick behind the watermark")
        }
    }

    var count: Int { indexes.values.reduce(0) { $0 + $1.count } }
    var all: [UInt64] { indexes.values.flatMap { $0 }.sorted() }
}
