import Primitives

/// How a command is called, its options and examples. The arguments that it takes, its help and the
/// shells' completions all come from here.
///
/// It is written as one text. A line at the margin is a way to call the command (`repair SYMBOL`),
/// an option (`--last N`) or an example (`$ tapeline gaps`). The indented lines below it say what
/// it means. An option whose meaning begins with verbs (`drain: why`) is for those verbs alone; the
/// command's own word means the command without a verb.
struct CommandPage: Sendable {
    /// What a person wants to do.
    enum Group: String, CaseIterable, Sendable {
        case stack = "Run Tapeline on this machine"
        case data = "Look at market data"
        case choice = "Choose what is recorded, and load the past"
        case state = "See whether a deployment is well"
        case proof = "Prove that the data are right"
        case correction = "Correct data"
        case operation = "Operate a deployment"
        case tool = "The tool"
    }

    /// Where the command works, which adds options.
    enum Place: Sendable { case tape, stack, nowhere }

    enum Words: Sendable {
        /// There are as many as the page says.
        case counted
        /// The command says itself what is wrong with their number.
        case own
        /// They are for another program, from the first argument on that is no option of the page.
        case foreign
    }

    let word: String
    /// `nil`: people do not call it, and no help names it.
    let group: Group?
    let summary: String
    private(set) var forms: [CommandForm] = []
    private(set) var options: [CommandOption] = []
    private(set) var examples: [String] = []
    let words: Words

    init(
        _ word: String, _ group: Group?, _ summary: String, on place: Place = .tape,
        also shared: [CommandOption] = [], words: Words = .counted, _ text: String
    ) {
        self.word = word
        self.group = group
        self.summary = summary
        self.words = words
        for entry in Self.entries(of: text) { add(entry.head, entry.meaning) }
        options += shared
        switch place {
        case .tape: options += [.name, .nats, .hiddenHome]
        case .stack: options += [.stackName, .home]
        case .nowhere: break
        }
        let verbs = verbs
        for index in options.indices { options[index].limit(to: verbs, of: word) }
    }

    /// Returns the lines at the margin, with what stands below them.
    private static func entries(of text: String) -> [(head: String, meaning: [String])] {
        var entries: [(head: String, meaning: [String])] = []
        for line in text.split(separator: "\n").map(String.init) {
            if line.hasPrefix(" "), let last = entries.indices.last {
                entries[last].meaning.append(String(line.drop { $0 == " " }))
            } else {
                entries.append((line, []))
            }
        }
        return entries
    }

    private mutating func add(_ head: String, _ meaning: [String]) {
        if head.hasPrefix("$ ") {
            examples += [String(head.dropFirst(2))] + meaning.map { "    \($0)" }
        } else if head.hasPrefix("-") {
            options.append(CommandOption(head, meaning))
        } else {
            let form = CommandForm(head, meaning)
            forms.append(form)
            options += form.options
        }
    }

    /// The verbs of the command, in the order of the page.
    var verbs: [String] { forms.flatMap(\.verbs).uniqued }

    /// The names of the options, those that the page does not show among them.
    var optionNames: [String] {
        (verbs.filter { $0.hasPrefix("-") } + options.flatMap { $0.names.map(\.name) }).uniqued
    }

    /// Returns what stands for the option's value: empty for a flag, `nil` if there is no such one.
    func value(of name: String) -> String? {
        if verbs.contains(name), name.hasPrefix("-") { return "" }
        return options.lazy.flatMap(\.names).first { $0.name == name }?.value
    }

    /// Whether the command takes the option with the verb, which is empty for none.
    func takes(_ name: String, verb: String) -> Bool {
        verbs.contains(name)
            || options.contains { option in
                option.names.contains { $0.name == name }
                    && (option.verbs.isEmpty
                        || option.verbs.contains(verb.isEmpty ? word : verb))
            }
    }

    /// Returns the calls that alone take an option: `tape verify`.
    func calls(taking name: String) -> [String] {
        let verbs = options.filter { option in option.names.contains { $0.name == name } }
            .flatMap(\.verbs)
        return verbs.map { $0 == word ? word : "\(word) \($0)" }.uniqued
    }

    /// What other programs call an option, and what it is called here.
    private static let otherNames: [String: [String]] = [
        "--since": ["--from"], "--start": ["--from"], "--after": ["--from"],
        "--until": ["--to"], "--end": ["--to"], "--before": ["--to"],
        "--limit": ["--last"], "--tail": ["--last"], "--count": ["--last", "--limit"],
        "-n": ["--last", "--limit"], "--last": ["--limit"], "--server": ["--nats"],
        "--stack": ["--name"], "--force": ["--yes"], "-y": ["--yes"],
    ]

    /// Returns what does that which people want of the option where the command does not take it.
    func instead(of name: String) -> String? {
        guard word == "bars", ["--from", "--to"].contains(name) else { return nil }
        return "the newest bars are --last N, and those of a time "
            + "'tapeline export bars SYMBOL --series SERIES --from TIME --to TIME'"
    }

    /// Returns the word of the page that was probably meant by one that it does not have.
    func meant(by argument: String) -> String? {
        let name = String(argument.prefix { $0 != "=" })
        let settings = forms.flatMap(\.wanted).filter { $0.contains("=") }.map { word in
            word.filter { !"[]".contains($0) }
        }
        let near = NearestName.of(
            name, in: optionNames + verbs + settings.map { String($0.prefix { $0 != "=" }) })
        return near.map { near in settings.first { $0.hasPrefix("\(near)=") } ?? near }
            ?? Self.otherNames[name]?.first(where: optionNames.contains)
    }

    /// The options whose values are times.
    var timeOptions: [String] {
        options.flatMap(\.names).filter { ["TIME", "PLACE"].contains($0.value) }.map(\.name)
    }

    // MARK: text

    private static let optionColumn = 20
    static let summaryColumn = 18

    /// The command's line of the complete page.
    var line: String { "  \(word)".padded(to: Self.summaryColumn) + summary }

    /// The text that `tapeline WORD --help` prints.
    var text: String {
        var parts = ["Usage:\n" + forms.map { "  tapeline \($0.usage)" }.joined(separator: "\n")]
        let meanings = forms.filter { !$0.meaning.isEmpty }.map { form in
            (forms.count > 1 ? ["\(form.usage):"] : []) + form.meaning
        }
        parts += meanings.map { $0.joined(separator: "\n") }
        let rows = options.filter(\.isListed).map { Self.row($0.usage, $0.meaning) }
        if !rows.isEmpty { parts.append("Options:\n" + rows.joined(separator: "\n")) }
        if !examples.isEmpty {
            parts.append("Examples:\n" + examples.map { "  \($0)" }.joined(separator: "\n"))
        }
        return parts.joined(separator: "\n\n")
    }

    /// Returns the name with its meaning beside it, or below it if the name is too long.
    private static func row(_ name: String, _ meaning: [String]) -> String {
        let head = "  \(name)"
        let isShort = head.count < optionColumn
        let first = isShort ? head.padded(to: optionColumn) + (meaning.first ?? "") : head
        let blanks = String(repeating: " ", count: optionColumn)
        return ([first] + meaning.dropFirst(isShort ? 1 : 0).map { blanks + $0 })
            .joined(separator: "\n")
    }
}

/// One way to call a command, and its effect.
struct CommandForm: Sendable {
    /// `source retire NAME`.
    let usage: String
    let meaning: [String]
    /// Empty: the command is called without a verb.
    private(set) var verbs: [String] = []
    /// The words after the verb, as they are written: `[SYMBOL...]`.
    private(set) var wanted: [String] = []
    /// How many words come after the verb.
    private(set) var count = 0...0
    /// The options that the usage names.
    private(set) var options: [CommandOption] = []

    init(_ usage: String, _ meaning: [String]) {
        self.usage = usage
        self.meaning = meaning
        var tokens = usage.split(separator: " ").dropFirst().map(String.init)
        if let first = tokens.first, Self.isVerb(first, before: tokens.dropFirst().first) {
            verbs = first.split(separator: "|").map(String.init)
            tokens.removeFirst()
        }
        var name: String?
        for token in tokens where token != "|" {
            let bare = token.filter { !"[]".contains($0) }
            if let option = name, !token.hasPrefix("["), !bare.hasPrefix("-") {
                options.append(CommandOption("\(option) \(bare)", [], of: verbs))
                name = nil
                continue
            }
            if let flag = name { options.append(CommandOption(flag, [], of: verbs)) }
            name = bare.hasPrefix("-") ? bare : nil
            if name == nil { add(token) }
        }
        if let flag = name { options.append(CommandOption(flag, [], of: verbs)) }
    }

    /// A flag is a verb if no value follows it: `bars --rewritten`.
    private static func isVerb(_ token: String, before next: String?) -> Bool {
        let isPlain = token.utf8.allSatisfy {
            (0x61...0x7a).contains($0) || "-|".utf8.contains($0)
        }
        return isPlain && (!token.hasPrefix("-") || next?.hasPrefix("[") ?? true)
    }

    private mutating func add(_ token: String) {
        wanted.append(token)
        let least = count.lowerBound + (token.hasPrefix("[") ? 0 : 1)
        let most = token.contains("...") ? Int.max : count.upperBound
        count = least...(most == Int.max ? most : most + 1)
    }
}

/// An option, or several that are explained together.
struct CommandOption: Sendable {
    /// `-f, --follow` or `--price P, --size S`.
    let usage: String
    private(set) var meaning: [String]
    /// Its names, with what stands for their values; empty for a flag.
    let names: [(name: String, value: String)]
    /// The verbs that take it. Empty: all.
    private(set) var verbs: [String]
    let isListed: Bool

    /// Without a meaning no page lists it.
    init(_ usage: String, _ meaning: [String], of verbs: [String] = []) {
        self.usage = usage
        self.meaning = meaning
        self.verbs = verbs
        isListed = !meaning.isEmpty
        names = usage.split(separator: ", ").filter { $0.hasPrefix("-") }.map { part in
            let words = part.split(separator: " ")
            return (name: String(words[0]), value: words.dropFirst().joined(separator: " "))
        }
    }

    /// Returns the option for these verbs alone.
    func of(_ verbs: String...) -> CommandOption {
        var option = self
        option.meaning[0] = "\(verbs.joined(separator: ", ")): \(meaning[0])"
        return option
    }

    /// Reads the verbs before the meaning.
    mutating func limit(to verbs: [String], of word: String) {
        guard let first = meaning.first, let colon = first.firstIndex(of: ":") else { return }
        let named = first[..<colon].split(separator: ", ").map(String.init)
        if named.allSatisfy({ verbs.contains($0) || $0 == word }) { self.verbs = named }
    }
}

/// The options that several commands have, in the same words.
extension CommandOption {
    static let name = CommandOption(
        "--name NAME", ["a local stack; without it, the only one that is up"])
    static let nats = CommandOption("--nats URL", ["any server; NATS_URL does the same"])
    /// The pages of commands about a tape leave it out, because few need it.
    static let hiddenHome = CommandOption("--home FOLDER", [])
    static let stackName = CommandOption(
        "--name NAME",
        [
            "the stack; several run side by side. Without it 'up' and 'service'",
            "mean 'default', and all others the only one that is up",
        ])
    static let home = CommandOption("--home FOLDER", ["the checkout, if the tool is not in one"])
    static let json = CommandOption(
        "--json",
        [
            "for programs: one object, with decimals as texts with all",
            "their digits, and times as ISO text and as nanoseconds",
        ])
    static let csv = CommandOption("--csv", ["the rows as CSV with a header (RFC 4180)"])
    static let zone = CommandOption(
        "--zone ZONE",
        [
            "days and times without a zone are of this one, such as",
            "America/New_York; without it, of UTC",
        ])
    static let yes = CommandOption("--yes", ["do not ask"])
    static let source = CommandOption(
        "--source NAME",
        [
            "only this source, not all of them: of bars the group's name where the",
            "graph has groups, of ticks and gaps the member's",
        ])
    static let set = CommandOption(
        "--set KEY=VALUE",
        [
            "a configuration key of the services, such as SYNTHETIC_RATE=5000,",
            "GATEWAY_PROVIDER=ibkr or IBKR_PORT=7496. The simulated TWS has",
            "SIMULATOR_RATE, _SEED, _SYMBOLS and _TRUTH (a file)",
        ])
    static let service = CommandOption(
        "--service HOST:PORT",
        [
            "the operations page of a service; may be repeated. Those of a local",
            "stack are known",
        ])
    static let prometheus = CommandOption(
        "--prometheus HOST:PORT", ["the Prometheus with the alerts"])
    static let withPassword = CommandOption(
        "--with-password", ["print the password itself, not the file that has it"])
}

extension [String] {
    var uniqued: [String] {
        var seen: Set<String> = []
        return filter { seen.insert($0).inserted }
    }
}
