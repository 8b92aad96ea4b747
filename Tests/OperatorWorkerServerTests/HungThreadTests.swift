import MarketModel
import Membership
import MembershipTransport
import OperatorGraph
import Primitives
import ServiceTestSupport
import StreamCore
import Synchronization
import TapeTransport
import TestSupport
import Testing

@testable import OperatorWorker
@testable import ServiceRuntime
@testable import OperatorWorkerTests

@Suite("A worker whose thread hangs")
struct HungThreadTests {
    /// A user's operator that never returns.
    private struct Stuck: TickOperator {
        static let isStuck = Atomic(false)
        static let release = ShutdownSignal()

        init(settings: [GraphSetting]) throws(TickOperatorError) {}

        mutating func take(
            _ tick: GraphTick, of symbol: SourceSymbol, publishing values: inout [OperatorValue]
        ) -> Bool {
            guard Self.isStuck.load(ordering: .relaxed) else { return true }
            while !Self.release.wait(timeout: .seconds(3_600)) {}
            return true
        }

        func encode(into bytes: inout [UInt8]) {}
        mutating func restore(_ bytes: RawSpan) throws(CheckpointError) {}
    }

    /// The same operator on a machine where it returns.
    private struct Passing: TickOperator {
        init(settings: [GraphSetting]) throws(TickOperatorError) {}

        mutating func take(
            _ tick: GraphTick, of symbol: SourceSymbol, publishing values: inout [OperatorValue]
        ) -> Bool { true }

        func encode(into bytes: inout [UInt8]) {}
        mutating func restore(_ bytes: RawSpan) throws(CheckpointError) {}
    }

    /// A worker that is a member of the group, with a watch like a real process has.
    private final class Colleague {
        let service: TestService
        let running: RunningService
        let operations: OperationsServer
        private let isOver = ShutdownSignal()

        init(_ name: String, _ tape: TestTape, _ type: any TickOperator.Type) throws {
            let worker = try TestWorker(tape, takes: [])
            service = worker.service
            var settings = worker.settings
            var operators = TickOperators()
            operators.register("own", type)
            settings.program = try GraphProgram(
                GraphDefinition(
                    name: "own",
                    nodes: [
                        GraphNode(
                            name: "own", input: .ticks(.trade),
                            operation: .custom(name: "own", settings: [])),
                        GraphNode(
                            name: "bars", input: .node(0),
                            operation: .bars(
                                BarRule(series: try BarSeriesSet(["1s"])), calendar: nil)),
                    ]), operators: operators)
            let program = settings
            let member = GroupMember.Settings(
                group: .operators, member: try #require(MemberName(name)),
                partitions: settings.shares(of: tape.names), rank: 1)
            operations = try OperationsServer(
                address: "127.0.0.1", port: 0,
                identity: ServiceIdentity(name: name, version: "1"),
                readiness: service.context.readiness, metrics: { _ in [] })
            let client = try tape.connect(service)
            running = try service.start { context in
                defer { client.close() }
                let loop = try Worker(
                    program, client: client, context: context, report: worker.report)
                let joined = try GroupMember(
                    member, tape: try TapeSettings(context.configuration), context: context,
                    ports: [loop.port])
                defer { joined.close() }
                return loop.run(as: joined)
            }
            let (threads, isOver) = (service.context.threads, isOver)
            _ = try ServiceThread(name: "watch") {
                while !isOver.wait(timeout: ThreadWatch.turnTime) { _ = threads.turn() }
            }
        }

        deinit { isOver.request() }

        var held: Double? { service.metric(#"mds_member_partitions{group="operator"}"#) }

        func health() throws -> (status: Int, text: String) {
            let answer = try HTTPProbe.get(
                host: "127.0.0.1", port: operations.port, path: "/healthz", timeout: patience)
            return (answer.status, String(decoding: answer.body, as: UTF8.self))
        }
    }

    private static let partitions = 2
    private static let packets = 120

    @Test("a custom operator that never returns: not alive, and its partitions go on elsewhere")
    func customOperator() throws {
        let server = try NatsServer()
        let tape = try TestTape(server, namespace: "hung", partitions: Self.partitions)
        let feeds = (0..<Self.partitions).map { partition in
            TickFeed(
                seed: UInt64(70 + partition), symbols: ["S\(partition)"], packets: Self.packets)
        }
        var sources = try feeds.indices.map { try feeds[$0].source(on: tape, $0) }
        let hung = try Colleague("hung", tape, Stuck.self)
        let other = try Colleague("other", tape, Passing.self)
        defer {
            Stuck.release.request()
            withExtendedLifetime((hung, other)) {}
        }
        let shares = Double(Self.partitions)
        #expect(eventually { hung.held == 1 && other.held == 1 }, "\(hung.running.log.text)")
        let half = Self.packets / 2
        for partition in feeds.indices {
            try feeds[partition].publish(0..<half, by: &sources[partition])
        }
        #expect(try hung.health().status == 200)

        let began = ContinuousClock.now
        Stuck.isStuck.store(true, ordering: .relaxed)
        for partition in feeds.indices {
            try feeds[partition].publish(
                half..<Self.packets, by: &sources[partition], closing: true)
        }
        #expect(try eventually { try hung.health().status == 503 })
        let noticed = began.duration(to: .now)
        #expect(try hung.health().text.contains("thread operator: no sign of life"))
        #expect(eventually { other.held == shares }, "\(other.running.log.text)")
        print("hung thread: noticed after \(noticed), elsewhere after \(began.duration(to: .now))")
        #expect(try other.health().status == 200)
        for (partition, feed) in feeds.enumerated() {
            let wanted = feed.bars(series: [("1s", 1)])
            #expect(
                try eventually {
                    let found = try BarsOnTape(tape, partition)
                    return found.problems.isEmpty && Set(found.bars) == wanted
                }, "partition \(partition)")
        }

        // It continues as a member that was away.
        Stuck.isStuck.store(false, ordering: .relaxed)
        Stuck.release.request()
        #expect(try eventually { try hung.health().status == 200 })
        #expect(eventually { hung.held == 1 && other.held == 1 }, "\(hung.running.log.text)")
        try hung.running.stop()
        try other.running.stop()
    }
}
