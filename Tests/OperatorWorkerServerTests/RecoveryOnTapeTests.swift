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

/// How a worker uses the checkpoints of its predecessor, on a real server.
@Suite("A worker that recovers")
struct RecoveryOnTapeTests {
    /// Partition 0 of a tape, a feed for it, and workers one after the other.
    private struct Run {
        let tape: TestTape
        let feed: TickFeed
        var source: TestSource
        let bucket: KeyValueBucket
        let keys = CheckpointKeys(partition: 0)

        init(_ namespace: String, seed: UInt64) throws {
            tape = try TestTape(NatsServer.shared(), namespace: namespace)
            feed = TickFeed(
                seed: seed, symbols: ["A", "B", "C"], packets: 200, stepNanoseconds: 200_000_000)
            source = try feed.source(on: tape, 0)
            bucket = try tape.client.jetStream.createBucket(
                KeyValueConfiguration(bucket: tape.names.operatorBucket))
        }

        func worker(_ environment: [String: String] = [:]) throws -> RunningService {
            try TestWorker(tape, environment, takes: [0]).start()
        }

        /// Publishes a part of the feed and waits until all of it was taken.
        mutating func publish(
            _ range: Range<Int>, to worker: RunningService, closing: Bool = false
        ) throws {
            let end = try tape.client.jetStream.streamInfo(tape.names.tickStream(0))?.lastSequence
            try feed.publish(range, by: &source, closing: closing)
            let last = (end ?? 0) + UInt64(range.count) + (closing ? 1 : 0)
            #expect(eventually { tape.input() >= last })
        }

        /// Expects that the tape states these series as those of the last output.
        func expectDefinition(of series: String) throws {
            let settings = try OperatorSettings(
                TestService.configuration(Main.description, ["OPERATOR_SERIES": series]))
            let lookup = TapeLookup(tape.client, tape.client.jetStream)
            #expect(try lookup.definition(of: Partition(0)) == settings.definition)
        }

        func head() throws -> CheckpointHead {
            let entry = try #require(try bucket.get(keys.head))
            return try entry.value.withRawSpan { span throws(CheckpointError) in
                try CheckpointHead(span)
            }
        }

        func expectBars(_ problems: [String] = []) throws {
            let found = try BarsOnTape(tape, 0)
            let wanted = feed.bars(series: FeedScene.series)
            #expect(found.problems == problems)
            #expect(found.bars.count == wanted.count && Set(found.bars) == wanted)
        }
    }

    /// Returns a run whose first worker took half of the feed, and stopped.
    private func begun(_ namespace: String, seed: UInt64) throws -> Run {
        var run = try Run(namespace, seed: seed)
        let first = try run.worker()
        try run.publish(0..<100, to: first)
        #expect(try first.stop() == .success)
        return run
    }

    private func started(_ running: RunningService, _ way: String) -> Bool {
        eventually { running.log.text.contains("\"recovery\":\"\(way)\"") }
    }

    @Test("a restarted worker goes on behind its last checkpoint and reads nothing twice")
    func resumes() throws {
        var run = try Run("rc1", seed: 1)
        let first = try run.worker()
        try run.publish(0..<120, to: first)
        #expect(try first.stop() == .success)
        let stood = try run.head().entries[0]
        #expect(try stood.output?.ordinal == run.tape.bars(of: 0))
        let second = try run.worker()
        #expect(started(second, "checkpoint"))
        #expect(second.log.text.contains("\"input.sequence\":120"))
        try run.publish(120..<200, to: second, closing: true)
        #expect(second.service.metric("mds_tape_packets_read_total") == 81)
        #expect(second.service.metric("mds_operator_bars_suppressed") == 0)
        #expect(try second.stop() == .success)
        try run.expectBars()
        #expect(try run.head().entries[0].manifest.number > stood.manifest.number)
    }

    @Test("a killed worker's successor computes again only what came after the checkpoint")
    func killed() throws {
        var run = try Run("rc2", seed: 2)
        let worker = try TestWorker(run.tape, takes: [0])
        let client = try run.tape.connect(worker.service)
        let first = try worker.start(client)
        try run.publish(0..<20, to: first)
        #expect(
            eventually { (first.service.metric("mds_operator_checkpoints_total") ?? 0) >= 1 })
        try run.publish(20..<150, to: first)
        client.close()
        #expect(try first.exitCode() == .unavailable)
        let second = try run.worker()
        #expect(started(second, "checkpoint"))
        try run.publish(150..<200, to: second, closing: true)
        #expect(eventually { (second.service.metric("mds_operator_bars_suppressed") ?? 0) > 0 })
        #expect(try second.stop() == .success)
        try run.expectBars()
    }

    @Test("a damaged checkpoint is told, and the one before it is used; then none, from the start")
    func damaged() throws {
        var run = try Run("rc3", seed: 3)
        let first = try run.worker()
        try run.publish(0..<60, to: first)
        #expect(
            eventually { (first.service.metric("mds_operator_checkpoints_total") ?? 0) >= 1 })
        try run.publish(60..<120, to: first)
        #expect(try first.stop() == .success)
        let entries = try run.head().entries
        #expect(entries.count == 2)
        let head = try #require(try run.bucket.get(run.keys.head)).value
        for (round, entry) in entries.enumerated() {
            let slot = Int(entry.manifest.number % 3)
            let key = run.keys.part(0, slot: slot)
            let part = try #require(try run.bucket.get(key))
            var value = part.value
            value[value.count / 2] ^= 1
            _ = try run.bucket.put(key, value, expected: part.revision)
            let worker = try TestWorker(run.tape, takes: [0])
            let client = try run.tape.connect(worker.service)
            let running = try worker.start(client)
            #expect(started(running, round == 0 ? "checkpoint" : "start"))
            client.close()
            _ = try running.exitCode()
            #expect(running.log.count(of: "operator.checkpoint.damaged") == round + 1)
            // What it stored before it was killed, into the third part, does not count.
            let now = try #require(try run.bucket.get(run.keys.head))
            if now.value != head {
                _ = try run.bucket.put(run.keys.head, head, expected: now.revision)
            }
        }
        let last = try run.worker()
        try run.publish(120..<200, to: last, closing: true)
        #expect(try last.stop() == .success)
        try run.expectBars()
    }

    @Test("without its bucket a worker computes from the start, and makes the bucket anew")
    func lostBucket() throws {
        var run = try begun("rc4", seed: 4)
        let stream = "KV_\(run.tape.names.operatorBucket)"
        try run.tape.delete(stream: stream)
        #expect(try run.tape.client.jetStream.streamInfo(stream) == nil)
        let second = try run.worker()
        #expect(started(second, "start"))
        try run.publish(100..<200, to: second, closing: true)
        #expect(eventually { (second.service.metric("mds_operator_bars_suppressed") ?? 0) > 0 })
        #expect(try second.stop() == .success)
        try run.expectBars()
        #expect(try run.head().entries[0].output != nil)
    }

    // MARK: new lines of output

    @Test("a raised generation goes on behind the old bars; a lower one stands by and adds nothing")
    func generation() throws {
        var run = try begun("rc7", seed: 7)
        let before = try BarsOnTape(run.tape, 0).bars
        try run.expectDefinition(of: "1s,1m")
        let second = try run.worker(["OPERATOR_SERIES": "1s,5s", "OPERATOR_GENERATION": "2"])
        #expect(started(second, "base"))
        #expect(eventually { second.isReady }, "\(second.reasons)")
        try run.publish(100..<200, to: second, closing: true)
        let lower = try run.worker()
        #expect(
            eventually { lower.reasons.contains { $0.contains("generation 2") } },
            "\(lower.reasons)")
        #expect(try lower.stop() == .success)
        #expect(second.isReady)
        #expect(try second.stop() == .success)
        let found = try BarsOnTape(run.tape, 0)
        #expect(found.problems.isEmpty, "\(found.problems)")
        #expect(Array(found.bars.prefix(before.count)) == before)
        // Complete windows of the new series of bars, including those that were open at its start.
        let wanted = run.feed.bars(series: [(name: "1s", seconds: 1), (name: "5s", seconds: 5)])
        let added = Array(found.bars.dropFirst(before.count))
        #expect(added.count > 50 && Set(added).count == added.count)
        #expect(Set(added).isSubset(of: wanted))
        #expect(
            Set(before.filter { $0.series == "1s" }).union(added.filter { $0.series == "1s" })
                == wanted.filter { $0.series == "1s" })
        #expect(found.all.dropFirst(before.count).allSatisfy { $0.generation == 2 })
        let third = try run.worker(["OPERATOR_SERIES": "1s,5s", "OPERATOR_GENERATION": "2"])
        #expect(started(third, "checkpoint"))
        #expect(try third.stop() == .success)
        try run.expectDefinition(of: "1s,5s")
    }

    private func request(_ run: Run) throws {
        _ = try run.bucket.create(run.keys.request, Array("{\"v\":1,\"requested_ns\":1}".utf8))
    }

    private func isRebuilt(_ run: Run, _ worker: RunningService) throws -> Bool {
        try eventually {
            try run.bucket.get(run.keys.request) == nil && worker.isReady
        }
    }

    @Test("a running partition that is rebuilt goes on behind its bars, which stay dense and equal")
    func rebuildRunning() throws {
        var run = try Run("rc8", seed: 8)
        let worker = try run.worker()
        try run.publish(0..<100, to: worker)
        try request(run)
        #expect(try isRebuilt(run, worker), "\(worker.reasons)")
        #expect(eventually { worker.log.count(of: "operator.rebuild.begun") == 1 })
        try run.publish(100..<200, to: worker, closing: true)
        #expect(try worker.stop() == .success)
        try run.expectBars()
        let last = try run.worker()
        #expect(started(last, "checkpoint"))
        #expect(try last.stop() == .success)
    }

    private func names(_ worker: RunningService, _ problem: String) -> Bool {
        eventually {
            worker.reasons.contains {
                $0.contains(problem) && $0.contains("`tapeline partition rebuild 0`")
            }
        }
    }

    @Test(
        "bars that were put back stop the partition, and are made again behind the highest ordinal")
    func rebuildBars() throws {
        var run = try begun("rc9", seed: 9)
        let lost = try run.tape.bars(of: 0)
        try run.tape.purge(stream: run.tape.names.barStream)
        let second = try run.worker()
        #expect(names(second, "bars were lost"), "\(second.reasons)")
        #expect(second.log.count(of: "operator.partition.stopped") >= 1)
        #expect(try BarsOnTape(run.tape, 0).bars.isEmpty)
        try request(run)
        #expect(try isRebuilt(run, second), "\(second.reasons)")
        try run.publish(100..<200, to: second, closing: true)
        #expect(try second.stop() == .success)
        // None of the old bars is stored, so all of them are made again, after what was lost.
        let found = try BarsOnTape(run.tape, 0)
        let wanted = run.feed.bars(series: FeedScene.series)
        #expect(Set(found.bars) == wanted && found.bars.count == wanted.count)
        #expect(found.markers.last?.startOrdinal == lost + 1)
    }

    @Test("ticks that were made anew stop the partition, and are input of their own once rebuilt")
    func rebuildTicks() throws {
        var run = try begun("rc10", seed: 10)
        let before = try BarsOnTape(run.tape, 0).bars
        try run.tape.delete(stream: run.tape.names.tickStream(0))
        try run.tape.client.ensureTickStreams(bytesMax: TestTape.streamBytes)
        let second = try run.worker()
        #expect(names(second, "created again"), "\(second.reasons)")
        // Published before the rebuild, which loses none of it.
        try run.feed.publish(100..<150, by: &run.source)
        try request(run)
        #expect(try isRebuilt(run, second), "\(second.reasons)")
        try run.publish(150..<200, to: second, closing: true)
        #expect(try second.stop() == .success)
        let found = try BarsOnTape(run.tape, 0)
        #expect(found.problems.isEmpty, "\(found.problems)")
        #expect(Array(found.bars.prefix(before.count)) == before)
        let times = run.feed.packets[100].trades.map(\.trade.header.providerTime.nanoseconds)
        let from = try #require(times.min())
        let wanted = run.feed.bars(series: FeedScene.series)
            .filter { $0.openTime > from }
        #expect(Set(found.bars.dropFirst(before.count)) == wanted)
    }
}
