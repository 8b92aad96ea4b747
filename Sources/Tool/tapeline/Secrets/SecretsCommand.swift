import ServiceRuntime

/// `tapeline secrets list | rotate`.
struct SecretsCommand: ToolCommand {
    enum Verb: Equatable, Sendable {
        case list
        case rotate(String)
    }

    let verb: Verb
    var target = StackTarget()

    static let page = CommandPage(
        "secrets", .operation, "the passwords of a local stack, and new ones", on: .stack,
        """
        secrets list
            the names of the stack's passwords, of vendors' keys and of certificates, and what
            changes each
        secrets rotate NAME
            make a new password, at the server and in the file that the services read again when
            the server refuses the old one: no service is restarted. Of a compose cluster:
            deploy/compose/secrets.sh --rotate NAME
        $ tapeline secrets rotate nats-writer
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> SecretsCommand {
        SecretsCommand(
            verb: given.verb == "list" ? .list : .rotate(given.words[0]),
            target: try StackTarget(given))
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        let stack = try tool.stackThatIsUp(target)
        let further = FileSystem.names(in: stack.home.secrets).filter { name in
            ["nats-writer-", StackSecrets.followerPrefix].contains { name.hasPrefix($0) }
                && !name.hasSuffix(StackSecret.nextSuffix)
        }
        let known = StackSecrets.Name.allCases.map(\.rawValue) + further.sorted()
        let arguments = try StackState.read(stack.home)?.arguments ?? []
        let issued = IssuedKey.all(of: try StackSettings(of: arguments))
        switch verb {
        case .list:
            let secrets = known.compactMap { StackSecret(named: $0) }
            list(secrets.map { ($0.name, $0.place.summary) }, tool.terminal)
            if issued.isEmpty { return .success }
            tool.terminal.line()
            tool.terminal.line("of vendors, and certificates; no command makes these:")
            list(issued.map { ($0.name, $0.summary) }, tool.terminal)
            return .success
        case .rotate(let name):
            if let key = issued.first(where: { $0.name == name }) {
                throw .usage("\(name) comes from the one who issues it: \(key.summary)")
            }
            guard known.contains(name), let secret = StackSecret(named: name) else {
                throw .usage(
                    "the stack \(stack.home.name) has no password '\(name.prefix(40))': "
                        + "'tapeline secrets list' shows them")
            }
            return try stack.locked { () throws(ToolError) in
                try SecretRotation(stack: stack, secret: secret).run()
            }
        }
    }

    private func list(_ rows: [(name: String, summary: String)], _ terminal: Terminal) {
        let width = rows.map(\.name.count).max() ?? 0
        for row in rows {
            let padding = String(repeating: " ", count: width - row.name.count)
            terminal.line("\(row.name)\(padding)  \(row.summary)")
        }
    }
}
