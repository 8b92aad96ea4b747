import Foundation
import Synchronization

/// A server that a test started; it ends with the value, whatever the test does.
public final class ServerProcess: Sendable {
    private let process: Mutex<Process>
    public let logPath: String

    /// Starts `program`; what it prints goes to `logPath`.
    public init(
        _ program: String, _ arguments: [String], environment: [String: String] = [:],
        logPath: String
    ) throws {
        self.logPath = logPath
        if !FileManager.default.createFile(atPath: logPath, contents: nil) {
            throw CocoaError(.fileWriteUnknown)
        }
        let log = try FileHandle(forWritingTo: URL(fileURLWithPath: logPath))
        let started = Process()
        started.executableURL = URL(fileURLWithPath: try ServerPrograms.require(program))
        started.arguments = arguments
        started.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        started.standardInput = FileHandle.nullDevice
        started.standardOutput = log
        started.standardError = log
        try started.run()
        process = Mutex(started)
    }

    public var id: Int32 { process.withLock { $0.processIdentifier } }
    public var isRunning: Bool { process.withLock { $0.isRunning } }

    public func signal(_ number: Int32) { kill(id, number) }

    /// Ends the server (by SIGTERM, 15, or as told) and waits until it is gone.
    @discardableResult
    public func stop(_ number: Int32 = 15) -> Int32 {
        process.withLock {
            if $0.isRunning {
                kill($0.processIdentifier, number)
                // A paused process cannot answer a signal other than SIGKILL.
                kill($0.processIdentifier, SIGCONT)
            }
            $0.waitUntilExit()
            return $0.terminationStatus
        }
    }

    public func waitUntilExit() -> Int32 {
        process.withLock {
            $0.waitUntilExit()
            return $0.terminationStatus
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
