import Foundation
import MarketModel
import OperatorGraph
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StreamCore
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import TapelineTool

/// Ticks on a real tape, their bars beside them, and both in a database by way of a real writer.
struct ProveBench {
    let bench: AcceptBench
    let definition: GraphDefinition
    private let folder: TemporaryFolder
    private let writer: RunningService
    private(set) var barCount = 0

    static let symbol = "AAPL"
    static let start: Int64 = 1_700_000_000_000_000_000
    private static let second: Int64 = 1_000_000_000

    init(_ name: String) throws {
        bench = try AcceptBench("prove_\(name)")
        folder = try TemporaryFolder("prove")
        definition = .simple(try BarSeriesSet(["1s", "1m"]))
        writer = try bench.startWriter()
        try publish()
        let isStored = try eventually(within: 60) {
            try bench.query("SELECT count(*) FROM bars") == "\(barCount)"
                && bench.query("SELECT count(*) FROM trades") == "400"
        }
        try #require(isStored)
        try writer.stop()
    }

    /// 400 trades in 100 s, and what a graph makes of them.
    private mutating func publish() throws {
        let symbol = try #require(Symbol(Self.symbol))
        let partition = bench.tape.names.partition(of: symbol)
        var ticks = TestSource(bench.tape, partition, source: try #require(SourceName("test")))
        _ = ticks.register(
            SymbolDefinition(
                symbol: symbol, provider: "test", since: Timestamp(nanoseconds: Self.start)))
        var bars = TestSource(bench.tape, partition, source: .operator, kind: .bars)
        _ = bars.register(
            SymbolDefinition(
                symbol: symbol, provider: "", since: .undefined, source: SourceName("test")))
        for series in definition.allSeries {
            _ = bars.register(
                SeriesDefinition(name: series.name, widthNanoseconds: series.widthNanoseconds))
        }
        var machine = GraphMachine(GraphProgram(definition))
        var output = GraphOutput()
        var random = SeededRandom(seed: 5)
        for packet in 0..<40 {
            for tick in 0..<10 {
                let time = Self.start + Int64(packet * 10 + tick) * Self.second / 4
                ticks.append(trade(at: time, using: &random))
            }
            let isLast = packet == 39
            let end = Self.start + Int64(packet + 1) * 10 * Self.second / 4
            let sealed = ticks.seal(
                watermark: Timestamp(nanoseconds: isLast ? end + 400 * Self.second : end))
            try TestSource.put(
                sealed.bytes, on: bench.tape.names.ticks(partition, ticks.source), of: bench.tape)
            sealed.withBytes { _ = machine.take(sealed.header, $0, into: &output) }
            guard !output.bars.isEmpty else { continue }
            for bar in output.bars { bars.append(bar) }
            barCount += output.bars.count
            try bars.publish(watermark: sealed.header.watermark)
            output.removeAll()
        }
    }

    private func trade(at time: Int64, using random: inout SeededRandom) -> Trade {
        Trade(
            header: TickHeader(
                symbol: 0, providerTime: Timestamp(nanoseconds: time),
                receiveTime: Timestamp(nanoseconds: time)),
            price: Price(raw: Int64.random(in: 1...500, using: &random) * 10_000_000),
            size: Quantity(raw: Int64.random(in: 1...500, using: &random) * 1_000_000))
    }

    struct Outcome {
        let code: ExitCode
        let json: JSONValue

        func count(_ side: String, _ kind: String) -> Int64 {
            json[side]?[kind]?.int.map { Int64($0) } ?? -1
        }
    }

    /// `tapeline prove …`, as the program does it.
    func prove(_ arguments: String...) throws -> Outcome {
        let path = folder.file("\(UUID().uuidString).out")
        let output = unsafe open(path, O_CREAT | O_WRONLY, 0o600)
        defer { close(output) }
        let command = try ProveCommand.parse(
            [
                "--from", "2023-11-14T22:13:00Z", "--to", "2023-11-14T22:20:00Z", "--json",
            ] + arguments, now: Timestamp(nanoseconds: Self.start))
        let run = ProveRun(command: command, terminal: Terminal(output: output, errors: output))
        let deployment = try Deployment.find(
            TapeTarget(), environment: bench.environment, executable: "/x")
        let code = try run.run(deployment, definition, shutdown: ShutdownSignal())
        let text = try String(contentsOfFile: path, encoding: .utf8)
        return Outcome(code: code, json: try JSONValue.parse(text))
    }
}
