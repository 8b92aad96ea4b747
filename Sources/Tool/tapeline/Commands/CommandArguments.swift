import MarketModel
import Primitives

/// The arguments after a command's word, sorted by its page into a verb, words, options with a
/// value, and flags. The command itself interprets them.
struct CommandArguments {
    let page: CommandPage
    /// When the command was given. Times like `-10m` are counted back from it.
    let now: Timestamp
    /// The first word, if the page has such verbs; else empty.
    private(set) var verb = ""
    /// The words after the verb, in the order given.
    private(set) var words: [String] = []
    /// The options with their values, in the order given. A flag has an empty value.
    private(set) var options: [(name: String, value: String)] = []
    private var zone: TimeWords?

    /// The maximum number of times an option may be repeated.
    static let repeatsMax = 1_024

    /// The command with its verb, as messages name it.
    var command: String { verb.isEmpty ? page.word : "\(page.word) \(verb)" }

    init(_ page: CommandPage, _ arguments: [String], now: Timestamp) throws(ToolError) {
        self.page = page
        self.now = now
        try sort(arguments)
        if verb.isEmpty { verb = page.verbs.first { has($0) } ?? "" }
        let forms = try forms()
        for (name, _) in options where !page.takes(name, verb: verb) { throw notTaken(name) }
        try checkWords(forms)
        if let name = try one(TimeWords.option) { zone = try readZone(name) }
    }

    // MARK: sorting

    private mutating func sort(_ arguments: [String]) throws(ToolError) {
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if argument == "--" {
                for word in rest { add(word) }
                return
            }
            let equals = argument.firstIndex(of: "=")
            let name = equals.map { String(argument[..<$0]) } ?? argument
            if page.words == .foreign, page.value(of: name) == nil {
                words = [argument] + rest
                return
            }
            guard argument.hasPrefix("-"), argument.count > 1, !Self.isDistance(argument) else {
                add(argument)
                continue
            }
            let attached = equals.map { String(argument[argument.index(after: $0)...]) }
            guard let value = page.value(of: name) else { throw notTaken(name) }
            if value.isEmpty {
                guard attached == nil else { throw .usage("\(name) takes no value") }
                options.append((name, ""))
            } else {
                try add(name, attached ?? rest.popFirst())
            }
        }
    }

    /// `-10m` is a time as a word.
    private static func isDistance(_ argument: String) -> Bool {
        argument.dropFirst().first.map { ("0"..."9").contains($0) } ?? false
    }

    private mutating func add(_ word: String) {
        if verb.isEmpty, words.isEmpty, page.verbs.contains(word), !word.hasPrefix("-") {
            verb = word
        } else {
            words.append(word)
        }
    }

    private mutating func add(_ name: String, _ value: String?) throws(ToolError) {
        guard let value, !value.isEmpty, !value.hasPrefix("--") else {
            throw .usage("\(name) wants a value")
        }
        guard all(name).count < Self.repeatsMax else {
            throw .usage("\(name) may come \(Self.repeatsMax) times at most")
        }
        options.append((name, value))
    }

    func notTaken(_ argument: String) -> ToolError {
        let calls = page.calls(taking: argument)
        guard calls.isEmpty else {
            return .usage(
                "'\(argument)' is for 'tapeline \(calls.joined(separator: "' and '"))'"
                    + (page.instead(of: argument).map { "; \($0)" } ?? ""))
        }
        let near = page.meant(by: argument)
        return .usage(
            "'tapeline \(command)' does not take '\(argument.prefix(64))'"
                + (near.map { ": did you mean \($0)?" } ?? ""))
    }

    /// Returns the ways to call the command with the verb. Throws if there are none.
    private func forms() throws(ToolError) -> [CommandForm] {
        let forms = page.forms.filter { verb.isEmpty ? $0.verbs.isEmpty : $0.verbs.contains(verb) }
        guard forms.isEmpty else { return forms }
        let list = page.verbs.dropLast().joined(separator: ", ")
        let last = page.verbs.last ?? ""
        throw .usage("'tapeline \(command)' wants \(list.isEmpty ? last : "\(list) or \(last)")")
    }

    /// Throws unless one of the forms has so many words.
    private func checkWords(_ forms: [CommandForm]) throws(ToolError) {
        guard page.words == .counted, !forms.contains(where: { $0.count.contains(words.count) })
        else { return }
        let most = forms.map(\.count.upperBound).max() ?? 0
        if words.count > most { throw notTaken(words[most]) }
        throw .usage(
            "'tapeline \(command)' wants "
                + forms.map { $0.wanted.joined(separator: " ") }.joined(separator: ", or "))
    }

    // MARK: options

    /// Returns the case that the verb names. Words that are no verb of the page were refused
    /// before.
    func verbCase<Verb: RawRepresentable>() throws(ToolError) -> Verb
    where Verb.RawValue == String {
        guard let known = Verb(rawValue: verb) else { throw notTaken(verb) }
        return known
    }

    func has(_ flag: String) -> Bool { options.contains { $0.name == flag } }

    func all(_ option: String) -> [String] {
        options.filter { $0.name == option }.map(\.value)
    }

    /// Returns the value of an option that may be given only once.
    func one(_ option: String) throws(ToolError) -> String? {
        let given = all(option)
        guard given.count <= 1 else { throw .usage("\(option) is given twice") }
        return given.first
    }

    /// CSV is made of what JSON has.
    var asJSON: Bool { has("--json") || has("--csv") }
    var isConfirmed: Bool { has("--yes") }
    var isDryRun: Bool { has("--dry-run") }

    /// Throws if `--json` would need a person's consent.
    func requireConsent() throws(ToolError) {
        guard asJSON, !isConfirmed, !isDryRun else { return }
        let dry = page.takes("--dry-run", verb: verb) ? " or --dry-run" : ""
        throw .usage("--json asks nobody: give --yes\(dry) with it")
    }

    func integer(_ option: String, in range: ClosedRange<Int>) throws(ToolError) -> Int? {
        guard let text = try one(option) else { return nil }
        return try Self.integer(text, option, in: range)
    }

    static func integer(
        _ text: String, _ what: String, in range: ClosedRange<Int>
    ) throws(ToolError) -> Int {
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(text),
            range.contains(number)
        else {
            let bounds =
                range.upperBound == Int.max
                ? "of at least \(range.lowerBound)"
                : "from \(range.lowerBound) to \(range.upperBound)"
            throw .usage("\(what) wants a number \(bounds), not '\(text.prefix(20))'")
        }
        return number
    }

    /// Returns the case that the option names.
    func choice<Choice: RawRepresentable & CaseIterable>(
        _ option: String
    ) throws(ToolError) -> Choice? where Choice.RawValue == String {
        guard let text = try one(option) else { return nil }
        guard let choice = Choice(rawValue: text) else {
            let all = Choice.allCases.map { $0.rawValue }.joined(separator: ", ")
            throw .usage("\(option) is one of \(all), not '\(text.prefix(20))'")
        }
        return choice
    }

    /// Returns the source of `--source`, to which the command is limited. `nil` means all sources.
    func source() throws(ToolError) -> SourceName? {
        guard let text = try one("--source") else { return nil }
        guard let source = SourceName(text) else {
            throw .usage("'\(text.prefix(40))' is no source: a-z, 0-9 and -, at most 24")
        }
        return source
    }

    /// Returns the seconds of `--timeout` if `--wait` is given.
    func waitSeconds(default usual: Int) throws(ToolError) -> Int? {
        let seconds = try integer("--timeout", in: 1...86_400)
        guard seconds == nil || has("--wait") else {
            throw .usage("--timeout is for --wait: give both")
        }
        return has("--wait") ? seconds ?? usual : nil
    }

    /// Returns the partitions of `--partition`, without words that are none.
    func partition(_ text: String, _ what: String = "--partition") throws(ToolError) -> Partition {
        let range = 0...(Partition.countRange.upperBound - 1)
        return Partition(try Self.integer(text, what, in: range))
    }

    /// Returns the file of `-o`. `nil` means standard output.
    func output() throws(ToolError) -> String? {
        let long = try one("--output")
        let path = try one("-o") ?? long
        return path == "-" ? nil : path
    }

    /// Returns a person's note of at most so many bytes.
    func note(_ option: String, bytesMax: Int) throws(ToolError) -> String? {
        guard let note = try one(option) else { return nil }
        guard note.utf8.count <= bytesMax,
            note.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
        else { throw .usage("\(option) wants one line of at most \(bytesMax) bytes") }
        return note
    }

    // MARK: times

    private func readZone(_ name: String) throws(ToolError) -> TimeWords {
        guard !has("--day") else {
            throw .usage("--day is a day in UTC: with --zone give --from and --to")
        }
        let times = page.timeOptions
        let hasWord = page.forms.contains { $0.wanted.contains("TIME") }
        guard hasWord || times.contains(where: has) else {
            throw .usage(
                "--zone says how the times of \(times.joined(separator: ", ")) are meant: "
                    + "give one of them")
        }
        return try TimeWords(named: name, now: now)
    }

    /// Returns a time that is given as a word.
    func time(_ word: String, _ what: String) throws(ToolError) -> Timestamp {
        try TailPlace.time(zone?.utc(word) ?? word, what, now: now)
    }

    func time(_ option: String) throws(ToolError) -> Timestamp? {
        guard let text = try one(option) else { return nil }
        return try time(text, option)
    }

    func neededTime(_ option: String) throws(ToolError) -> Timestamp {
        guard let time = try time(option) else {
            throw .usage("'tapeline \(command)' wants \(option) TIME")
        }
        return time
    }

    func place(_ option: String) throws(ToolError) -> TailPlace? {
        guard let text = try one(option) else { return nil }
        return try TailPlace.parse(zone?.utc(text) ?? text, option, now: now)
    }

    /// Returns the beginning of the UTC day of `--day`.
    func day() throws(ToolError) -> Timestamp? {
        guard let text = try one("--day") else { return nil }
        guard let day = TailPlace.day(text, now: now) else {
            throw .usage(
                "--day wants a day of UTC (2026-11-20, today, yesterday), "
                    + "not '\(text.prefix(40))'")
        }
        return day
    }

    func neededDay() throws(ToolError) -> Timestamp {
        guard let day = try day() else {
            throw .usage(
                "'tapeline \(command)' wants --day: a day of UTC (2026-11-20, yesterday)")
        }
        return day
    }

    /// Throws unless the first time is before the second one.
    static func require(_ from: Timestamp, before to: Timestamp) throws(ToolError) {
        guard from < to else { throw .usage("--from has to come before --to") }
    }

    // MARK: names

    /// Returns the symbols that are given as words, each once.
    func symbols() throws(ToolError) -> [Symbol] { try symbols(words[...]) }

    func symbols(_ words: ArraySlice<String>) throws(ToolError) -> [Symbol] {
        var symbols: [Symbol] = []
        for word in words {
            let symbol = try symbol(word)
            if !symbols.contains(symbol) { symbols.append(symbol) }
        }
        return symbols
    }

    func symbol(_ word: String) throws(ToolError) -> Symbol {
        guard !word.contains(",") else {
            throw .usage("'\(word.prefix(40))' has a comma: each symbol is a word of its own")
        }
        guard let symbol = Symbol(word) else {
            throw .usage(
                "'\(word.prefix(40))' is no symbol: 1 to \(Symbol.utf8CountMax) bytes without "
                    + "control characters")
        }
        return symbol
    }

    func series(_ word: String) throws(ToolError) -> SeriesName {
        guard let series = SeriesName(word) else {
            throw .usage("'\(word.prefix(64))' is no name of a series")
        }
        return series
    }

    /// Returns the series of `--series`, each once.
    func seriesList() throws(ToolError) -> [SeriesName] {
        var list: [SeriesName] = []
        for text in all("--series").flatMap({ $0.split(separator: ",") }) {
            let series = try series(String(text))
            if !list.contains(series) { list.append(series) }
        }
        return list
    }
}
