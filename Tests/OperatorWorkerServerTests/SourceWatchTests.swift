import MarketModel
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

/// A worker's reports about the sources of its partitions.
@Suite("A worker's sources")
struct SourceWatchTests {
    private static let second: Int64 = 1_000_000_000

    /// Returns a partition whose sources have these watermarks, in seconds. The sources in `silent`
    /// have sent nothing for so long that nobody waits for them.
    private func partition(
        _ marks: [(String, Int64)], silent: Set<String> = [], retired: Set<String> = []
    ) throws -> [GraphMachine.HeardSource] {
        var machine = GraphMachine(GraphProgram(.simple(try BarSeriesSet(["1s"]))))
        var output = GraphOutput()
        for (name, seconds) in marks {
            var builder = PacketBuilder(
                kind: .watermark, partition: Partition(0), source: try #require(SourceName(name)))
            let time = Timestamp(nanoseconds: seconds * Self.second)
            let packet = builder.seal(
                PacketBuilder.Seal(epoch: 1, firstOrdinal: 1, watermark: time, sendTime: time))
            let isTaken = packet.withBytes { machine.take(packet.header, $0, into: &output) }
            #expect(isTaken)
        }
        for name in retired {
            let packet = try Self.retirement(of: name)
            let isTaken = packet.withBytes { machine.take(packet.header, $0, into: &output) }
            #expect(isTaken)
        }
        return machine.heardSources.map { ($0.entry, silent.contains($0.entry.name.text)) }
    }

    private static func retirement(of name: String) throws -> SealedPacket {
        var builder = PacketBuilder(
            kind: .watermark, partition: Partition(0), source: try #require(SourceName(name)))
        return builder.seal(
            PacketBuilder.Seal(
                epoch: 2, firstOrdinal: 2, watermark: Timestamp(nanoseconds: Int64.min),
                sendTime: Timestamp(nanoseconds: 5)),
            marker: EpochMarker(startOrdinal: 2, previousEpoch: 1, previousSequence: 1),
            flags: .retirement)
    }

    @Test("a retired source has no watermark to watch, and its metric says that it is retired")
    func retired() throws {
        let metrics = MetricRegistry()
        var watch = SourceWatch(metrics, patienceNanoseconds: 60 * Self.second)
        let name = try #require(SourceName("b"))
        func update(_ second: Int64, _ retired: Set<String>...) throws {
            let marks = [("a", 1_000 + second), ("b", 990)] as [(String, Int64)]
            watch.update(
                try retired.map { try partition(marks, retired: $0) },
                now: .at(second * Self.second))
        }
        try update(0, [], [])
        try update(200, [], [])
        #expect(watch.problem != nil)
        // In one of two partitions it is waited for yet.
        try update(201, ["b"], [])
        #expect(watch.problem != nil)
        #expect(page(metrics).contains("seconds{source=\"b\"} 990"))
        try update(202, ["b"], ["b"])
        #expect(watch.problem == nil && watch.entries[name]?.isRetired == true)
        #expect(!page(metrics).contains("seconds{source=\"b\"}"))
        #expect(page(metrics).contains("mds_operator_source_retired{source=\"b\"} 1"))
        try update(203, [], [])
        #expect(page(metrics).contains("seconds{source=\"b\"} 990"))
        #expect(!page(metrics).contains("retired{source"))
    }

    private func page(_ metrics: MetricRegistry) -> String {
        String(decoding: metrics.render(), as: UTF8.self)
    }

    private func watch() -> SourceWatch {
        SourceWatch(MetricRegistry(), patienceNanoseconds: 60 * Self.second)
    }

    @Test("a source that stands still for a minute is told of when another one goes on")
    func standsStill() throws {
        var watch = watch()
        for second in 0...59 as ClosedRange<Int64> {
            watch.update(
                [try partition([("a", 1_000 + second), ("b", 990)])], now: .at(second * Self.second)
            )
            #expect(watch.problem == nil, "\(second)")
        }
        watch.update([try partition([("a", 1_060), ("b", 990)])], now: .at(60 * Self.second))
        let problem = try #require(watch.problem)
        #expect(problem.contains("source b, whose time has stood still since 1970-01-01T00:16:30"))
        // Nothing waits for it any more, then in one partition again.
        let marks = [("a", 1_061), ("b", 990)] as [(String, Int64)]
        let left = try partition(marks, silent: ["b"])
        watch.update([left, left], now: .at(61 * Self.second))
        #expect(watch.problem == nil)
        watch.update([left, try partition(marks)], now: .at(62 * Self.second))
        #expect(watch.problem != nil)
        // The source is active again.
        watch.update([try partition([("a", 1_062), ("b", 991)])], now: .at(63 * Self.second))
        #expect(watch.problem == nil)
    }

    @Test("a source that is ahead, one alone, and all of them together hold nobody up")
    func others() throws {
        for marks in [[("a", 1_000), ("b", 5_000)], [("b", 1_000)]] as [[(String, Int64)]] {
            var watch = watch()
            for second in 0...200 as ClosedRange<Int64> {
                let moved = marks.map { ($0.0, $0.0 == "a" ? $0.1 + second : $0.1) }
                watch.update([try partition(moved)], now: .at(second * Self.second))
            }
            #expect(watch.problem == nil, "\(marks)")
        }
        // All sources are silent, so their partitions are, too.
        var watch = watch()
        let marks = [("a", 1_000), ("b", 990)] as [(String, Int64)]
        watch.update([try partition(marks)], now: .at(0))
        watch.update([try partition(marks)], now: .at(500 * Self.second))
        #expect(watch.problem == nil)
        // One partition is silent, and another one hears both sources.
        let moving = [("a", 1_500), ("b", 1_490)] as [(String, Int64)]
        watch.update([try partition(marks), try partition(moving)], now: .at(600 * Self.second))
        #expect(watch.problem == nil)
        #expect(watch.entries.values.map(\.least.nanoseconds).min() == 990 * Self.second)
    }

    @Test("values over all partitions say which source they wait for; bars and readiness go on")
    func breadth() throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "src1")
        let worker = try TestWorker(
            tape, takes: [0, 1, 2, 3, 4], graph: UniverseScene.graph(),
            sourcePatience: 400_000_000)
        let running = try worker.start()
        func source(_ name: String) throws -> TestSource {
            TestSource(tape, Partition(0), source: try #require(SourceName(name)))
        }
        var (stays, leaves) = (try source("stays"), try source("leaves"))
        try leaves.publish(watermark: Timestamp(nanoseconds: UniverseScene.start))
        var time = UniverseScene.start
        func degraded() -> String? {
            worker.service.context.readiness.health.degraded.first {
                $0.hasPrefix("values over all partitions: they wait for source leaves, whose time")
            }
        }
        #expect(
            eventually {
                time += Self.second
                guard (try? stays.publish(watermark: Timestamp(nanoseconds: time))) != nil else {
                    return false
                }
                return degraded() != nil
            })
        #expect(worker.service.context.readiness.health.ready)
        let metric = "mds_operator_source_watermark_timestamp_seconds"
        #expect(
            running.service.metric("\(metric){source=\"leaves\"}")
                == Double(UniverseScene.start / Self.second))
        #expect(
            running.service.metric("\(metric){source=\"stays\"}") ?? 0
                > Double(UniverseScene.start / Self.second))
        let told = try worker.status()["sources"]?.array
        #expect(told?.compactMap { $0["source"]?.string } == ["leaves", "stays"])
        #expect(told?.compactMap { $0["stands_still"]?.bool } == [true, false])
        try leaves.publish(watermark: Timestamp(nanoseconds: time + 3_600 * Self.second))
        #expect(eventually { degraded() == nil })
        #expect(try running.stop() == .success)
    }
}
