import TapeTransport
import MarketModel
import NatsTransport
import OperatorGraph
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StreamCore
import Synchronization
import TapeCodec
import TestSupport
import Testing

@testable import OperatorWorker
@testable import OperatorWorkerTests

/// Live ticks at nodes that have subscribers.
@Suite("Edges of nodes that are told live")
struct LiveEdgesTests {
    private func definition(_ overflow: LiveEdge.Overflow, capacity: Int = 4) throws
        -> GraphDefinition
    {
        let edge = LiveEdge(capacity: capacity, overflow: overflow, high: 3, low: 1)
        return GraphDefinition(
            name: "watched",
            nodes: [
                GraphNode(
                    name: "few", input: .ticks(.trade),
                    operation: .throttle(
                        ThrottleRule(count: 1_000, per: 1_000_000_000, scope: .symbol)),
                    live: edge),
                GraphNode(
                    name: "bars", input: .node(0),
                    operation: .bars(BarRule(series: try BarSeriesSet(["1s"])), calendar: nil)),
            ])
    }

    private func tick(_ price: Int64) throws -> LiveNodeTick {
        LiveNodeTick(
            node: "few", symbol: try #require(Symbol("A")),
            source: try #require(SourceName("test")), partition: Partition(0),
            tick: .trade(
                Trade(
                    header: TickHeader(
                        symbol: 0, providerTime: .undefined, receiveTime: .undefined),
                    price: Price(raw: price), size: Quantity(raw: 1))))
    }

    private func prices(_ ticks: [LiveNodeTick]) -> [Int64] {
        ticks.map { if case .trade(let trade) = $0.tick { trade.price.raw } else { 0 } }
    }

    @Test("a full edge does what the graph says", arguments: LiveEdge.Overflow.allCases)
    func overflow(rule: LiveEdge.Overflow) throws {
        var edges = LiveEdges(try definition(rule))
        var verdicts: [LiveEdges.Verdict] = []
        for price in 1...5 as ClosedRange<Int64> {
            verdicts.append(edges.offer(try tick(price), from: 0))
        }
        #expect(verdicts.dropLast().allSatisfy { $0 == .next })
        // A node without an edge waits for nothing.
        #expect(edges.offer(try tick(9), from: 1) == .next)
        #expect(edges.levels.map(\.depth) == [4] && edges.levels.map(\.capacity) == [4])
        let last = try #require(verdicts.last)
        switch rule {
        case .block: #expect(last == .mustWait && edges.levels[0].dropped == 0)
        case .dropNewest, .dropOldest: #expect(last == .next && edges.levels[0].dropped == 1)
        case .error:
            guard case .overflowed(let reason) = last else {
                Issue.record("\(last)")
                return
            }
            #expect(reason.hasPrefix("4 ticks of the node few wait"))
        }
        #expect(prices(edges.take(max: 3)) == (rule == .dropOldest ? [2, 3, 4] : [1, 2, 3]))
        #expect(edges.takeCrossings().map(\.transition) == [.roseToHigh, .fellToLow])
        #expect(edges.takeCrossings().isEmpty)
    }

    @Test("what an edge has no room for holds the next packet, and what was told is not told again")
    func holds() throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "le0")
        let program = GraphProgram(try definition(.block))
        for round in 0..<2 {
            let bench = try OperatorBench(tape, program: program)
            bench.core.hasLiveEdges = true
            var scene = try RepairScene(tape)
            scene.trades(0..<10)
            bench.take(scene.source.seal(watermark: RepairScene.time(100)))
            #expect(bench.core.live.count == (round == 0 ? 10 : 0))
            #expect(bench.core.mustHold == (round == 0))
            bench.core.live.removeAll()
            #expect(!bench.core.mustHold)
            #expect(bench.drain())
        }
    }

    /// `url` is that of the live link. `nil` means the tape's own server.
    private func start(
        _ scene: RepairScene, _ overflow: LiveEdge.Overflow, url: String? = nil
    ) throws -> TestWorkerAtWork {
        let worker = try TestWorker(scene.tape, takes: [0])
        var settings = worker.settings
        settings.program = GraphProgram(try definition(overflow))
        let client = try scene.tape.connect(worker.service)
        let program = settings
        let running = try worker.service.start { context in
            defer { client.close() }
            var nats = try TapeSettings(context.configuration).nats
            if let url { nats.urls = [url] }
            let live = try LivePublisher(
                nats, names: client.names, telemetry: context.telemetry, threads: context.threads)
            defer { live.close() }
            let loop = try Worker(
                program, client: client, context: context, report: worker.report, live: live)
            worker.member.attach(loop.port)
            return loop.run(as: worker.member)
        }
        return TestWorkerAtWork(worker: worker, running: running)
    }

    private struct TestWorkerAtWork {
        let worker: TestWorker
        let running: RunningService

        var problem: String? {
            worker.partition?["problem"]?.string
        }
    }

    @Test("a node's ticks are told under its name, all of them and in order when it blocks")
    func told() throws {
        var scene = try RepairScene(TestTape(NatsServer.shared(), namespace: "le1"))
        let heard = Mutex<[String]>([])
        let listener = try scene.tape.client.connection.subscribe(
            "le1.live.node.few.A.test", pendingMessagesMax: 1_024
        ) { message in
            let text = message.withPayload { String(decoding: $0.array, as: UTF8.self) }
            heard.withLock { $0.append(text) }
        }
        defer { listener.unsubscribe() }
        let work = try start(scene, .block)
        for second in 0..<3 as Range<Int64> {
            scene.trades(second * 10..<second * 10 + 10)
            try scene.source.publish(watermark: RepairScene.time(second * 10 + 10))
        }
        #expect(eventually { heard.withLock { $0.count } >= 30 })
        let found = try heard.withLock { $0 }.map { try JSONValue.parse($0) }
        #expect(found.map { $0["price"]?.string } == (100..<130).map { "\($0)" })
        #expect(found.allSatisfy { $0["node"]?.string == "few" && $0["symbol"]?.string == "A" })
        #expect(found.first?["source"]?.string == "test" && found.first?["ordinal"] == nil)
        #expect(
            eventually {
                work.worker.service.metric(#"mds_live_messages_total{kind="node"}"#) == 30
            })
        let capacity = #"mds_operator_edge_capacity{edge="few"}"#
        #expect(eventually { work.worker.service.metric(capacity) == 4 })
        let tape = #"mds_operator_edge_capacity{edge="bars.tape"}"#
        #expect(eventually { work.worker.service.metric(tape) == 4_096 })
        #expect(work.running.log.count(of: "operator.edge.crossed") >= 2)
        #expect(try work.running.stop() == .success)
        #expect(try BarsOnTape(scene.tape, 0).problems.isEmpty)
    }

    @Test("an edge whose overflow is an error stops the partition, and one that drops does not")
    func overflows() throws {
        for (number, rule) in [LiveEdge.Overflow.error, .dropNewest].enumerated() {
            var scene = try RepairScene(TestTape(NatsServer.shared(), namespace: "le2\(number)"))
            // No server listens on that port.
            let work = try start(scene, rule, url: "nats://127.0.0.1:1")
            scene.trades(0..<10)
            try scene.source.publish(watermark: RepairScene.time(100))
            if rule == .error {
                #expect(
                    eventually {
                        work.problem?.contains("its overflow is error") ?? false
                    })
            } else {
                let dropped = #"mds_operator_edge_dropped_total{edge="few"}"#
                #expect(eventually { work.worker.service.metric(dropped) == 6 })
                #expect(eventually { work.problem == nil })
            }
            #expect(try work.running.stop() == .success)
        }
    }
}
