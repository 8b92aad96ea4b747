internal import Foundation
import Primitives
import TestSupport

/// Ends a worker repeatedly. Measures how long each of its partitions pauses: from the last read of
/// its owner until the next owner asks the tape for ticks.
enum HandoverRun {
    private static let workers = 3
    private static let ticksPerSecond = 5_000
    private static let handoverSecondsMax = 30.0

    static func run(count: Int) throws -> Bool {
        let seed = UInt64.random(in: 1...999_999)
        print("hand-overs: \(count) workers end in order, seed \(seed)")
        var random = SeededRandom(seed: seed)
        let cluster = try Cluster(workers: workers, ticksPerSecond: ticksPerSecond)
        let watch = try MarkerWatch(cluster.client)
        var pauses: [Double] = []
        var legs = Legs()
        for number in 1...count {
            let names = cluster.workers.keys.sorted()
            let leaver = names[Int.random(in: names.indices, using: &random)]
            let held = try cluster.held(by: leaver)
            watch.forgetHandovers()
            try cluster.end(leaver)
            var handovers: [Int: MarkerWatch.Handover] = [:]
            let isTaken = eventually(within: handoverSecondsMax) {
                handovers = watch.handovers(of: held)
                return handovers.count == held.count
            }
            guard isTaken else {
                throw Cluster.Unusable(
                    "of \(held.sorted()) only \(handovers.keys.sorted()) were handed over")
            }
            let own = try ownPauses(cluster, leaver)
            for (partition, handover) in handovers {
                guard let before = own[partition] else {
                    throw Cluster.Unusable("\(leaver) does not say how long it held \(partition)")
                }
                let marker = watch.first(of: [partition], after: handover.freed)[partition]
                legs.add(before, handover, marker?.acknowledged)
                pauses.append(before + Double(handover.pulled - handover.freed) / 1e9)
            }
            print("  \(number): \(Distribution(pauses).text)")
            try cluster.startWorker(leaver)
            try cluster.settle()
        }
        let all = Distribution(pauses)
        legs.tell()
        print("pause of a partition: \(all.text)")
        all.tell("a worker ends: pause of a partition", mark: WorkersBenchmark.handoverMark)
        let isMet = all.quantile(0.99) < WorkersBenchmark.handoverMark
        let mark = Int(WorkersBenchmark.handoverMark * 1_000)
        print("mark: p99 below \(mark) ms: \(isMet ? "met" : "MISSED")")
        return isMet
    }

    /// Returns the time from the last tick taken to the record written, as the owner reports it.
    private static func ownPauses(_ cluster: Cluster, _ name: String) throws -> [Int: Double] {
        var pauses: [Int: Double] = [:]
        for line in try cluster.log(name).split(separator: "\n") {
            guard line.contains("operator.partition.released") else { continue }
            let event = try JSONValue.parse(String(line))
            if let partition = event["partition"]?.int, let seconds = event["seconds"]?.double {
                pauses[partition] = seconds
            }
        }
        return pauses
    }
}

/// The parts of a pause.
private struct Legs {
    private var owned: [Double] = []
    private var claimed: [Double] = []
    private var marked: [Double] = []
    private var pulled: [Double] = []

    mutating func add(_ before: Double, _ handover: MarkerWatch.Handover, _ marker: Int64?) {
        owned.append(before)
        claimed.append(Double(handover.claimed - handover.freed) / 1e9)
        guard let marker else { return }
        marked.append(Double(marker - handover.claimed) / 1e9)
        pulled.append(Double(handover.pulled - marker) / 1e9)
    }

    func tell() {
        print("  last tick taken to released: \(Distribution(owned).text)")
        print("  record freed to record claimed: \(Distribution(claimed).text)")
        print("  record claimed to marker acknowledged: \(Distribution(marked).text)")
        print("  marker acknowledged to ticks asked for: \(Distribution(pulled).text)")
    }
}
