import Foundation
import ServiceRuntime
import Synchronization

/// A server that a test started. It ends with the value, whatever the test does.
///
/// Our own `ChildProcess` starts it. Foundation's `Process` notices an end only when all
/// descendants of the program have ended, too. Swift Testing's exit tests spin while an ended child
/// has not been waited for, so a separate thread waits for each.
package final class ServerProcess: Sendable {
    private let child: ChildProcess
    package let logPath: String

    /// Starts `program`. Its output goes to `logPath`.
    package init(
        _ program: String, _ arguments: [String], environment: [String: String] = [:],
        logPath: String
    ) throws {
        self.logPath = logPath
        // The output of an earlier run would be mistaken for that of this one.
        guard FileManager.default.createFile(atPath: logPath, contents: nil) else {
            throw CocoaError(.fileWriteUnknown)
        }
        let started = try ChildProcess(
            executable: try ServerPrograms.require(program), arguments: arguments,
            environment: ProcessInfo.processInfo.environment.merging(environment) { $1 },
            logPath: logPath)
        child = started
        Self.live.withLock { _ = $0.insert(started.id) }
        _ = Self.endsWithTheTests
        Thread.detachNewThread {
            while started.wait(timeout: .seconds(60)) == nil {}
        }
    }

    /// Static values have no deinit, so their servers are ended with the test process.
    private static let live = Mutex<Set<Int32>>([])
    private static let endsWithTheTests: Void = AtExit.call {
        for id in live.withLock({ $0 }) { kill(id, SIGKILL) }
    }

    package var id: Int32 { child.id }
    package var isRunning: Bool { child.isRunning }

    package func signal(_ number: Int32) { child.signal(number) }

    /// Ends the server with SIGTERM (15) or the given signal, and waits for its end. Returns its
    /// exit code, or the number of the signal that ended it.
    @discardableResult
    package func stop(_ number: Int32 = 15) -> Int32 {
        child.signal(number)
        // A paused process cannot react to a signal other than SIGKILL.
        child.signal(SIGCONT)
        return waitUntilExit()
    }

    package func waitUntilExit() -> Int32 {
        while true {
            switch child.wait(timeout: .seconds(60)) {
            case .exited(let code)?: return gone(code)
            case .killed(let number)?: return gone(number)
            case nil: continue
            }
        }
    }

    private func gone(_ status: Int32) -> Int32 {
        Self.live.withLock { _ = $0.remove(id) }
        return status
    }

    deinit { stop(SIGKILL) }

    package var log: String {
        do {
            return try String(contentsOfFile: logPath, encoding: .utf8)
        } catch {
            return "(no log: \(error))"
        }
    }
}
