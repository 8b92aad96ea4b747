import ServiceRuntime

/// The scripts by which a shell completes commands and options, made of the help's own topics.
enum Completions {
    enum Shell: String, CaseIterable, Sendable {
        case bash
        case zsh
        case fish
    }

    static func parse(_ arguments: [String]) throws(ToolError) -> Shell {
        let arguments = try CommandArguments("completions", arguments, .init())
        let names = Shell.allCases.map(\.rawValue).joined(separator: ", ")
        try arguments.requireWords(1, "a shell: \(names)")
        guard let shell = Shell(rawValue: arguments.words[0]) else {
            throw .usage("'\(arguments.words[0].prefix(20))' is none of \(names)")
        }
        return shell
    }

    static func script(_ shell: Shell) -> String {
        switch shell {
        case .bash: bash
        case .zsh: zsh
        case .fish: fish
        }
    }

    /// Returns what may come after a command: the words of its forms, and its options.
    static func words(of topic: HelpTopic) -> [String] { topic.subcommands + topic.optionNames }

    private static let commands = HelpPage.topics.map(\.word).joined(separator: " ")

    private static var bash: String {
        """
        # eval "$(tapeline completions bash)"
        _tapeline() {
            local words=
            if [ "$COMP_CWORD" -eq 1 ]; then
                words='\(commands)'
            else
                case ${COMP_WORDS[1]} in
        \(cases { "            \($0)) words='\($1)' ;;" })
                esac
            fi
            COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -o default -F _tapeline tapeline
        """
    }

    private static var zsh: String {
        """
        #compdef tapeline
        # eval "$(tapeline completions zsh)"
        _tapeline() {
            if (( CURRENT == 2 )); then
                compadd -- \(commands)
                return
            fi
            case $words[2] in
        \(cases { "        \($0)) compadd -- \($1) ;;" })
            esac
            _files
        }
        compdef _tapeline tapeline
        """
    }

    private static func cases(_ line: (String, String) -> String) -> String {
        HelpPage.topics.filter { !words(of: $0).isEmpty }
            .map { line($0.word, words(of: $0).joined(separator: " ")) }
            .joined(separator: "\n")
    }

    private static var fish: String {
        var lines = ["# tapeline completions fish | source"]
        for topic in HelpPage.topics {
            lines.append("complete -c tapeline -n __fish_use_subcommand -a \(topic.word)")
            let here = "complete -c tapeline -n '__fish_seen_subcommand_from \(topic.word)'"
            lines += topic.subcommands.map { "\(here) -a \($0)" }
            lines += topic.optionNames.map { option in
                option.hasPrefix("--")
                    ? "\(here) -l \(option.dropFirst(2))"
                    : "\(here) -s \(option.dropFirst())"
            }
        }
        return lines.joined(separator: "\n")
    }
}

extension HelpTopic {
    /// The words after the command in its forms: "list", "retire".
    var subcommands: [String] {
        let after = forms.flatMap { form -> [Substring] in
            form.usage.split(whereSeparator: { " |".contains($0) }).filter { $0 != word }
        }
        return after.filter { word in
            word.count > 1 && word.utf8.allSatisfy { (0x61...0x7a).contains($0) || $0 == 0x2d }
                && !word.hasPrefix("-")
        }.map(String.init).uniqued
    }

    /// The options that its page names, without examples.
    var optionNames: [String] {
        let forms = forms.map(\.usage) + options.map(\.usage)
        let tokens = forms.flatMap {
            $0.split(whereSeparator: { " ,|[]()\n'.:;=".contains($0) })
        }
        var names = tokens.filter { token in
            let rest = token.drop { $0 == "-" }
            return token.hasPrefix("-") && token.count - rest.count <= 2 && !rest.isEmpty
                && rest.utf8.allSatisfy { (0x61...0x7a).contains($0) || $0 == 0x2d }
        }.map(String.init)
        // The pages of commands about a tape leave it out, because few need it.
        if names.contains("--nats") { names.append("--home") }
        return names.uniqued
    }
}

extension [String] {
    fileprivate var uniqued: [String] {
        var seen: Set<String> = []
        return filter { seen.insert($0).inserted }
    }
}
