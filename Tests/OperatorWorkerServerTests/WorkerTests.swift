import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StreamCore
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import OperatorWorker
@testable import OperatorWorkerTests

@Suite("The operator worker on a real tape")
struct WorkerTests {
    /// Returns whether the worker owns its partitions and reads them.
    private func isWorking(_ running: RunningService, partitions: Int = 4) -> Bool {
        eventually {
            running.log.count(of: "operator.partition.started") == partitions && running.isReady
                && running.service.metric("mds_operator_partitions_with_problem") == 0
        }
    }

    @Test("ticks become the bars that a plain calculation gives, on their partitions")
    func undisturbed() throws {
        var run = try FeedScene("wk1", seed: 1)
        let tape = run.tape
        let listener = try PositionListener(
            tape.client, source: try #require(SourceName("test")))
        let worker = try TestWorker(tape)
        let running = try worker.start()
        #expect(isWorking(running))
        try run.publishRest()
        #expect(try run.hasAllBars())
        #expect(
            eventually { running.service.metric("mds_operator_open_windows") == 0 })
        #expect(running.service.metric("mds_operator_partitions_with_problem") == 0)
        let bars = run.feeds.reduce(0) { $0 + $1.bars(series: FeedScene.series).count }
        #expect(
            eventually { running.service.metric("mds_operator_bars_published") == Double(bars) })
        #expect((running.service.metric("mds_operator_bar_age_seconds_count") ?? 0) > 0)
        let lines = try #require(try worker.status()["partitions"]?.array)
        #expect(lines.count == 4 && lines.allSatisfy { $0["problem"] == .null })
        #expect(lines.allSatisfy { $0["made_anew"]?.bool == false })
        #expect(lines.compactMap { $0["output_ordinal"]?.uint64 }.reduce(0, +) == UInt64(bars))
        #expect(lines.allSatisfy { $0["sources"]?.array?.first?["source"]?.string == "test" })
        // It publishes the same over NATS.
        var heard = SourceRecord()
        #expect(
            try eventually {
                if let news = listener.takeRisen() { heard.rise(to: news) }
                return try (0..<4).map { Partition($0) }.allSatisfy {
                    let last = try tape.lastOrdinal(
                        stream: tape.names.tickStream(of: $0),
                        subject: tape.names.ticks($0, listener.source))
                    return heard.heads[.ticks($0)]?.lastOrdinal == last
                }
            })
        #expect(try running.stop() == .success)
        #expect(running.log.count(of: "operator.drained") == 1)
        try run.expectUndisturbedBars()
    }

    @Test("killed at random points and started anew: the same bars, none twice", arguments: [1, 2])
    func killed(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var run = try FeedScene("wk2\(seed)", seed: 20 + seed, packets: 200)
        let tape = run.tape
        try run.publish(200)
        for round: UInt64 in 0..<5 {
            let worker = try TestWorker(tape)
            let client = try tape.connect(worker.service)
            let running = try worker.start(client)
            #expect(
                eventually {
                    running.log.count(of: "operator.partition.started") > 0
                })
            let packets = random.next() % (200 * (round + 1))
            _ = eventually(within: 30) {
                let read = running.service.metric("mds_tape_packets_read_total") ?? 0
                return read >= Double(packets)
            }
            client.close()
            #expect(try running.exitCode() == .unavailable)
            #expect(running.log.count(of: "nats.connection.gone") == 1)
        }
        // The last worker meets ticks that arrive while it recovers.
        let running = try TestWorker(tape).start()
        try run.publishRest()
        #expect(try run.hasAllBars())
        #expect(try running.stop() == .success)
        try run.expectUndisturbedBars()
        #expect(running.log.count(of: "operator.partition.stopped") == 0)
    }

    @Test(
        "a long tape before a fresh worker: partitions are held and let go, holes are stepped over"
    )
    func holesWhileHeld() throws {
        // Most trades have a separate window, which makes more than the outbox holds.
        var run = try FeedScene("wk11", seed: 11, feeds: 1, packets: 1_800, step: 3_000_000_000)
        let tape = run.tape
        let bars = run.feeds[0].bars(series: FeedScene.series)
        #expect(bars.count > 2 * PartitionOperator.outboxMax)
        for part in 0..<90 {
            if part > 0 { run.sources[0].skip = 3 }
            try run.publish(20)
        }
        try run.publishRest()
        let running = try TestWorker(tape, takes: [0]).start()
        #expect(try run.hasAllBars())
        #expect(running.service.metric("mds_tape_missing_ticks_total") == 267)
        #expect(try running.stop() == .success)
        try run.expectUndisturbedBars()
    }

    @Test("changed series stop the partitions that have bars, with a sentence; the stop is quick")
    func changedSeries() throws {
        var run = try FeedScene("wk4", seed: 4, feeds: 1)
        let tape = run.tape
        try run.publishRest()
        let first = try TestWorker(tape).start()
        #expect(try run.hasAllBars())
        try first.stop()
        let worker = try TestWorker(tape, ["OPERATOR_SERIES": "1s,10s"])
        let second = try worker.start()
        #expect(eventually { second.reasons.contains { $0.contains("OPERATOR_SERIES") } })
        #expect(eventually { second.reasons.allSatisfy { $0.hasPrefix("partition 0") } })
        #expect(second.log.count(of: "operator.partition.stopped") >= 1)
        #expect(eventually { second.service.metric("mds_operator_partitions_with_problem") == 1 })
        let line = try #require(try worker.status()["partitions"]?.array?.first)
        #expect(line["problem"]?.string?.contains("OPERATOR_SERIES") == true)
        #expect(try second.stop() == .success)
        try run.expectUndisturbedBars()
    }

    @Test("whoever opens a higher epoch has the partitions; the older owner says that it lost them")
    func takenOver() throws {
        var run = try FeedScene("wk5", seed: 5)
        let tape = run.tape
        let worker = try TestWorker(tape)
        let first = try worker.start()
        #expect(isWorking(first))
        try run.publish(120)
        let second = try TestWorker(tape).start()
        #expect(isWorking(second))
        try run.publishRest()
        #expect(try run.hasAllBars())
        #expect(eventually { worker.member.lost == [0, 1, 2, 3] })
        #expect(eventually { first.service.metric("mds_operator_partitions") == 0 })
        #expect(first.isReady && !first.hasEnded && !second.hasEnded, "\(first.reasons)")
        #expect(try first.stop() == .success)
        #expect(try second.stop() == .success)
        try run.expectUndisturbedBars()
    }

    @Test("a worker that loses some of its partitions goes on with the others")
    func partlyTakenOver() throws {
        var run = try FeedScene("wk6", seed: 6)
        let tape = run.tape
        let worker = try TestWorker(tape)
        let first = try worker.start()
        #expect(isWorking(first))
        let second = try TestWorker(tape, takes: [1, 3]).start()
        #expect(isWorking(second, partitions: 2))
        try run.publishRest()
        #expect(try run.hasAllBars())
        #expect(eventually { worker.member.lost == [1, 3] })
        #expect(worker.member.held == [0, 2] && first.isReady, "\(first.reasons)")
        #expect(try first.stop() == .success)
        #expect(try second.stop() == .success)
        try run.expectUndisturbedBars()
    }

    @Test("NATS that is killed in the middle and comes back: the same bars")
    func natsRestarts() throws {
        let server = try NatsServer()
        let tape = try TestTape(server, namespace: "wk7")
        var run = try FeedScene(tape, seed: 7)
        let running = try TestWorker(tape).start()
        #expect(isWorking(running))
        for _ in 0..<2 {
            try run.publish(40)
            server.kill()
            #expect(eventually { !running.isReady })
            try server.start()
            #expect(eventually { tape.client.connection.isConnected })
        }
        try run.publishRest()
        #expect(try run.hasAllBars())
        #expect(eventually { running.isReady }, "\(running.reasons)")
        #expect(try running.stop() == .success)
        try run.expectUndisturbedBars()
    }

    @Test("something that is no packet stops its partition with the place; the others go on")
    func undecodable() throws {
        var run = try FeedScene("wk8", seed: 8)
        let tape = run.tape
        let running = try TestWorker(tape).start()
        #expect(isWorking(running))
        let source = try #require(SourceName("test"))
        try TestSource.put(
            Array("hello".utf8), on: tape.names.ticks(Partition(2), source), of: tape)
        #expect(eventually { running.reasons.contains { $0.hasPrefix("partition 2") } })
        try run.publishRest()
        for partition in [0, 1, 3] {
            let wanted = run.feeds[partition].bars(series: FeedScene.series)
            #expect(
                try eventually { try BarsOnTape(tape, partition).bars.count == wanted.count })
            #expect(try Set(BarsOnTape(tape, partition).bars) == wanted)
        }
        #expect(running.reasons.count == 1)
        #expect(try running.stop() == .success)
    }
}
