import Foundation
import TestSupport

/// Other people's engines, in a Python that knows them.
enum ForeignEngines {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    private static let root = folder.deletingLastPathComponent().deletingLastPathComponent()
    /// By which `engines.sh` says that the packages are not to be had.
    private static let absent: Int32 = 3

    /// What `compare_bars.py` printed; nil where the Python package index is not reachable.
    static func compare(_ arguments: [String]) throws -> String? {
        let script = folder.appendingPathComponent("compare_bars.py").path
        let engines = root.appendingPathComponent("deploy/local/engines.sh").path
        do {
            return try run("/bin/bash", [engines, script] + arguments)
        } catch let failure as ProgramFailure where failure.status == absent {
            print("nothing was compared with polars and nautilus_trader: \(failure.message)")
            return nil
        }
    }
}
