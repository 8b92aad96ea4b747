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
    private static let series: [(name: String, seconds: Int64)] = [("1s", 1), ("1m", 60)]

    private func tape(_ namespace: String) throws -> TestTape {
        try TestTape(NatsServer.shared(), namespace: namespace)
    }

    private func feeds(_ seed: UInt64, packets: Int = 120, step: Int64 = 50_000_000) -> [TickFeed] {
        (0..<4).map { partition in
            TickFeed(
                seed: seed * 10 + UInt64(partition),
                symbols: (0..<3).map { "S\(partition)\($0)" }, packets: packets,
                stepNanoseconds: step)
        }
    }

    /// Puts all feeds on the tape.
    private func publish(_ feeds: [TickFeed], on tape: TestTape, closing: Bool = true) throws {
        for (partition, feed) in feeds.enumerated() {
            var source = try feed.source(on: tape, partition)
            try feed.publish(by: &source, closing: closing)
        }
    }

    private func isDone(_ feeds: [TickFeed], on tape: TestTape) throws -> Bool {
        let wanted = feeds.map { UInt64($0.bars(series: Self.series).count) }
        return eventually {
            do {
                return try feeds.indices.allSatisfy {
                    try tape.lastOrdinal(
                        stream: tape.names.barStream, subject: tape.names.bars(Partition($0)))
                        == wanted[$0]
                }
            } catch {
                return false
            }
        }
    }

    private func check(_ feeds: [TickFeed], on tape: TestTape) throws {
        for (partition, feed) in feeds.enumerated() {
            let found = try BarsOnTape(tape, partition)
            let wanted = feed.bars(series: Self.series)
            #expect(found.problems.isEmpty, "\(partition): \(found.problems)")
            #expect(found.bars.count == wanted.count, "partition \(partition)")
            #expect(Set(found.bars) == wanted, "partition \(partition)")
        }
    }

    /// Returns whether the worker owns its partitions and reads them.
    private func isWorking(_ running: RunningService, partitions: Int = 4) -> Bool {
        eventually {
            running.log.count(of: "operator.partition.started") == partitions && running.isReady
                && running.service.metric("mds_operator_partitions_with_problem") == 0
        }
    }

    private func value(_ report: OperatorReport) throws -> JSONValue {
        var json = JSONWriter(capacity: 64)
        json.object { report.write(into: &$0) }
        return try JSONValue.parse(json.text)
    }

    @Test("ticks become the bars that a plain calculation gives, on their partitions")
    func undisturbed() throws {
        let tape = try tape("wk1")
        let feeds = feeds(1)
        let listener = try PositionListener(
            tape.client, source: try #require(SourceName("test")))
        let worker = try TestWorker(tape)
        let running = try worker.start()
        #expect(isWorking(running))
        try publish(feeds, on: tape)
        #expect(try isDone(feeds, on: tape))
        #expect(
            eventually { running.service.metric("mds_operator_open_windows") == 0 })
        #expect(running.service.metric("mds_operator_partitions_with_problem") == 0)
        let bars = feeds.reduce(0) { $0 + $1.bars(series: Self.series).count }
        #expect(
            eventually { running.service.metric("mds_operator_bars_published") == Double(bars) })
        #expect((running.service.metric("mds_operator_bar_age_seconds_count") ?? 0) > 0)
        let lines = try #require(try value(worker.report)["partitions"]?.array)
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
        try check(feeds, on: tape)
    }

    @Test("killed at random points and started anew: the same bars, none twice", arguments: [1, 2])
    func killed(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let tape = try tape("wk2\(seed)")
        let feeds = feeds(20 + seed, packets: 200)
        try publish(feeds, on: tape, closing: false)
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
        for (partition, feed) in feeds.enumerated() {
            var source = try feed.source(on: tape, partition)
            for packet in feed.packets {
                TickFeed.append(packet, to: &source)
                _ = source.seal(watermark: packet.watermark)
            }
            try source.publish(watermark: feed.end)
        }
        #expect(try isDone(feeds, on: tape))
        #expect(try running.stop() == .success)
        try check(feeds, on: tape)
        #expect(running.log.count(of: "operator.partition.stopped") == 0)
    }

    @Test("a long tape in front of a fresh worker: partitions are held and let go")
    func longTape() throws {
        let tape = try tape("wk3")
        // Most trades have a separate window, which makes more than the outbox holds.
        let feeds = [feeds(3, packets: 1_800, step: 3_000_000_000)[0]]
        try publish(feeds, on: tape)
        let bars = feeds[0].bars(series: Self.series)
        #expect(bars.count > 2 * PartitionOperator.outboxMax)
        let running = try TestWorker(tape, takes: [0]).start()
        #expect(try isDone(feeds, on: tape))
        #expect(try running.stop() == .success)
        try check(feeds, on: tape)
    }

    @Test("holes that are met while a partition is let go again are stepped over")
    func holesWhileHeld() throws {
        let tape = try tape("wk11")
        let feeds = [feeds(11, packets: 1_800, step: 3_000_000_000)[0]]
        var source = try feeds[0].source(on: tape, 0)
        for part in 0..<90 {
            try feeds[0].publish(
                part * 20..<(part + 1) * 20, by: &source, closing: part == 89)
            source.skip = 3
        }
        let running = try TestWorker(tape, takes: [0]).start()
        #expect(try isDone(feeds, on: tape))
        #expect(running.service.metric("mds_tape_missing_ticks_total") == 267)
        #expect(try running.stop() == .success)
        try check(feeds, on: tape)
    }

    @Test("changed series stop the partitions that have bars, with a sentence; the stop is quick")
    func changedSeries() throws {
        let tape = try tape("wk4")
        let feeds = [feeds(4)[0]]
        try publish(feeds, on: tape)
        let first = try TestWorker(tape).start()
        #expect(try isDone(feeds, on: tape))
        try first.stop()
        let worker = try TestWorker(tape, ["OPERATOR_SERIES": "1s,10s"])
        let second = try worker.start()
        #expect(eventually { second.reasons.contains { $0.contains("OPERATOR_SERIES") } })
        #expect(eventually { second.reasons.allSatisfy { $0.hasPrefix("partition 0") } })
        #expect(second.log.count(of: "operator.partition.stopped") >= 1)
        #expect(eventually { second.service.metric("mds_operator_partitions_with_problem") == 1 })
        let line = try #require(try value(worker.report)["partitions"]?.array?.first)
        #expect(line["problem"]?.string?.contains("OPERATOR_SERIES") == true)
        #expect(try second.stop() == .success)
        try check(feeds, on: tape)
    }

    @Test("whoever opens a higher epoch has the partitions; the older owner says that it lost them")
    func takenOver() throws {
        let tape = try tape("wk5")
        let feeds = feeds(5)
        let worker = try TestWorker(tape)
        let first = try worker.start()
        #expect(isWorking(first))
        try publish(feeds, on: tape, closing: false)
        let second = try TestWorker(tape).start()
        #expect(isWorking(second))
        for (partition, feed) in feeds.enumerated() {
            var source = try feed.source(on: tape, partition)
            for packet in feed.packets {
                TickFeed.append(packet, to: &source)
                _ = source.seal(watermark: packet.watermark)
            }
            try source.publish(watermark: feed.end)
        }
        #expect(try isDone(feeds, on: tape))
        #expect(eventually { worker.member.lost == [0, 1, 2, 3] })
        #expect(eventually { first.service.metric("mds_operator_partitions") == 0 })
        #expect(first.isReady && !first.hasEnded && !second.hasEnded, "\(first.reasons)")
        #expect(try first.stop() == .success)
        #expect(try second.stop() == .success)
        try check(feeds, on: tape)
    }

    @Test("a worker that loses some of its partitions goes on with the others")
    func partlyTakenOver() throws {
        let tape = try tape("wk6")
        let feeds = feeds(6)
        let worker = try TestWorker(tape)
        let first = try worker.start()
        #expect(isWorking(first))
        let second = try TestWorker(tape, takes: [1, 3]).start()
        #expect(isWorking(second, partitions: 2))
        try publish(feeds, on: tape)
        #expect(try isDone(feeds, on: tape))
        #expect(eventually { worker.member.lost == [1, 3] })
        #expect(worker.member.held == [0, 2] && first.isReady, "\(first.reasons)")
        #expect(try first.stop() == .success)
        #expect(try second.stop() == .success)
        try check(feeds, on: tape)
    }

    @Test("NATS that is killed in the middle and comes back: the same bars")
    func natsRestarts() throws {
        let server = try NatsServer()
        let tape = try TestTape(server, namespace: "wk7")
        let feeds = feeds(7)
        let running = try TestWorker(tape).start()
        #expect(isWorking(running))
        var sources = try feeds.enumerated().map { try $1.source(on: tape, $0) }
        for part in 0..<3 {
            for (index, feed) in feeds.enumerated() {
                try feed.publish(
                    part * 40..<(part + 1) * 40, by: &sources[index], closing: part == 2)
            }
            guard part < 2 else { continue }
            server.kill()
            #expect(eventually { !running.isReady })
            try server.start()
            #expect(eventually { tape.client.connection.isConnected })
        }
        #expect(try isDone(feeds, on: tape))
        #expect(eventually { running.isReady }, "\(running.reasons)")
        #expect(try running.stop() == .success)
        try check(feeds, on: tape)
    }

    @Test("something that is no packet stops its partition with the place; the others go on")
    func undecodable() throws {
        let tape = try tape("wk8")
        let feeds = feeds(8)
        let running = try TestWorker(tape).start()
        #expect(isWorking(running))
        let source = try #require(SourceName("test"))
        try TestSource.put(
            Array("hello".utf8), on: tape.names.ticks(Partition(2), source), of: tape)
        #expect(eventually { running.reasons.contains { $0.hasPrefix("partition 2") } })
        for partition in [0, 1, 3] {
            var source = try feeds[partition].source(on: tape, partition)
            try feeds[partition].publish(by: &source, closing: true)
        }
        for partition in [0, 1, 3] {
            let wanted = feeds[partition].bars(series: Self.series)
            #expect(
                try eventually { try BarsOnTape(tape, partition).bars.count == wanted.count })
            #expect(try Set(BarsOnTape(tape, partition).bars) == wanted)
        }
        #expect(running.reasons.count == 1)
        #expect(try running.stop() == .success)
    }

    @Test("a hole in the ordinals is reported and stepped over")
    func hole() throws {
        let tape = try tape("wk9")
        let feeds = [feeds(9)[0]]
        let running = try TestWorker(tape).start()
        var source = try feeds[0].source(on: tape, 0)
        try feeds[0].publish(0..<60, by: &source)
        source.skip = 7
        try feeds[0].publish(60..<120, by: &source, closing: true)
        #expect(try isDone(feeds, on: tape))
        #expect(running.service.metric("mds_tape_missing_ticks_total") == 7)
        #expect(try running.stop() == .success)
        try check(feeds, on: tape)
    }

    @Test("watermarks of a stream close the windows of its partitions")
    func idleWatermarks() throws {
        let tape = try tape("wk10")
        let feeds = [feeds(10)[0]]
        let running = try TestWorker(tape).start()
        try publish(feeds, on: tape, closing: false)
        let name = try #require(SourceName("test"))
        var builder = PacketBuilder(kind: .watermark, partition: Partition(0), source: name)
        let packet = builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: 1, watermark: feeds[0].end, sendTime: feeds[0].end))
        try TestSource.put(
            packet.bytes, on: tape.names.watermarks(stream: 0, name), of: tape)
        #expect(try isDone(feeds, on: tape))
        #expect(try running.stop() == .success)
        try check(feeds, on: tape)
    }
}
