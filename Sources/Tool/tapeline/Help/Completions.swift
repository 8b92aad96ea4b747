import ServiceRuntime

/// The scripts by which a shell completes commands and options, made of the commands' own pages.
enum Completions {
    enum Shell: String, CaseIterable, Sendable {
        case bash
        case zsh
        case fish
    }

    static func script(_ shell: Shell) -> String {
        switch shell {
        case .bash: bash
        case .zsh: zsh
        case .fish: fish
        }
    }

    /// Returns what may come after a command: its verbs and its options.
    static func words(of page: CommandPage) -> [String] {
        (page.verbs + page.optionNames).uniqued
    }

    private static let commands = Commands.pages.map(\.word).joined(separator: " ")

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
        Commands.pages.filter { !words(of: $0).isEmpty }
            .map { line($0.word, words(of: $0).joined(separator: " ")) }
            .joined(separator: "\n")
    }

    private static var fish: String {
        var lines = ["# tapeline completions fish | source"]
        for page in Commands.pages {
            lines.append("complete -c tapeline -n __fish_use_subcommand -a \(page.word)")
            let here = "complete -c tapeline -n '__fish_seen_subcommand_from \(page.word)'"
            lines += words(of: page).map { word in
                if word.hasPrefix("--") { return "\(here) -l \(word.dropFirst(2))" }
                return word.hasPrefix("-")
                    ? "\(here) -s \(word.dropFirst())" : "\(here) -a \(word)"
            }
        }
        return lines.joined(separator: "\n")
    }
}

/// `tapeline completions bash|zsh|fish`.
struct CompletionsCommand: ToolCommand {
    let shell: Completions.Shell

    static let page = CommandPage(
        "completions", .tool, "a script by which the shell completes commands", on: .nowhere,
        """
        completions bash|zsh|fish
            a script by which the shell completes commands and options
        $ eval "$(tapeline completions bash)"
        $ tapeline completions fish | source
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> CompletionsCommand {
        CompletionsCommand(shell: try given.verbCase())
    }

    func run(_ tool: Tool) -> ExitCode { tool.say(Completions.script(shell)) }
}
