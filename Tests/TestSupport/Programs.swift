import Foundation

/// Runs a program to its end and returns what it printed; a failure carries what it complained.
@discardableResult
public func run(
    _ program: String, _ arguments: [String], environment: [String: String] = [:]
) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try ServerPrograms.require(program))
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    // Into files: two pipes would have to be read by two threads.
    let folder = try TemporaryFolder("run")
    try folder.write("", to: "out")
    try folder.write("", to: "err")
    process.standardOutput = try FileHandle(
        forWritingTo: URL(fileURLWithPath: folder.file("out")))
    process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: folder.file("err")))
    try process.run()
    process.waitUntilExit()
    let output = try String(contentsOfFile: folder.file("out"), encoding: .utf8)
    guard process.terminationStatus == 0 else {
        let complaint = try String(contentsOfFile: folder.file("err"), encoding: .utf8)
        throw ProgramFailure(
            program: program, status: process.terminationStatus, message: complaint + output)
    }
    return output.trimmingCharacters(in: .newlines)
}

public struct ProgramFailure: Error, CustomStringConvertible {
    public let program: String
    public let status: Int32
    public let message: String

    public var description: String { "\(program) ended with \(status): \(message)" }
}

/// The processes whose parent is `parent`, from /proc.
public func children(of parent: Int32) -> [Int32] {
    let names: [String]
    do {
        names = try FileManager.default.contentsOfDirectory(atPath: "/proc")
    } catch {
        return []
    }
    return names.compactMap { Int32($0) }.filter { id in
        // pid (name) state parent …; the name may hold anything, also parentheses.
        guard let stat = FileManager.default.contents(atPath: "/proc/\(id)/stat"),
            let fields = String(decoding: stat, as: UTF8.self).split(separator: ")").last
        else { return false }
        let words = fields.split(separator: " ")
        return words.count > 1 && words[1] == String(parent)
    }
}
