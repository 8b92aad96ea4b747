import Foundation
import Synchronization

/// What many processes of one run of the tests need, and what costs time to make. The first that
/// asks makes it, in the folder that TAPELINE_TEST_RUN names, and the others wait. Without that
/// variable each process makes its own.
package enum RunFolder {
    private static let own = Mutex<[String: Result<String, any Error>]>([:])

    /// Returns the folder of this name. `make` gets an empty one, fills it, and asks for
    /// no other.
    package static func made(_ name: String, by make: (String) throws -> Void) throws -> String {
        try own.withLock { known in
            if known[name] == nil { known[name] = Result { try find(name, make) } }
            return try known[name]?.get() ?? ""
        }
    }

    private static func find(_ name: String, _ make: (String) throws -> Void) throws -> String {
        guard let run = ProcessInfo.processInfo.environment["TAPELINE_TEST_RUN"] else {
            let path = try TemporaryFolder(name).untilExit().path
            try make(path)
            return path
        }
        let lock = unsafe open("\(run)/\(name).lock", O_CREAT | O_RDWR | O_CLOEXEC, 0o644)
        guard lock >= 0, flock(lock, LOCK_EX) == 0 else {
            throw TestServerFailure(description: "\(run) cannot be locked: errno \(errno)")
        }
        defer { close(lock) }
        let finished = "\(run)/\(name)"
        guard !FileManager.default.fileExists(atPath: finished) else { return finished }
        // A process that is killed leaves no half.
        let begun = "\(finished).new"
        try TestSupport.run("/bin/rm", ["-rf", begun])
        try TestSupport.run("/bin/mkdir", [begun])
        try make(begun)
        try FileManager.default.moveItem(atPath: begun, toPath: finished)
        return finished
    }
}
