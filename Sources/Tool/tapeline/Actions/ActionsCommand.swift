import Primitives
import ServiceRuntime

/// `tapeline actions serve`: carries out what people ask for in the cockpit.
struct ActionsCommand: Equatable, Sendable {
    var target = TapeTarget()

    static func parse(_ arguments: [String]) throws(ToolError) -> ActionsCommand {
        guard arguments.first == "serve" else {
            throw .usage("'tapeline actions' wants serve")
        }
        let given = try CommandArguments(
            "actions serve", Array(arguments.dropFirst()), .init(values: TapeTarget.options))
        try given.requireWords(0, "options only")
        return ActionsCommand(target: try TapeTarget(given))
    }
}

extension TapeTarget {
    /// The options by which another command finds the same tape.
    var arguments: [String] {
        [("--home", home), ("--name", stack), ("--nats", natsURL)].flatMap { option, value in
            value.map { [option, $0] } ?? []
        }
    }
}
