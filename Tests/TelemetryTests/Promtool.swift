import Foundation
import TestSupport
import Testing

/// Prometheus' own checker, where somebody installed it (Debian's package `prometheus`).
enum Promtool {
    static let comment: Comment = "promtool is not installed (Debian: apt-get install prometheus)"

    static var path: String? {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        let paths = ["\(ServerPrograms.root)/bin"] + folders.map(String.init)
        return paths.map { "\($0)/promtool" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    static func run(
        _ arguments: [String], input: FileHandle? = nil
    ) throws -> (status: Int32, said: String) {
        let checker = Process()
        checker.executableURL = URL(fileURLWithPath: try #require(path))
        checker.arguments = arguments
        if let input { checker.standardInput = input }
        let output = Pipe()
        checker.standardOutput = output
        checker.standardError = output
        try checker.run()
        let said = String(
            decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        checker.waitUntilExit()
        return (checker.terminationStatus, said)
    }
}
