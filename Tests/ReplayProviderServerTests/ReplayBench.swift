import MarketModel
import NatsTransport
import Primitives
import Recordings
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import ReplayProvider

/// Gateways as processes, on tapes of a real server.
struct ReplayBench {
    let server: NatsServer
    let folder: TemporaryFolder
    let source: SourceName

    init(_ server: NatsServer) throws {
        self.server = server
        folder = try TemporaryFolder("replay")
        source = try #require(SourceName("synthetic"))
    }

    /// Two tapes of the server.
    func tapes(_ first: (String, Int), _ second: (String, Int)) throws -> (TestTape, TestTape) {
        let made = try [first, second].map {
            try TestTape(server, namespace: $0.0, partitions: $0.1)
        }
        return (made[0], made[1])
    }

    func gateway(_ tape: TestTape, _ environment: [String: String]) throws -> ServerProcess {
        let named = ["GATEWAY_SOURCE": source.text]
        return try program("provider-gateway", tape, named.merging(environment) { $1 })
    }

    func program(
        _ name: String, _ tape: TestTape, _ environment: [String: String] = [:]
    ) throws -> ServerProcess {
        let own = ["OPS_PORT": "0", "LOG_LEVEL": "info"].merging(ProductPrograms.profile(name)) {
            $1
        }
        return try ServerProcess(
            ProductPrograms.path(name), [],
            environment: tape.environment.merging(own) { $1 }.merging(environment) { $1 },
            logPath: folder.file("\(name)-\(tape.names.namespace).log"))
    }

    /// Has a gateway put a market on the tape at full speed, and stops it in order.
    func putMarket(on tape: TestTape, ticks: Int, rate: Int = 200, seed: Int = 7) throws {
        let gateway = try gateway(
            tape,
            [
                "SYNTHETIC_TICKS": "\(ticks)", "SYNTHETIC_PACE": "full",
                "SYNTHETIC_RATE": "\(rate)", "SYNTHETIC_SEED": "\(seed)",
            ])
        let isThere = try eventually {
            try tape.tickCount(source: source) == UInt64(ticks)
        }
        #expect(isThere)
        #expect(gateway.stop() == 0)
    }

    /// Runs a gateway's replay until this many records are on the tape, and ends it in order.
    func replayAll(onto tape: TestTape, _ environment: [String: String], records: Int) throws {
        let gateway = try gateway(tape, environment)
        let isThere = try eventually {
            try gateway.log.contains("replay.finished")
                && tape.tickCount(source: source) == UInt64(records)
        }
        #expect(isThere, "\(gateway.log)")
        #expect(gateway.stop() == 0)
    }

    /// Runs a gateway's replay, and kills it when more than this many records are on the tape.
    func replayAndKill(
        onto tape: TestTape, _ environment: [String: String], after records: Int
    ) throws {
        let gateway = try gateway(tape, environment)
        let isHere = try eventually {
            try tape.tickCount(source: source) > UInt64(records)
        }
        #expect(isHere, "\(gateway.log)")
        #expect(gateway.stop(9) == 9)
    }

    /// Returns the range of all that is on a tape.
    func range(_ tape: TestTape, _ symbols: [Symbol] = []) -> TapeRange {
        TapeRange(
            nats: NatsConfiguration(urls: [server.url], clientName: "test"),
            namespace: tape.names.namespace, source: source, from: .undefined,
            to: SystemClock().now(), symbols: symbols, hasBars: true)
    }

    func reader(_ range: TapeRange) throws -> RecordedRange {
        let hub = TelemetryHub(
            logger: Logger(service: "test", level: .error, format: .json, sink: CapturedLog().sink),
            metrics: MetricRegistry())
        return try RecordedRange(
            range, telemetry: hub, created: SystemClock().now(), isStopped: { false })
    }

    /// Records the tape as it is, with its bars.
    func record(_ tape: TestTape, to path: String) throws -> RecordingWriter {
        try record(range(tape), to: path).writer
    }

    /// Records a range. Returns also how many bars are missing.
    func record(
        _ range: TapeRange, to path: String
    ) throws -> (writer: RecordingWriter, missingBars: MissingTicks) {
        let reader = try reader(range)
        defer { reader.close() }
        let writer = try RecordingWriter(path, reader.about)
        while let packet = try reader.next() { try writer.add(packet) }
        try writer.finish(bars: try reader.completeBars())
        return (writer, reader.missingBars)
    }
}

/// The tape of one source: per symbol its records in order, with the provider of each.
struct SymbolsOnTape: Equatable {
    struct Entry: Hashable {
        let provider: String
        let since: Timestamp
        let record: PlainRecord
    }

    var entries: [String: [Entry]] = [:]

    init(_ tape: TestTape, _ source: SourceName) throws {
        for record in try tape.records(of: source) {
            let name = record.definition
            entries[record.symbol, default: []].append(
                Entry(
                    provider: name?.provider ?? "", since: name?.since ?? .undefined,
                    record: PlainRecord(record.record, of: name?.symbol)))
        }
    }

    var count: Int { entries.values.reduce(0) { $0 + $1.count } }

    /// Reports the first record of each symbol that differs.
    func expectEqual(to other: Self) {
        #expect(Set(entries.keys) == Set(other.entries.keys))
        for (symbol, entries) in entries {
            let expected = other.entries[symbol] ?? []
            #expect(entries.count == expected.count, "\(symbol)")
            guard
                let place = entries.indices.first(where: {
                    $0 >= expected.count || entries[$0] != expected[$0]
                })
            else { continue }
            let wanted = place < expected.count ? "\(expected[place])" : "nothing"
            Issue.record("\(symbol), record \(place): \(entries[place]) instead of \(wanted)")
        }
    }
}

/// The last version of each bar on a tape.
struct LastBars: Equatable {
    struct Key: Hashable {
        let symbol: String
        let series: String
        let open: Timestamp
        let number: Int64
    }

    var bars: [Key: Bar] = [:]

    init(_ tape: TestTape) throws {
        for record in try tape.packets(stream: tape.names.barStream).flatMap(\.records) {
            guard case .bar(var bar) = record.record else {
                Issue.record("no bar")
                continue
            }
            let key = Key(
                symbol: record.symbol, series: record.series?.name.text ?? "?", open: bar.openTime,
                number: bar.number)
            (bar.symbol, bar.series) = (0, 0)
            bars[key] = bar
        }
    }
}
