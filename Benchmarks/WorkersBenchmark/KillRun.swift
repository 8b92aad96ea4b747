internal import Foundation
import Primitives
import TestSupport

/// Kills a worker repeatedly. Measures how long it takes until others own its partitions.
enum KillRun {
    private static let workers = 3
    private static let ticksPerSecond = 5_000
    private static let takeoverSecondsMax = 20.0

    static func run(count: Int) throws -> Bool {
        let seed = UInt64.random(in: 1...999_999)
        print(
            "kills: \(count) of \(workers) workers, \(Cluster.partitions) partitions, seed \(seed)")
        var random = SeededRandom(seed: seed)
        let cluster = try Cluster(workers: workers, ticksPerSecond: ticksPerSecond)
        let watch = try MarkerWatch(cluster.client)
        var slowest: [Double] = []
        var each: [Double] = []
        for number in 1...count {
            let names = cluster.workers.keys.sorted()
            let victim = names[Int.random(in: names.indices, using: &random)]
            let held = try cluster.held(by: victim)
            // The time between the last heartbeat and the kill differs each time.
            usleep(useconds_t.random(in: 0...300_000, using: &random))
            let killed = cluster.kill(victim)
            var markers: [Int: MarkerWatch.Marker] = [:]
            let isTaken = eventually(within: takeoverSecondsMax) {
                markers = watch.first(of: held, after: killed)
                return markers.count == held.count
            }
            guard isTaken else {
                throw Cluster.Unusable(
                    "of \(held.sorted()) only \(markers.keys.sorted()) were taken over")
            }
            let times = markers.values.map { Double($0.acknowledged - killed) / 1e9 }
            each += times
            slowest.append(times.max() ?? 0)
            if number % 10 == 0 { print("  \(number): \(Distribution(slowest).text)") }
            try cluster.startWorker(victim)
            try cluster.settle()
        }
        let last = Distribution(slowest)
        print("kill to the last marker acknowledged: \(last.text)")
        print("kill to each marker acknowledged: \(Distribution(each).text)")
        try tell(cluster)
        let mark = WorkersBenchmark.lease + WorkersBenchmark.takeoverMark
        last.tell("a worker is killed: to the last marker", mark: mark)
        let isMet = last.quantile(0.99) < mark
        print("mark: p99 below \(Int(mark * 1_000)) ms: \(isMet ? "met" : "MISSED")")
        return isMet
    }

    /// Prints what workers report about the time after the marker. These are only the last ones,
    /// because a kill loses the counts.
    private static func tell(_ cluster: Cluster) throws {
        let names = [
            ("mds_operator_restore_seconds", "marker to reading (restore)"),
            ("mds_operator_recovery_seconds", "look to all met again (recompute)"),
        ]
        for (name, meaning) in names {
            let buckets = try cluster.workers.keys.sorted().map {
                try cluster.buckets(of: name, at: $0)
            }
            var sums: [Double: Double] = [:]
            for bucket in buckets { sums.merge(bucket) { $0 + $1 } }
            let total = sums.values.max() ?? 0
            let bounds = [0.5, 0.99].map { share in
                sums.keys.sorted().first { (sums[$0] ?? 0) >= total * share } ?? .infinity
            }
            print(
                "\(meaning): p50 up to \(bounds[0]) s, p99 up to \(bounds[1]) s of \(Int(total))")
        }
    }
}
