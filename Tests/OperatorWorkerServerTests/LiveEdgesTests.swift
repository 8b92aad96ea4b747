import TapeTransport
import MarketModel
import NatsTransport
import OperatorGraph
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StreamCore
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

    private func worker(
        _ scene: RepairScene, _ overflow: LiveEdge.Overflow
    ) throws -> TestWorker {
        try TestWorker(scene.tape, takes: [0], graph: definition(overflow))
    }

    @Test("a node's ticks are told under its name, all of them and in order when it blocks")
    func told() throws {
        var scene = try RepairScene(TestTape(NatsServer.shared(), namespace: "le1"))
        let heard = try LiveMessages("le1.live.node.few.A.test", of: scene.tape)
        let running = try worker(scene, .block).startLive()
        for second in 0..<3 as Range<Int64> {
            scene.trades(second * 10..<second * 10 + 10)
            try scene.source.publish(watermark: RepairScene.time(second * 10 + 10))
        }
        #expect(eventually { heard.all.count >= 30 })
        let found = heard.all
        #expect(found.map { $0["price"]?.string } == (100..<130).map { "\($0)" })
        #expect(found.allSatisfy { $0["node"]?.string == "few" && $0["symbol"]?.string == "A" })
        #expect(found.first?["source"]?.string == "test" && found.first?["ordinal"] == nil)
        let told = #"mds_live_messages_total{kind="node"}"#
        #expect(eventually { running.service.metric(told) == 30 })
        let capacity = #"mds_operator_edge_capacity{edge="few"}"#
        #expect(eventually { running.service.metric(capacity) == 4 })
        let tape = #"mds_operator_edge_capacity{edge="bars.tape"}"#
        #expect(eventually { running.service.metric(tape) == 4_096 })
        #expect(running.log.count(of: "operator.edge.crossed") >= 2)
        #expect(try running.stop() == .success)
        #expect(try BarsOnTape(scene.tape, 0).problems.isEmpty)
    }

    @Test("an edge whose overflow is an error stops the partition, and one that drops does not")
    func overflows() throws {
        for (number, rule) in [LiveEdge.Overflow.error, .dropNewest].enumerated() {
            var scene = try RepairScene(TestTape(NatsServer.shared(), namespace: "le2\(number)"))
            // No server listens on that port.
            let worker = try worker(scene, rule)
            let running = try worker.startLive(at: "nats://127.0.0.1:1")
            var problem: String? { worker.firstPartition?["problem"]?.string }
            scene.trades(0..<10)
            try scene.source.publish(watermark: RepairScene.time(100))
            if rule == .error {
                #expect(eventually { problem?.contains("its overflow is error") ?? false })
            } else {
                let dropped = #"mds_operator_edge_dropped_total{edge="few"}"#
                #expect(eventually { running.service.metric(dropped) == 6 })
                #expect(eventually { problem == nil })
            }
            #expect(try running.stop() == .success)
        }
    }
}
