import PostgresClient

/// `tapeline database show | accept [HOST]`: which server has the rows.
struct ServerCommand: Equatable, Sendable {
    enum Verb: Equatable, Sendable {
        case show
        /// The server to take, as in POSTGRES_HOST; `nil`: the one that was promoted last.
        case accept(String?)
    }

    let verb: Verb
    var target = TapeTarget()
    var isConfirmed = false

    static func parse(_ arguments: [String]) throws(ToolError) -> ServerCommand {
        guard let word = arguments.first, ["show", "accept"].contains(word) else {
            throw .usage("'tapeline database' wants show or accept")
        }
        let given = try CommandArguments(
            "database \(word)", Array(arguments.dropFirst()),
            .init(values: TapeTarget.options, flags: word == "accept" ? ["--yes"] : []))
        if word == "show" {
            try given.requireWords(0, "options only")
        } else if given.words.count > 1 {
            throw .usage("'tapeline database accept' takes one host of POSTGRES_HOST at most")
        }
        return ServerCommand(
            verb: word == "show" ? .show : .accept(given.words.first),
            target: try TapeTarget(given), isConfirmed: given.has("--yes"))
    }
}
