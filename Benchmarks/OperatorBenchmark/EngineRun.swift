internal import Foundation
import TestSupport

/// The same trades through other people's engines, on one core each. What is included in each
/// figure stands beside it: none of them reads packets.
struct EngineRun {
    static let symbols = 10
    /// By which `engines.sh` says that the packages are not to be had.
    private static let absent: Int32 = 3

    static func run() throws {
        let load = try Load(symbols: symbols, packets: OperatorBenchmark.packetCount)
        let folder = try TemporaryFolder("engines")
        let data = unsafe load.rows.withUnsafeBytes { unsafe Data($0) }
        try data.write(to: URL(fileURLWithPath: folder.file("ticks")))
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
                    ]))
        } catch let failure as ProgramFailure where failure.status == absent {
            print("other engines were not measured: \(failure.message)")
        }
    }
}
