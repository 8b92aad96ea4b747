import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// A tick on a real tape, with the row and the bars that a real writer and worker made of it.
@Suite("tapeline trace with all servers", .serialized) struct TraceServerTests {
    private func trace(
        _ words: [String], on bench: AcceptBench
    ) throws -> (steps: [String: JSONValue], said: JSONValue) {
        let said = try Said(["trace"] + words + ["--json"], bench.environment)
        #expect(said.code == .success, "\(said.errors)")
        let json = try said.json()
        let steps = try #require(json["steps"]?.array).map { ($0["step"]?.string ?? "", $0) }
        return (Dictionary(uniqueKeysWithValues: steps), json)
    }

    @Test("the first trade from a time on is found, with its packet, its COMMIT and its bars")
    func found() throws {
        var scene = try BustedRowsTests.Scene("trace")
        scene.trade(0)
        scene.quote(1, bid: Price(raw: 1), ask: Price(raw: 2))
        scene.trade(2)
        try scene.publish(reached: 60)
        try scene.expect("1s", second: 0, "2 100 102 102 2 closed 0 0 0")
        let partition = scene.bench.tape.names.partition(of: try #require(Symbol("AAPL")))
        let second = BustedRowsTests.start + BustedRowsTests.second / 4
        let time = "\(Timestamp(nanoseconds: second))"
        let trade = try trace(["AAPL", time, "--kind", "trade"], on: scene.bench)
        #expect(trade.said["tick_id"]?.string == "test/\(partition)/3")
        #expect(trade.said.at("packet", "first_ordinal")?.int == 1)
        #expect(trade.said["bars"]?.array?.contains { $0["series"]?.string == "1s" } == true)
        let stored = try #require(trade.steps["acknowledged"]?["time_ns"]?.int)
        let committed = try #require(trade.steps["committed"]?["time_ns"]?.int)
        // One machine has one clock, and the database's has microseconds.
        #expect(committed / 1_000 >= stored / 1_000)
        #expect(trade.steps["read"]?["time"] == .null)
        // The quote is at that time, too, and before the trade.
        #expect(
            try trace(["AAPL", time], on: scene.bench).said["tick_id"]?.string
                == "test/\(partition)/2")
        let quote = try trace(["test/\(partition)/2"], on: scene.bench)
        #expect(quote.said["kind"]?.string == "quote")
        #expect(quote.steps["committed"]?["time_ns"]?.int == committed)
        let late = complaint {
            try Said(["trace", "AAPL", "2023-11-15T00:00:00Z"], scene.bench.environment)
        }
        #expect(late.contains("no tick of AAPL"))
        try BustedRowsTests().stopAndAudit(scene)
    }

    @Test(
        "worker and writer send their spans under the id that the command prints",
        .enabled(if: PythonServer.obstacle(of: "trace-readers") == nil))
    func collected() throws {
        let collector = try PythonServer(
            "\(ServerPrograms.checkout)/Tests/ObservabilityTests/collect_traces.py",
            of: "trace-readers")
        var scene = try BustedRowsTests.Scene(
            "collected",
            [
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:\(collector.port())",
                "OTEL_TRACES_SAMPLER_ARG": "1",
            ])
        scene.trade(0)
        try scene.publish(reached: 60)
        try scene.expect("1s", second: 0, "1 100 100 100 1 closed 0 0 0")
        let partition = scene.bench.tape.names.partition(of: try #require(Symbol("AAPL")))
        let said = try trace(["test/\(partition)/1"], on: scene.bench).said
        let id = try #require(said["trace_id"]?.string)
        var names: Set<String> = []
        let isThere = try eventually(within: 60) {
            let answer = try HTTPProbe.get(
                host: "127.0.0.1", port: collector.port(), path: "/", timeout: .seconds(10))
            let spans = try JSONValue.parse(answer.body)["spans"]?.array ?? []
            names = Set(
                spans.filter { $0["trace"]?.string == id }.compactMap { $0["name"]?.string })
            return names.isSuperset(of: ["process", "write store"])
        }
        #expect(isThere, "\(names)")
        try BustedRowsTests().stopAndAudit(scene)
    }
}
