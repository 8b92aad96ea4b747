internal import Glibc
import ServiceRuntime

@main
enum Main {
    static func main() {
        // It reads passwords and keys. The processes of a local stack inherit this.
        CoreDumps.forbid()
        let arguments = Array(CommandLine.arguments.dropFirst())
        var terminal = Terminal()
        terminal.stack = NamedCommands.name(in: arguments)
        terminal.asCSV = arguments.contains("--csv")
        do {
            exit(try parsed(arguments).run(Tool(terminal: terminal)).rawValue)
        } catch {
            terminal.problem("\(error)")
            exit(error.exitCode.rawValue)
        }
    }

    /// An error in the arguments points to the help of its command.
    private static func parsed(_ arguments: [String]) throws(ToolError) -> any ToolCommand {
        do {
            return try Commands.parse(arguments)
        } catch .usage(let problem) {
            let page = arguments.first.flatMap { $0 == "help" ? nil : Commands.page(of: $0) }
            let help = page.map { "tapeline \($0.word) --help" } ?? "tapeline help"
            // A question mark already ends the sentence.
            throw .usage(problem + (problem.hasSuffix("?") ? " See '\(help)'" : ": see '\(help)'"))
        } catch {
            throw error
        }
    }
}
