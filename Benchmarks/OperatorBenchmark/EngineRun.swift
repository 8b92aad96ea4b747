import BenchmarkRows
internal import Foundation
import TestSupport

/// Runs the same trades through other projects' engines, on one core each. Each figure names what
/// it includes, because none of these engines reads packets.
struct EngineRun {
    static let symbols = 10
    /// The status by which `engines.sh` reports that the packages are not available.
    private static let absent: Int32 = 3

    static func run() throws {
        let load = try Load(symbols: symbols, packets: OperatorBenchmark.packetCount)
        let folder = try TemporaryFolder("engines")
        let data = unsafe load.rows.withUnsafeBytes { unsafe Data($0) }
        try data.write(to: URL(fileURLWithPath: folder.file("ticks")))
        let own = GraphRun(program: try OperatorBenchmark.program(["1s"]))
        let millions = try own.measure(load, repetitions: OperatorBenchmark.repetitions)
            .millions(load)
        let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let root = here.deletingLastPathComponent().deletingLastPathComponent()
        do {
            print(
                try TestSupport.run(
                    "/bin/bash",
                    [
                        root.appendingPathComponent("deploy/local/engines.sh").path,
                        here.appendingPathComponent("foreign_engines.py").path,
                        folder.file("ticks"),
                    ] + (BenchmarkRow.areWanted ? ["\(millions)"] : [])))
        } catch let failure as ProgramFailure where failure.status == absent {
            print("other engines were not measured: \(failure.message)")
        }
    }
}
