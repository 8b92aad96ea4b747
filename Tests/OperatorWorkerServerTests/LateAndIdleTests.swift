import TapeTransport
import MarketModel
import NatsTransport
import OperatorGraph
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StreamCore
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import OperatorWorker
@testable import OperatorWorkerTests

/// Ticks that come late or not at all, and what is reported about open windows.
@Suite("A worker whose ticks are late, or stay away")
struct LateAndIdleTests {
    private static let second: Int64 = 1_000_000_000

    private func scene(_ namespace: String) throws -> RepairScene {
        try RepairScene(try TestTape(NatsServer.shared(), namespace: namespace))
    }

    @Test("fault 18: a tick after its bar was final gives a revision, one far behind it is listed")
    func lateTicks() throws {
        var scene = try scene("li1")
        let running = try TestWorker(scene.tape, ["OPERATOR_SERIES": "1s"], takes: [0]).start()
        scene.trades(0..<10)
        try scene.source.publish(watermark: RepairScene.time(20))
        scene.trade(5, price: 900)
        try scene.source.publish(watermark: RepairScene.time(25))
        scene.trade(6, price: 901)
        // After the lateness of 5 s.
        try scene.source.publish(watermark: RepairScene.time(100))
        scene.trade(7, price: 902)
        try scene.source.publish(watermark: RepairScene.time(110))
        func counted(_ action: String) -> Double? {
            running.service.metric("mds_operator_late_ticks_total{action=\"\(action)\"}")
        }
        #expect(eventually { counted("listed") == 1 && counted("revised") == 2 })
        #expect(try running.stop() == .success)
        let found = try BarsOnTape(scene.tape, 0)
        #expect(found.problems.isEmpty, "\(found.problems)")
        #expect(found.all.map(\.trades) == [10, 11, 12])
        #expect(
            found.all.map(\.reason)
                == [BarReason.closed, .late, .late].map(\.rawValue))
        #expect(found.late.map(\.price.raw) == [902 * Self.second])
        #expect(found.late.first?.reason == LateTickReason.windowClosed.rawValue)
    }

    @Test("fault 19: without ticks the last bar closes by the idle watermark, and no bar follows")
    func idle() throws {
        var scene = try scene("li2")
        let worker = try TestWorker(scene.tape, ["OPERATOR_SERIES": "1s,1m"], takes: [0])
        let running = try worker.start()
        scene.trades(0..<10)
        try scene.source.publish(watermark: RepairScene.time(10))
        var idle = TestSource(
            scene.tape, Partition(0), source: try #require(SourceName("test")), kind: .watermark)
        let subject = scene.tape.names.watermarks(
            stream: 0, try #require(SourceName("test")))
        for minute in 1..<200 as Range<Int64> {
            let packet = idle.seal(watermark: RepairScene.time(minute * 600))
            try TestSource.put(packet.bytes, on: subject, of: scene.tape)
        }
        let end = RepairScene.time(199 * 600).description
        #expect(eventually { worker.firstPartition?["watermark"]?.string == end })
        #expect(
            worker.firstPartition?["problem"] == .null
                && worker.firstPartition?["open_windows"]?.int == 0)
        #expect(try running.stop() == .success)
        let found = try BarsOnTape(scene.tape, 0)
        #expect(found.problems.isEmpty, "\(found.problems)")
        #expect(found.bars.map(\.series) == ["1s", "1m"])
    }

    @Test("bars of open windows are told live, marked as in progress, and stand nowhere")
    func inProgress() throws {
        var scene = try scene("li3")
        let heard = try LiveMessages("li3.live.bar.1m.A.test", of: scene.tape)
        let running = try TestWorker(scene.tape, ["OPERATOR_SERIES": "1m"], takes: [0])
            .startLive()
        for tenth in 0..<20 as Range<Int64> {
            scene.trade(tenth)
            try scene.source.publish(watermark: RepairScene.time(tenth))
        }
        #expect(eventually { heard.all.last?["trades"]?.int == 20 })
        let message = try #require(heard.all.last)
        #expect(message["in_progress"] == .bool(true) && message["revision"] == nil)
        #expect(message["high"]?.string == "119")
        #expect(try BarsOnTape(scene.tape, 0).bars.isEmpty)
        try scene.source.publish(watermark: RepairScene.time(10_000))
        #expect(eventually { heard.all.last?["revision"]?.uint64 == 1 })
        #expect(heard.all.last?["in_progress"] == nil)
        #expect(try running.stop() == .success)
    }

    @Test("a duplicate is listed, is no late tick in metrics, and without an id there is none")
    func duplicates() throws {
        var scene = try scene("li5")
        let graph = GraphDefinition(
            name: "once",
            nodes: [
                GraphNode(
                    name: "once", input: .ticks(.trade),
                    operation: .deduplicate(
                        DeduplicateRule(key: [.id], timeToLive: 60 * Self.second))),
                GraphNode(
                    name: "bars", input: .node(0),
                    operation: .bars(BarRule(series: try BarSeriesSet(["1s"])), calendar: nil)),
            ])
        let worker = try TestWorker(scene.tape, takes: [0], graph: graph)
        let running = try worker.start()
        // The last three have no id.
        for tenth in [3, 3, 3, -1, -1, -1] as [Int64] { scene.trade(tenth) }
        try scene.source.publish(watermark: RepairScene.time(100))
        func counted(_ verdict: String) -> Double? {
            running.service.metric(
                "mds_operator_duplicate_ticks_total{verdict=\"\(verdict)\"}")
        }
        #expect(eventually { counted("dropped") == 2 && counted("undecidable") == 3 })
        #expect(
            running.service.metric("mds_operator_late_ticks_total{action=\"listed\"}") ?? 0 == 0)
        let told = worker.firstPartition
        #expect(told?["duplicates"]?.int == 2 && told?["undecidable"]?.int == 3)
        #expect(told?["late"]?.int == 0)
        #expect(try running.stop() == .success)
        let found = try BarsOnTape(scene.tape, 0)
        #expect(found.problems.isEmpty, "\(found.problems)")
        #expect(found.all.map(\.trades) == [3, 1])
        #expect(found.late.map(\.reason) == [2, 2])
    }

    @Test("values of aggregates stand on the tape behind bars and late ticks, and are suppressed")
    func values() throws {
        let rule = BarRule(series: try BarSeriesSet(["1s"]))
        let program = GraphProgram(
            GraphDefinition(
                name: "values",
                nodes: [
                    GraphNode(
                        name: "bars", input: .ticks(.trade),
                        operation: .bars(rule, calendar: nil)),
                    GraphNode(
                        name: "stats", input: .ticks(.trade),
                        operation: .aggregate(
                            AggregateRule(bars: rule, functions: [.max, .count]), calendar: nil)),
                ]))
        let tape = try TestTape(NatsServer.shared(), namespace: "li4")
        var second: OperatorBench?
        for round in 0..<2 {
            let bench = try OperatorBench(tape, program: program)
            var scene = try RepairScene(tape)
            for part in 0..<3 as Range<Int64> {
                scene.trades(part * 10..<part * 10 + 10)
                bench.take(scene.source.seal(watermark: RepairScene.time(part * 10 + 10)))
            }
            #expect(bench.drain())
            #expect(bench.core.stopped == nil)
            if round == 1 { second = bench }
        }
        let found = try BarsOnTape(tape, 0)
        #expect(found.problems.isEmpty, "\(found.problems)")
        #expect(found.bars.count == 3 && found.values.count == 6)
        #expect(Set(found.values.map(\.name)) == ["stats.1s.max", "stats.1s.count"])
        let highest = try #require(found.values.last { $0.name == "stats.1s.max" })
        #expect(highest.value == Int128(129 * Self.second))
        #expect(highest.header.providerTime == highest.periodEnd)
        #expect(second?.core.tally.suppressed == 9)
    }
}
