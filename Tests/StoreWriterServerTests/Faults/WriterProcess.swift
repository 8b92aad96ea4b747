import Foundation
import TestSupport
import Testing

/// The real program, for tests that kill, stop or measure it, which is impossible for a thread.
final class WriterProcess: Sendable {
    private let process: ServerProcess
    private let folder: TemporaryFolder

    convenience init(
        _ bench: WriterBench, member: String = "writer", _ changes: [String: String] = [:],
        program: String? = nil
    ) throws {
        try self.init(
            environment: bench.environment(), member: member, changes, program: program)
    }

    init(
        environment: [String: String], member: String = "writer",
        _ changes: [String: String] = [:], program: String? = nil
    ) throws {
        folder = try TemporaryFolder("writer-process")
        var environment = environment
        environment["OPS_PORT"] = "0"
        environment["LOG_FORMAT"] = "json"
        environment["MDS_MEMBER"] = member
        environment.merge(ProductPrograms.profile("store-writer")) { $1 }
        environment.merge(changes) { $1 }
        process = try ServerProcess(
            try program ?? ProductPrograms.path("store-writer"), [], environment: environment,
            logPath: folder.file("log"))
    }

    var log: String { process.log }
    var isRunning: Bool { process.isRunning }

    func pause() { process.signal(SIGSTOP) }
    func resume() { process.signal(SIGCONT) }
    func kill() { process.stop(SIGKILL) }
    /// Sends SIGTERM and returns the exit code.
    func stop() -> Int32 { process.stop() }

    /// Returns how often an event was logged.
    func count(_ event: String) -> Int {
        log.split(separator: "\n").count { $0.contains("\"\(event)\"") }
    }

    /// Returns the peak of resident memory.
    func residentPeakMiB() throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(process.id)/status", encoding: .utf8)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
        let kilobytes = line.split(whereSeparator: \.isWhitespace).dropFirst().first
        return try #require(kilobytes.flatMap { Int($0) }) / 1_024
    }
}
