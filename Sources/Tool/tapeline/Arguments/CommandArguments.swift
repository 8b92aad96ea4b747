import MarketModel
import Primitives

/// The arguments after a command's word, sorted into words, options with a value, and flags. The
/// command itself interprets them.
struct CommandArguments {
    let command: String
    /// Arguments that are not options, in the order given.
    private(set) var words: [String] = []
    private var values: [String: [String]] = [:]
    private var flags: Set<String> = []

    /// The maximum number of times an option may be repeated.
    static let repeatsMax = 1_024

    /// The options with a value and the flags that a command accepts, by name (`--json`).
    struct Taken {
        var values: Set<String> = []
        var flags: Set<String> = []
    }

    init(_ command: String, _ arguments: [String], _ taken: Taken) throws(ToolError) {
        self.command = command
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if argument == "--" {
                words += rest
                return
            }
            guard argument.hasPrefix("-"), argument.count > 1 else {
                words.append(argument)
                continue
            }
            let equals = argument.firstIndex(of: "=")
            let option = equals.map { String(argument[..<$0]) } ?? argument
            let attached = equals.map { String(argument[argument.index(after: $0)...]) }
            if taken.flags.contains(option) {
                guard attached == nil else { throw .usage("\(option) takes no value") }
                flags.insert(option)
            } else if taken.values.contains(option) {
                try add(option, attached ?? rest.popFirst())
            } else {
                throw Self.notTaken(option, by: command, taken.values.union(taken.flags))
            }
        }
    }

    static func notTaken(
        _ option: String, by command: String, _ taken: some Sequence<String>
    ) -> ToolError {
        let near = NearestName.of(option, in: taken).map { ": did you mean \($0)?" } ?? ""
        return .usage("'tapeline \(command)' does not take '\(option.prefix(64))'\(near)")
    }

    private mutating func add(_ option: String, _ value: String?) throws(ToolError) {
        guard let value, !value.isEmpty, !value.hasPrefix("--") else {
            throw .usage("\(option) wants a value")
        }
        guard values[option, default: []].count < Self.repeatsMax else {
            throw .usage("\(option) may come \(Self.repeatsMax) times at most")
        }
        values[option, default: []].append(value)
    }

    func has(_ flag: String) -> Bool { flags.contains(flag) }

    func all(_ option: String) -> [String] { values[option] ?? [] }

    /// Returns the value of an option that may be given only once.
    func one(_ option: String) throws(ToolError) -> String? {
        let given = all(option)
        guard given.count <= 1 else { throw .usage("\(option) is given twice") }
        return given.first
    }

    func integer(_ option: String, in range: ClosedRange<Int>) throws(ToolError) -> Int? {
        guard let text = try one(option) else { return nil }
        return try Self.integer(text, option, in: range)
    }

    /// Returns the source of `--source`, to which the command is limited. `nil` means all sources.
    func source() throws(ToolError) -> SourceName? {
        guard let text = try one("--source") else { return nil }
        guard let source = SourceName(text) else {
            throw .usage("'\(text.prefix(40))' is no source: a-z, 0-9 and -, at most 24")
        }
        return source
    }

    /// Returns the beginning of the UTC day of `--day`.
    func day(now: Timestamp) throws(ToolError) -> Timestamp? {
        guard let text = try one("--day") else { return nil }
        guard let day = TailPlace.day(text, now: now) else {
            throw .usage(
                "--day wants a day of UTC (2026-11-20, today, yesterday), "
                    + "not '\(text.prefix(40))'")
        }
        return day
    }

    /// Returns the symbols that are given as words.
    func symbols() throws(ToolError) -> [Symbol] {
        var symbols: [Symbol] = []
        for word in words {
            guard let symbol = Symbol(word) else {
                throw .usage("'\(word.prefix(64))' is no symbol")
            }
            if !symbols.contains(symbol) { symbols.append(symbol) }
        }
        return symbols
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

    /// Throws with the reason unless exactly `count` words were given.
    func requireWords(_ count: Int, _ what: String) throws(ToolError) {
        guard words.count == count else { throw .usage("'tapeline \(command)' wants \(what)") }
    }
}
