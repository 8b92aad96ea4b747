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

    /// The spans of one packet in the collector.
    private func spans(
        of tick: String, in collector: PythonServer, _ scene: BustedRowsTests.Scene
    ) throws -> [String: [JSONValue]] {
        let id = try #require(try trace([tick], on: scene.bench).said["trace_id"]?.string)
        var found: [String: [JSONValue]] = [:]
        let isThere = try eventually(within: 60) {
            let answer = try HTTPProbe.get(
                host: "127.0.0.1", port: collector.port(), path: "/", timeout: .seconds(10))
            let spans = try JSONValue.parse(answer.body)["spans"]?.array ?? []
            found = Dictionary(
                grouping: spans.filter { $0["trace"]?.string == id },
                by: { $0["name"]?.string ?? "" })
            return ["receive", "publish", "process", "write store"].allSatisfy {
                found[$0] != nil
            }
        }
        #expect(isThere, "\(found.keys.sorted())")
        let ids = found.values.joined().map { $0["id"]?.string }
        #expect(Set(ids).count == ids.count)
        return found
    }

    @Test(
        "the whole trace of a slow and a late tick arrives, under the id that the command prints",
        .enabled(if: PythonServer.obstacle(of: "trace-readers") == nil))
    func collected() throws {
        let collector = try PythonServer(
            "\(ServerPrograms.checkout)/Tests/ObservabilityTests/collect_traces.py",
            of: "trace-readers")
        var scene = try BustedRowsTests.Scene(
            "collected",
            [
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:\(collector.port())",
                // None is drawn. Packets that were sealed in 2023 are slow.
                "OTEL_TRACES_SAMPLER_ARG": "0",
            ])
        scene.trade(0)
        try scene.publish(reached: 60)
        try scene.expect("1s", second: 0, "1 100 100 100 1 closed 0 0 0")
        // The second is over.
        scene.trade(1)
        try scene.publish(reached: 61)
        let partition = scene.bench.tape.names.partition(of: try #require(Symbol("AAPL")))
        let slow = try spans(of: "test/\(partition)/1", in: collector, scene)
        for name in ["receive", "publish"] {
            let computed = try #require(
                slow[name]?.first { $0.at("attributes", "tapeline.computed") == .bool(true) })
            #expect(computed.at("service", "service.name")?.string == "provider-gateway")
        }
        // The worker's own one, and the one that the writer computed.
        let processed = try #require(slow["process"])
        #expect(
            processed.allSatisfy {
                $0.at("service", "service.name")?.string == "operator-worker"
            })
        let written = try #require(slow["write store"]?.first)
        #expect(written.at("service", "service.name")?.string == "store-writer")
        #expect(written.at("attributes", "tapeline.slow") == .bool(true))
        let late = try spans(of: "test/\(partition)/2", in: collector, scene)
        let counts = late["process"]?.compactMap { $0.at("attributes", "tapeline.late")?.int }
        #expect(counts == [1])
        try BustedRowsTests().stopAndAudit(scene)
    }

    @Test(
        "the whole trace of a tick arrives whose row the database refuses",
        .enabled(if: PythonServer.obstacle(of: "trace-readers") == nil))
    func refused() throws {
        let collector = try PythonServer(
            "\(ServerPrograms.checkout)/Tests/ObservabilityTests/collect_traces.py",
            of: "trace-readers")
        var scene = try BustedRowsTests.Scene(
            "refused",
            [
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:\(collector.port())",
                "OTEL_TRACES_SAMPLER_ARG": "0",
            ])
        _ = try scene.bench.query(
            "ALTER TABLE trade_rows ADD CONSTRAINT no_poison CHECK (price <> 666)")
        scene.trade(0, price: 666)
        try scene.publish(reached: 60)
        let partition = scene.bench.tape.names.partition(of: try #require(Symbol("AAPL")))
        let refused = try spans(of: "test/\(partition)/1", in: collector, scene)
        let written = try #require(refused["write store"]?.first)
        #expect(written.at("attributes", "tapeline.refused")?.int == 1)
        // `STATUS_CODE_ERROR`
        #expect(written["status"]?.int == 2)
        #expect(
            refused["publish"]?.first?.at("service", "service.name")?.string == "provider-gateway")
        #expect(scene.worker.stop() == 0, "\(scene.worker.log.suffix(800))")
        try scene.writer.stop()
    }
}
