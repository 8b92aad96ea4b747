import MarketModel
import Membership
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TestSupport
import Testing

@testable import OperatorWorker
@testable import OperatorWorkerTests

/// Measures how long partitions take to change their owner, on a server that syncs each write. The
/// tests assert that they do; the times are printed for people.
@Suite("Times of taking over and handing over")
struct ExchangeTimesTests {
    private static let partitions = 16
    private static let rounds = 2

    private struct Times {
        var values: [Double] = []

        func text(_ name: String) -> String {
            let sorted = values.sorted()
            func at(_ share: Double) -> Int {
                Int((sorted[Int(share * Double(sorted.count - 1))] * 1_000).rounded())
            }
            return "\(name) ms: p50 \(at(0.5)), p99 \(at(0.99)), max \(at(1))"
        }
    }

    private func seconds(_ from: ContinuousClock.Instant, _ to: ContinuousClock.Instant) -> Double {
        (to - from) / .seconds(1)
    }

    private func feeds(_ tape: TestTape) throws {
        for partition in 0..<Self.partitions {
            let feed = TickFeed(
                seed: UInt64(partition), symbols: (0..<40).map { "S\(partition)X\($0)" },
                packets: 120)
            var source = try feed.source(on: tape, partition)
            try feed.publish(by: &source)
        }
    }

    /// Waits until the worker's reports satisfy the condition.
    private func opened(_ worker: TestWorker, _ epoch: UInt64, since: ContinuousClock.Instant)
        -> [Double]
    {
        worker.member.times.compactMap { word, at in
            guard case .opened(_, _, epoch) = word, at >= since else { return nil }
            return seconds(since, at)
        }
    }

    @Test("sixteen partitions at once, and one after the other")
    func exchange() throws {
        let server = try NatsServer(syncInterval: "always")
        let tape = try TestTape(server, namespace: "xt", partitions: Self.partitions)
        try feeds(tape)
        let workers = [
            try TestWorker(tape, takes: []), try TestWorker(tape, takes: []),
        ]
        let running = try workers.map { try $0.start() }
        var (takeover, handover, pause) = (Times(), Times(), Times())
        var epoch: UInt64 = 0
        for round in 0..<Self.rounds {
            let (to, from) = (workers[round % 2], workers[1 - round % 2])
            let all = 0..<Self.partitions
            // As after a kill, nothing was released.
            for partition in all { from.member.drop(partition) }
            epoch += 1
            let start = ContinuousClock.now
            for partition in all { to.member.take(partition, epoch: epoch) }
            #expect(eventually { opened(to, epoch, since: start).count == Self.partitions })
            takeover.values += opened(to, epoch, since: start)
            #expect(
                eventually {
                    running[round % 2].service.metric("mds_operator_partitions_with_problem") == 0
                        && running[round % 2].service.metric("mds_operator_partitions")
                            == Double(Self.partitions)
                })
            // Partitions move one after the other to the other worker and back, as in a planned
            // change.
            for (give, get) in [(to, from), (from, to)] {
                epoch += 1
                for partition in all.prefix(8) {
                    let asked = ContinuousClock.now
                    #expect(give.member.handOver(partition))
                    let released = give.member.times.last {
                        if case .released(Partition(partition), _) = $0.word { return true }
                        return false
                    }
                    handover.values.append(seconds(asked, try #require(released).at))
                    get.member.take(partition, epoch: epoch)
                    #expect(eventually { get.member.epoch(partition) == epoch })
                    let opened = get.member.times.last {
                        $0.word.partition == Partition(partition)
                    }
                    pause.values.append(seconds(asked, try #require(opened).at))
                }
            }
        }
        for running in running { #expect(try running.stop() == .success) }
        print(takeover.text("take to marker, 16 at once"))
        print(handover.text("release to released"))
        print(pause.text("release to the successor's marker, orders by a polling test"))
        let restore = running.reduce(into: (sum: 0.0, count: 0.0)) { total, running in
            total.sum += running.service.metric("mds_operator_restore_seconds_sum") ?? 0
            total.count += running.service.metric("mds_operator_restore_seconds_count") ?? 0
        }
        print("marker to reading ms: mean \(Int(1_000 * restore.sum / max(1, restore.count)))")
    }
}
