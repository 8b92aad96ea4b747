import BenchmarkRows
internal import Glibc
import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec

/// Measures trades per second of one core, from the bytes of packets to bars. In the same run it
/// measures a plain loop in C over the same packets, and other projects' engines over the same
/// trades.
///
///     OperatorBenchmark [one] [three] [stages] [prove] [restore] [engines]
///
/// Fails if a packet in the steady state allocates, if two ways do not make the same bars, or if
/// restoring a partition's state takes longer than a take-over allows.
@main
struct OperatorBenchmark {
    static let packetCount = 2_048
    static let repetitions = 5
    static let second: Int64 = 1_000_000_000
    static let widths = [second, 60 * second, 3_600 * second]

    static func main() throws {
        let words = BenchmarkRow.words
        let all = ["one", "three", "stages", "prove", "restore", "engines"]
        let wanted = Set(words.isEmpty ? all : words)
        var report = Report()
        let onLoads: Set = ["one", "three", "stages", "prove"]
        for symbols in [10, 500] where !wanted.isDisjoint(with: onLoads) {
            let load = try Load(symbols: symbols, packets: packetCount)
            print("\(symbols) symbols, \(load.trades) trades:")
            if wanted.contains("one") {
                try compare(["1s"], load, mark: symbols == 10 ? 120 : nil, &report)
            }
            if wanted.contains("three") {
                try compare(["1s", "1m", "1h"], load, mark: symbols == 10 ? 50 : nil, &report)
            }
            if wanted.contains("stages") {
                try StagesRun.run(symbols: symbols, mark: symbols == 10 ? 15 : nil, &report)
            }
            if wanted.contains("prove") {
                let run = GraphRun(
                    program: try program(["1s", "1m", "1h"]), proves: true)
                report.tell(
                    "recomputing as a proof does: checksum, all messages checked, three series, "
                        + "output chained",
                    try run.measure(load, repetitions: repetitions), load, mark: 5)
            }
        }
        if wanted.contains("restore") { try RestoreRun.run(&report) }
        if wanted.contains("engines") { try EngineRun.run() }
        if report.isFailed { exit(1) }
    }

    static func program(_ series: [String]) throws -> GraphProgram {
        GraphProgram(.simple(try BarSeriesSet(series)))
    }

    private static func compare(
        _ series: [String], _ load: Load, mark: Double?, _ report: inout Report
    ) throws {
        let names = series.joined(separator: " ")
        let run = GraphRun(program: try program(series))
        let ours = try run.measure(load, repetitions: repetitions)
        let bare = try BareRun(widths: Array(widths.prefix(series.count)))
            .measure(load, repetitions: repetitions)
        report.tell("graph, decode and \(names)", ours, load, mark: mark, beside: bare)
        report.show("plain loop in C, the same packets", bare, load, mark: nil)
        report.equal(ours.total, bare.total)
    }

    /// The benchmark's generated data are wrong.
    struct Unusable: Error {}
}

/// Prints figures as they come, and remembers whether one of them is a failure.
struct Report {
    private(set) var isFailed = false

    /// Shows the figure and records it, with that of the plain loop over the same packets.
    mutating func tell(
        _ name: String, _ outcome: Outcome, _ load: Load, mark: Double?, beside bare: Outcome? = nil
    ) {
        show(name, outcome, load, mark: mark)
        var row = BenchmarkRow(
            "\(load.symbols) symbols: \(name)", outcome.millions(load), "M trades/s")
        if let bare { row = row.beside("plain loop in C", bare.millions(load)) }
        row.atLeast(mark).tell()
    }

    /// `mark` is the number of millions of trades per second that a typical core makes.
    mutating func show(_ name: String, _ outcome: Outcome, _ load: Load, mark: Double?) {
        let millions = outcome.millions(load)
        let nanoseconds = 1_000 / millions
        var line = "  \(tenths(nanoseconds)) ns, \(tenths(millions)) M/s: \(name)"
        if let mark { line += millions < mark ? " (BELOW \(Int(mark)) M/s)" : "" }
        print(line)
        if outcome.allocations > 0 { fail("the steady state allocates: \(outcome.allocations)") }
    }

    mutating func equal(_ ours: Outcome.Total, _ theirs: Outcome.Total) {
        if ours != theirs { fail("the bars are not the same: \(ours), \(theirs)") }
    }

    mutating func fail(_ reason: String) {
        print("failed: \(reason)")
        isFailed = true
    }

    func tenths(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}
