import Foundation
import ServiceRuntime

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
        Thread.detachNewThread {
            while started.wait(timeout: .seconds(60)) == nil {}
        }
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
            case .exited(let code)?: return code
            case .killed(let number)?: return number
            case nil: continue
            }
        }
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

/// Polls until `condition` holds; the deadline only bounds a failing test.
public func eventually(
    within seconds: Double = 20, _ condition: () throws -> Bool
) rethrows -> Bool {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < deadline {
        if try condition() { return true }
        sched_yield()
        poll(nil, 0, 5)
    }
    return try condition()
}
