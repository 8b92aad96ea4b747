package import Foundation

/// Prometheus' own checker.
package enum Promtool {
    package static func run(
        _ arguments: [String], input: FileHandle? = nil
    ) throws -> (status: Int32, said: String) {
        let checker = Process()
        let path = try ServerPrograms.require(ServerPrograms.prometheus("promtool"))
        checker.executableURL = URL(fileURLWithPath: path)
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
