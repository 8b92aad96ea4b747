import Foundation
import ServiceRuntime
import Synchronization

/// A server that a test started; it ends with the value, whatever the test does.
///
/// It is started by our own `ChildProcess`: Foundation's `Process` notices an end only when all
/// descendants of the program are gone, too, and Swift Testing's exit tests spin while a child
/// that has ended is not waited for. A thread of its own waits for each.
public final class ServerProcess: Sendable {
    private let child: ChildProcess
    public let logPath: String

    /// Starts `program`; what it prints goes to `logPath`.
    public init(
        _ program: String, _ arguments: [String], environment: [String: String] = [:],
        logPath: String
    ) throws {
        self.logPath = logPath
        // What an earlier run of the server said would be taken for this one's.
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

    /// What static values hold has no deinit: those servers end with the test process.
    private static let live = Mutex<Set<Int32>>([])
    private static let endsWithTheTests: Void = AtExit.call {
        for id in live.withLock({ $0 }) { kill(id, SIGKILL) }
    }

    public var id: Int32 { child.id }
    public var isRunning: Bool { child.isRunning }

    public func signal(_ number: Int32) { child.signal(number) }

    /// Ends the server (by SIGTERM, 15, or as told) and waits until it is gone. Answers its exit
    /// code, or the number of the signal that ended it.
    @discardableResult
    public func stop(_ number: Int32 = 15) -> Int32 {
        child.signal(number)
        // A paused process cannot answer a signal other than SIGKILL.
        child.signal(SIGCONT)
        return waitUntilExit()
    }

    public func waitUntilExit() -> Int32 {
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

    public var log: String {
        do {
            return try String(contentsOfFile: logPath, encoding: .utf8)
        } catch {
            return "(no log: \(error))"
        }
    }
}
