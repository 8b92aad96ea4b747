import BenchmarkRows
internal import Glibc

/// Measures how long partitions pause when their owner changes, and how workers share work, with
/// the shipped services and a real nats-server that syncs every write. Fails if a mark is missed.
///
///     WorkersBenchmark [kills [COUNT]] [handovers [COUNT]] [[loops N] calm [SECONDS]]
///                      [share [TICKS]]
///
/// - kills: a worker is killed. The time ends when the markers of new epochs are acknowledged for
///   all partitions it owned.
/// - handovers: a worker is asked to end. The time is the pause of each of its partitions.
/// - calm: N busy loops (8) and constant fsyncs. No partition may change its owner, and no thread
///   may be treated as hanging.
/// - share: one worker reads a tape of TICKS that is there before it, and two read the same. Each
///   tick costs them 20 µs.
@main
struct WorkersBenchmark {
    static let lease = 0.5
    /// Seconds beyond the lease.
    static let takeoverMark = 0.25
    static let handoverMark = 0.06

    static func main() throws {
        var words = BenchmarkRow.words
        if BusyWorker.isWanted { BusyWorker.run() }
        if words.isEmpty { words = ["kills", "handovers"] }
        var isClean = true
        var loops = 8
        var index = 0
        while index < words.count {
            let count = index + 1 < words.count ? Int(words[index + 1]) : nil
            switch words[index] {
            case "kills": isClean = try KillRun.run(count: count ?? 20) && isClean
            case "handovers": isClean = try HandoverRun.run(count: count ?? 10) && isClean
            case "loops": loops = max(1, count ?? loops)
            case "calm": isClean = try CalmRun.run(seconds: count ?? 60, loops: loops) && isClean
            case "share": isClean = try ShareRun.run(ticks: count ?? 1_500_000) && isClean
            default:
                print(
                    "there is no \(words[index]): kills, handovers, loops, calm, share, "
                        + "each with a number")
                exit(64)
            }
            index += count == nil ? 1 : 2
        }
        guard isClean else {
            print("failed: a mark is missed")
            exit(1)
        }
    }
}

/// The distribution of some measured seconds.
struct Distribution {
    private let sorted: [Double]

    init(_ values: [Double]) { sorted = values.sorted() }

    func quantile(_ share: Double) -> Double {
        guard let last = sorted.last else { return .nan }
        let index = Int((Double(sorted.count) * share).rounded(.up)) - 1
        return sorted.indices.contains(index) ? sorted[index] : last
    }

    /// Records the middle and the 99th percentile, which has the mark.
    func tell(_ name: String, mark: Double) {
        BenchmarkRow("\(name), p50", quantile(0.5) * 1_000, "ms").tell()
        BenchmarkRow("\(name), p99", quantile(0.99) * 1_000, "ms").atMost(mark * 1_000).tell()
    }

    /// The values in milliseconds.
    var text: String {
        func shown(_ share: Double) -> String { "\(Int((quantile(share) * 1_000).rounded()))" }
        return "p50 \(shown(0.5)) ms, p99 \(shown(0.99)) ms, max \(shown(1)) ms of \(sorted.count)"
    }
}
