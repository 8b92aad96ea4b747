import Primitives
import ServiceRuntime
import TestSupport
import Testing

@testable import TapelineTool

/// What a command printed, and how it ended.
struct Said {
    let code: ExitCode
    let output: String
    let errors: String

    /// Runs a body with a terminal whose text is kept.
    init(in given: TemporaryFolder? = nil, _ body: (Terminal) throws -> ExitCode) throws {
        let folder = try given ?? TemporaryFolder("said")
        let output = try OpenFile(folder.file("out"))
        let errors = try OpenFile(folder.file("err"))
        code = try body(Terminal(output: output.descriptor, errors: errors.descriptor))
        (self.output, self.errors) = (output.text, errors.text)
    }

    /// Runs `tapeline` with these words in an environment that names the servers.
    init(
        _ words: [String], _ environment: [String: String],
        now: Timestamp = SystemClock().now(), shutdown: ShutdownSignal = ShutdownSignal(),
        in folder: TemporaryFolder? = nil
    ) throws {
        try self.init(in: folder) { terminal in
            try Commands.parse(words, now: now).run(
                Tool(terminal: terminal, environment: environment, shutdown: shutdown))
        }
    }

    var lines: [Substring] { output.split(separator: "\n") }
    func json() throws -> JSONValue { try JSONValue.parse(output) }
}

/// Returns why the tool refuses what a body does. Empty: it does not.
func complaint<Outcome>(_ body: () throws -> Outcome) -> String {
    do {
        _ = try body()
        return ""
    } catch let error as ToolError {
        return error.description
    } catch {
        Issue.record("\(error)")
        return ""
    }
}

/// Runs the built program, as a person calls it, and returns all that it says. `home`: the folder
/// of its stacks, where it is not the usual one.
func runTool(
    _ words: [String], home: TemporaryFolder? = nil
) throws -> (status: Int32, output: String) {
    let folder = try TemporaryFolder("tool")
    let process = try ServerProcess(
        ProductPrograms.path("tapeline"), words + (home.map { ["--home", $0.path] } ?? []),
        logPath: folder.file("output"))
    return (process.waitUntilExit(), process.log)
}
