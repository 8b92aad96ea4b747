import BenchmarkRows
internal import Glibc

/// Measures how long it takes to repair the bars of one hour of one symbol on a big tape, and how
/// long its reading takes alone.
///
///     RepairBenchmark [MILLIONS] [read] [repair]
///
/// Fills a real nats-server with 100 million trades (7.4 GB, removed afterwards), eight hours of
/// event time. `read`: one partition's hour, and all of that partition, through the tape's readers
/// in one pass. `repair`: the shipped worker computes all bars, then a repair of an hour is
/// requested; the time is that from the request to the last new bar. Fails above 2 s.
@main
struct RepairBenchmark {
    static let secondsMax = 2.0

    static func main() {
        do {
            try run()
        } catch {
            print("failed: \(error)")
            exit(1)
        }
    }

    private static func run() throws {
        var words = BenchmarkRow.words
        let millions = words.first.flatMap { Int($0) }
        if millions != nil { words.removeFirst() }
        let wanted = words.isEmpty ? ["read", "repair"] : words
        let tape = try FilledTape(trades: (millions ?? 100) * 1_000_000)
        print(
            "\(tape.trades) trades in \(tape.packetsPerPartition * FilledTape.partitions) packets, "
                + "\(tape.bytes / 1_000_000) MB, filled in \(seconds(tape.filledIn)) s")
        if wanted.contains("read") { try HourRun(tape).run() }
        guard wanted.contains("repair") else { return }
        let taken = try RepairRun(tape).run()
        BenchmarkRow(
            "repair an hour of a symbol, \(tape.trades / 1_000_000) million trades on the tape",
            taken,
            "s"
        ).atMost(secondsMax).tell()
        if taken > secondsMax {
            print("failed: a repair takes more than \(Int(secondsMax)) s")
            exit(1)
        }
    }

    /// The environment lacks something that the benchmark needs.
    struct Unusable: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    static func seconds(_ nanoseconds: Int64) -> String {
        let thousandths = nanoseconds / 1_000_000
        let rest = "\(thousandths % 1_000)"
        return "\(thousandths / 1_000)." + String(repeating: "0", count: 3 - rest.utf8.count) + rest
    }
}
