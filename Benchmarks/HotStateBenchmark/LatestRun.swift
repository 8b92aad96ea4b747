import BenchmarkRows
internal import Foundation
import TestSupport

/// Compares what `desk.latest` reads of Valkey with a bare socket that takes the same replies, in
/// turns.
struct LatestRun {
    /// How long an answer may take, in milliseconds, in the order of the script's lines.
    private static let limits = [5.0, 100.0]

    /// Returns whether each answer comes in time.
    func run() throws -> Bool {
        let valkey = try ValkeyServer()
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../latest/read_latest.py").path
        let lines = try TestSupport.run(
            "/usr/bin/env", ["python3", script, "\(valkey.port)", ValkeyServer.password],
            environment: ["PYTHONDONTWRITEBYTECODE": "1"]
        ).split(separator: "\n")
        guard lines.count == Self.limits.count else {
            throw TickPublisher.Unusable("the package says: \(lines)")
        }
        return try zip(lines, Self.limits).map { line, limit in
            let words = line.split(separator: ";").map(String.init)
            guard words.count == 3, let ours = Double(words[1]), let bare = Double(words[2]) else {
                throw TickPublisher.Unusable("the package says: \(line)")
            }
            let figure = HotStateBenchmark.hundredths
            print("latest values, \(words[0]): \(figure(ours)) ms, bare \(figure(bare)) ms")
            BenchmarkRow("latest values of Python: \(words[0])", ours, "ms")
                .beside("a socket that takes the same replies", bare).atMost(limit).tell()
            return ours <= limit
        }.allSatisfy { $0 }
    }
}
