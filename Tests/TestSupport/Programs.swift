import Foundation

/// Runs a program to its end and returns its output. A failure carries its error output.
@discardableResult
package func run(
    _ program: String, _ arguments: [String], environment: [String: String] = [:]
) throws -> String {
    let folder = try TemporaryFolder("run")
    // The shell separates standard error from standard output, which goes to the child's log.
    let child = try ServerProcess(
        "/bin/sh",
        ["-c", "exec \"$0\" \"$@\" 2>\"$ERRORS\"", try ServerPrograms.require(program)]
            + arguments,
        environment: environment.merging(["ERRORS": folder.file("err")]) { $1 },
        logPath: folder.file("out"))
    let status = child.waitUntilExit()
    let output = child.log
    guard status == 0 else {
        let complaint = try String(contentsOfFile: folder.file("err"), encoding: .utf8)
        throw ProgramFailure(program: program, status: status, message: complaint + output)
    }
    return output.trimmingCharacters(in: .newlines)
}

package struct ProgramFailure: Error, CustomStringConvertible {
    package let program: String
    package let status: Int32
    package let message: String

    package var description: String { "\(program) ended with \(status): \(message)" }
}

/// Returns the processes whose parent is `parent`, from /proc.
package func children(of parent: Int32) -> [Int32] {
    let names: [String]
    do {
        names = try FileManager.default.contentsOfDirectory(atPath: "/proc")
    } catch {
        return []
    }
    return names.compactMap { Int32($0) }.filter { id in
        // The format is pid (name) state parent …; the name may contain anything, even parentheses.
        guard let stat = FileManager.default.contents(atPath: "/proc/\(id)/stat"),
            let fields = String(decoding: stat, as: UTF8.self).split(separator: ")").last
        else { return false }
        let words = fields.split(separator: " ")
        return words.count > 1 && words[1] == String(parent)
    }
}
