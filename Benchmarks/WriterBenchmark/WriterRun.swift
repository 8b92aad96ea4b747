internal import Foundation
import ServiceRuntime
import TestSupport

/// A store-writer process, with the metrics that it reports.
final class WriterRun {
    private static let startSeconds = 60.0

    private let process: ServerProcess
    private let port: UInt16

    init(_ database: Database, _ keys: [String: String] = [:]) throws {
        port = freePort()
        let environment = database.environment.merging(["OPS_PORT": "\(port)"]) { $1 }
        process = try ServerProcess(
            try ProductPrograms.path("store-writer"), [],
            environment: environment.merging(keys) { $1 },
            logPath: database.ground.file("writer-\(database.name).log"))
    }

    deinit { process.stop(SIGKILL) }

    /// Waits until the first rows are committed.
    func start(_ database: Database) throws {
        guard try eventually(within: Self.startSeconds, { try database.written() > 0 }) else {
            throw Unusable("nothing is written: \(process.log.suffix(2_000))")
        }
    }

    func stop() throws {
        guard process.stop() == 0 else {
            throw Unusable("the writer did not end well: \(process.log.suffix(1_000))")
        }
    }

    /// Returns the sum of a metric over its labels.
    func metric(_ name: String) throws -> Double {
        let answer = try HTTPProbe.get(
            host: "127.0.0.1", port: port, path: "/metrics", timeout: .seconds(5))
        var sum = 0.0
        for line in String(decoding: answer.body, as: UTF8.self).split(separator: "\n")
        where line.hasPrefix("\(name) ") || line.hasPrefix("\(name){") {
            sum += line.split(separator: " ").last.flatMap { Double($0) } ?? 0
        }
        return sum
    }

    /// Returns seconds of processor time over all cores.
    func processorSeconds() throws -> Double {
        let stat = try String(contentsOfFile: "/proc/\(process.id)/stat", encoding: .utf8)
        let words = (stat.split(separator: ")").last ?? "").split(separator: " ")
        guard words.count > 12, let user = Double(words[11]), let system = Double(words[12]) else {
            throw Unusable("\(stat) is no process")
        }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// Returns the peak of resident memory.
    func residentMiB() throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(process.id)/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
        let words = line.split(whereSeparator: \.isWhitespace)
        return (words.count > 1 ? Int(words[1]) ?? 0 : 0) / 1_024
    }
}
