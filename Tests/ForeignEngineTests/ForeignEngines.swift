import Foundation
import TestSupport

/// Other projects' engines, run by a Python that finds them.
enum ForeignEngines {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    private static let root = folder.deletingLastPathComponent().deletingLastPathComponent()
    /// The status by which `engines.sh` reports that the packages are not available.
    private static let absent: Int32 = 3

    /// Returns what `compare_bars.py` printed. `nil` if the Python package index is not reachable.
    static func compare(_ arguments: [String]) throws -> String? {
        try ask("compare_bars.py", arguments)
    }

    /// Returns what a script of this folder printed. `nil` if the Python package index is not
    /// reachable.
    static func ask(_ name: String, _ arguments: [String]) throws -> String? {
        let script = folder.appendingPathComponent(name).path
        let engines = root.appendingPathComponent("deploy/local/engines.sh").path
        do {
            return try run("/bin/bash", [engines, script] + arguments)
        } catch let failure as ProgramFailure where failure.status == absent {
            print("nothing was compared with polars and nautilus_trader: \(failure.message)")
            return nil
        }
    }
}
