/// Puts the stack's name into the commands that a text shows, so that they can be pasted.
enum NamedCommands {
    private static let begin = "'tapeline "

    /// Returns the name that a person gave: the arguments' `--name`.
    static func name(in arguments: [String]) -> String? {
        for (index, argument) in arguments.enumerated() {
            if argument == "--name" { return arguments[(index + 1)...].first }
            if argument.hasPrefix("--name=") { return String(argument.dropFirst(7)) }
        }
        return nil
    }

    /// Returns the text with `--name` in each quoted command that takes it and lacks it.
    static func named(_ text: String, _ name: String) -> String {
        guard text.contains(begin) else { return text }
        var parts = text.split(separator: begin, omittingEmptySubsequences: false).map(String.init)
        for index in parts.indices.dropFirst() {
            guard let end = parts[index].firstIndex(of: "'") else { continue }
            let command = String(parts[index][..<end])
            guard let word = command.split(separator: " ").first.map(String.init),
                !command.contains("--name"), !command.hasSuffix(" --help"), takesName(word)
            else { continue }
            // What follows 'psql' is for psql.
            let named =
                word == "psql"
                ? "psql --name \(name)\(command.dropFirst(word.count))"
                : "\(command) --name \(name)"
            parts[index] = named + parts[index][end...]
        }
        return parts.joined(separator: begin)
    }

    private static func takesName(_ word: String) -> Bool {
        Commands.page(of: word)?.optionNames.contains("--name") ?? false
    }
}
