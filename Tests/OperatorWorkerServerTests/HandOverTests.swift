import MarketModel
import Membership
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

/// Partitions change their owner while ticks arrive.
@Suite("Workers that exchange partitions")
struct HandOverTests {
    private func isWorking(_ worker: TestWorker, _ running: RunningService) -> Bool {
        eventually {
            running.service.metric("mds_operator_partitions") == Double(worker.member.held.count)
                && running.service.metric("mds_operator_partitions_with_problem") == 0
        }
    }

    @Test("partitions that go to and fro under load: dense ordinals, and the bars of one owner")
    func toAndFro() throws {
        var run = try FeedScene("ho1", seed: 1, packets: 400)
        let workers = [
            try TestWorker(run.tape, takes: [0, 1]), try TestWorker(run.tape, takes: [2, 3]),
        ]
        let running = try workers.map { try $0.start() }
        var owners = [0, 0, 1, 1]
        var epochs = [1, 1, 1, 1]
        var random = SeededRandom(seed: 7)
        for _ in 0..<24 {
            try run.publish(Int.random(in: 1...16, using: &random))
            let partition = Int.random(in: 0..<4, using: &random)
            let from = owners[partition]
            #expect(workers[from].member.handOver(partition))
            epochs[partition] += 1
            owners[partition] = 1 - from
            workers[1 - from].member.take(partition, epoch: UInt64(epochs[partition]))
        }
        try run.publishRest()
        #expect(try run.hasAllBars(), "\(running.map(\.reasons))")
        for (worker, running) in zip(workers, running) {
            #expect(isWorking(worker, running))
            #expect(worker.member.lost.isEmpty)
            #expect(running.log.count(of: "operator.partition.stopped") == 0)
            #expect(try running.stop() == .success)
            #expect(worker.member.held.isEmpty, "a stop gives everything back")
        }
        try run.expectUndisturbedBars()
        for partition in 0..<4 {
            // There is one epoch per tenure that came so far, and it is reported.
            let found = try BarsOnTape(run.tape, partition)
            #expect(Set(found.epochs).count == found.epochs.count)
            #expect(found.epochs.last == UInt64(epochs[partition]))
            let told = workers.compactMap { $0.member.epoch(partition) }.max()
            #expect(told == found.epochs.last)
        }
    }

    @Test("released or dropped at any step, and taken again at once: nothing is lost or doubled")
    func anyStep() throws {
        var run = try FeedScene(
            TestTape(NatsServer.shared(), namespace: "ho2", partitions: 2), seed: 2, packets: 400)
        let workers = [try TestWorker(run.tape, takes: []), try TestWorker(run.tape, takes: [])]
        let running = try workers.map { try $0.start() }
        #expect(
            eventually { running.allSatisfy { $0.service.metric("mds_operator_partitions") == 0 } })
        var random = SeededRandom(seed: 3)
        var epoch: UInt64 = 0
        for round in 0..<60 {
            if round % 3 == 0 { try run.publish(7) }
            let worker = workers[Int.random(in: 0..<2, using: &random)]
            let partition = Int.random(in: 0..<2, using: &random)
            epoch += 1
            // Owners are not asked first, so tenures overlap and fence each other.
            let tenure = worker.member.take(partition, epoch: epoch)
            if Bool.random(using: &random) {
                #expect(
                    eventually {
                        worker.member.hasOpened(partition, tenure: tenure)
                            || worker.member.lost.contains(partition)
                    })
            }
            switch Int.random(in: 0..<3, using: &random) {
            case 0: worker.member.drop(partition)
            case 1: worker.member.release(partition)
            default: break
            }
        }
        for partition in 0..<2 {
            workers.forEach { $0.member.drop(partition) }
            epoch += 1
            workers[partition].member.take(partition, epoch: epoch)
        }
        try run.publishRest()
        #expect(try run.hasAllBars(), "\(running.map(\.reasons))")
        for running in running {
            #expect(running.log.count(of: "operator.partition.stopped") == 0)
            #expect(try running.stop() == .success)
        }
        try run.expectUndisturbedBars()
    }

    @Test("a worker that is not steady reads and publishes nothing, and goes on when it is again")
    func notSteady() throws {
        var run = try FeedScene("ho3", seed: 3, packets: 400)
        let worker = try TestWorker(run.tape)
        let running = try worker.start()
        #expect(isWorking(worker, running))
        try run.publish(50)
        #expect(eventually { (running.service.metric("mds_operator_trades") ?? 0) > 0 })
        worker.member.isSteady(false)
        // The answer to the second one shows that a complete turn has passed.
        for tenure: UInt64 in [901, 902] {
            let partition = Partition(3)
            worker.member.send(.release(partition, tenure: tenure))
            #expect(
                eventually { worker.member.news.contains(.released(partition, tenure: tenure)) })
        }
        worker.member.drop(3)
        #expect(eventually { running.service.metric("mds_operator_partitions") == 3 })
        let before = try (0..<3).map { try run.tape.bars(of: $0) }
        let read = running.service.metric("mds_tape_packets_read_total")
        try run.publish(100)
        worker.member.take(3, epoch: 2)
        #expect(eventually { running.service.metric("mds_operator_partitions") == 4 })
        #expect(worker.member.epoch(3) == 1, "no epoch is opened")
        #expect(running.service.metric("mds_tape_packets_read_total") == read)
        #expect(try (0..<3).map { try run.tape.bars(of: $0) } == before)
        worker.member.isSteady(true)
        try run.publishRest()
        #expect(try run.hasAllBars(), "\(running.reasons)")
        #expect(try running.stop() == .success)
        try run.expectUndisturbedBars()
    }

    @Test("a worker without partitions is ready, and says that it has none")
    func idle() throws {
        let run = try FeedScene("ho4", seed: 4, packets: 400)
        let worker = try TestWorker(run.tape, takes: [])
        let running = try worker.start()
        #expect(eventually { running.service.metric("mds_operator_partitions") == 0 })
        #expect(eventually { running.isReady }, "\(running.reasons)")
        #expect(try worker.status()["partitions"]?.array?.isEmpty == true)
        #expect(running.service.metric("mds_operator_watermark_timestamp_seconds") == nil)
        // Orders about a partition that it does not have are answered, or need no answer.
        worker.member.send(.release(Partition(1), tenure: 77))
        worker.member.send(.drop(Partition(1), tenure: 77))
        worker.member.send(.release(Partition(99), tenure: 1))
        worker.member.send(
            .take(
                Partition(99), Claim(tenure: 1, epoch: 1, previous: nil, wasReleased: true)))
        #expect(eventually { worker.member.news == [.released(Partition(1), tenure: 77)] })
        #expect(try running.stop() == .success)
    }

    @Test("the epoch is above the claim's, and the state is kept at the hand-over")
    func epochs() throws {
        var run = try FeedScene("ho5", seed: 5, packets: 400)
        let first = try TestWorker(run.tape, takes: [])
        let second = try TestWorker(run.tape, takes: [])
        let running = [try first.start(), try second.start()]
        first.member.take(0, epoch: 41)
        #expect(eventually { first.member.epoch(0) == 41 })
        try run.publish(100)
        #expect(eventually { run.tape.input() > 90 })
        #expect(first.member.handOver(0))
        second.member.take(0, epoch: 42)
        #expect(
            eventually { running[1].log.text.contains("\"recovery\":\"checkpoint\"") })
        #expect(second.member.epoch(0) == 42)
        #expect(running[1].service.metric("mds_operator_bars_suppressed") == 0)
        // A claim below the tape's epoch, as after a lost record. The tape's epoch applies.
        #expect(second.member.handOver(0))
        first.member.take(0, epoch: 7)
        #expect(eventually { first.member.epoch(0) == 43 })
        for running in running { #expect(try running.stop() == .success) }
    }

    @Test("a hand-over while the bucket is away ends all the same; the successor computes the rest")
    func withoutBucket() throws {
        var run = try FeedScene("ho6", seed: 6, packets: 400)
        let first = try TestWorker(run.tape, takes: [0])
        let running = try first.start()
        #expect(isWorking(first, running))
        try run.publish(100)
        #expect(eventually { run.tape.input() > 90 })
        try run.tape.delete(stream: "KV_\(run.tape.names.operatorBucket)")
        #expect(first.member.handOver(0))
        first.member.take(0, epoch: 2)
        for partition in 1..<4 { first.member.take(partition) }
        try run.publishRest()
        #expect(try run.hasAllBars(), "\(running.reasons)")
        #expect(try running.stop() == .success)
        try run.expectUndisturbedBars()
    }

    @Test("what counts as never read again is the older of the two checkpoints that stand")
    func durable() throws {
        let slot = PartitionSlot(partition: Partition(0), reader: 0, lane: 0)
        #expect(slot.durable == 0)
        slot.keep(sequence: 10, isBase: false)
        #expect(slot.durable == 0, "the one before it is not known")
        slot.keep(sequence: 20, isBase: false)
        #expect(slot.durable == 10)
        slot.keep(sequence: 35, isBase: false)
        #expect(slot.durable == 20)
        slot.keep(sequence: 5, isBase: true)
        #expect(slot.durable == 0 && slot.checkpoints.known == [5])
    }
}
