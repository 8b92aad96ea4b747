import MarketModel
import Primitives
import ProviderKit
import TapeTransport

/// `tapeline watchlist list | add | remove`.
struct WatchlistCommand: Equatable, Sendable {
    enum Verb: Equatable, Sendable {
        case list
        case add([Symbol])
        case remove([Symbol])
    }

    let verb: Verb
    var target = TapeTarget()
    /// `nil`: the only source whose instruments people can change; of `list` all sources.
    var source: SourceName?
    /// The fields of the contract by the keys of the files, as they were given.
    var fields: [String: String] = [:]
    var note = ""
    var asJSON = false

    /// The keys that name one contract, and so cannot be those of several symbols.
    private static let keysOfOne = ["provider_symbol", "local_symbol", "provider_id"]

    static func parse(_ arguments: [String]) throws(ToolError) -> WatchlistCommand {
        guard let word = arguments.first, ["list", "add", "remove"].contains(word) else {
            throw .usage("'tapeline watchlist' wants list, add or remove")
        }
        var taken = CommandArguments.Taken(
            values: TapeTarget.options.union(["--source"]), flags: ["--json"])
        if word != "list" { taken.values.insert("--note") }
        if word == "add" { taken.values.formUnion(InstrumentFile.fieldKeys.map(option)) }
        let given = try CommandArguments(
            "watchlist \(word)", Array(arguments.dropFirst()), taken)
        var command = WatchlistCommand(verb: try verb(word, given))
        command.target = try TapeTarget(given)
        command.source = try given.source()
        command.asJSON = given.has("--json")
        if word != "list" { command.note = try note(given) }
        if word == "add" { command.fields = try fields(given) }
        return command
    }

    /// Returns the option for a key of the files: `--primary-exchange` for `primary_exchange`.
    static func option(_ key: String) -> String {
        "--" + String(key.map { $0 == "_" ? "-" : $0 })
    }

    private static func verb(
        _ word: String, _ given: CommandArguments
    ) throws(ToolError) -> Verb {
        guard word != "list" else {
            try given.requireWords(0, "options only")
            return .list
        }
        guard !given.words.isEmpty else {
            throw .usage("'tapeline watchlist \(word)' wants symbols")
        }
        var symbols: [Symbol] = []
        for text in given.words {
            guard let symbol = Symbol(text) else {
                throw .usage(
                    "'\(text.prefix(64))' is no symbol: at most \(Symbol.utf8CountMax) bytes "
                        + "without control characters")
            }
            if !symbols.contains(symbol) { symbols.append(symbol) }
        }
        return word == "add" ? .add(symbols) : .remove(symbols)
    }

    private static func note(_ given: CommandArguments) throws(ToolError) -> String {
        guard let note = try given.one("--note") else {
            throw .usage("'tapeline \(given.command)' wants --note TEXT: it says why, for others")
        }
        guard note.utf8.count <= Watchlist.noteBytesMax,
            note.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
        else {
            throw .usage(
                "--note is one line of at most \(Watchlist.noteBytesMax) bytes")
        }
        return note
    }

    private static func fields(
        _ given: CommandArguments
    ) throws(ToolError) -> [String: String] {
        var fields: [String: String] = [:]
        for key in InstrumentFile.fieldKeys { fields[key] = try given.one(option(key)) }
        if given.words.count > 1, let key = keysOfOne.first(where: { fields[$0] != nil }) {
            throw .usage("\(option(key)) is of one contract: add its symbol alone")
        }
        return fields
    }

    // MARK: the definition

    /// Returns the definition of a symbol: the given fields, as JSON with the keys of the files. A
    /// stock is traded at SMART in USD if nothing else is given.
    func definition(of symbol: Symbol) -> String {
        var fields = fields
        if fields["security"] ?? Instrument.Security.stock.rawValue
            == Instrument.Security.stock.rawValue
        {
            fields["exchange"] = fields["exchange"] ?? "SMART"
            fields["currency"] = fields["currency"] ?? "USD"
        }
        var json = JSONWriter(capacity: 256)
        json.object { json in
            json.member("symbol", symbol.text)
            for (key, text) in fields.sorted(by: { $0.key < $1.key }) {
                Self.write(key, text, into: &json)
            }
        }
        return json.text
    }

    private static func write(_ key: String, _ text: String, into json: inout JSONWriter) {
        if InstrumentFile.listKeys.contains(key) {
            let words = text.split(separator: ",", omittingEmptySubsequences: false)
            json.member(key, array: { json in for word in words { json.value(String(word)) } })
        } else if InstrumentFile.numberKeys.contains(key), isNumber(text) {
            json.key(key)
            json.literal(text)
        } else {
            json.member(key, text)
        }
    }

    /// Returns whether the text is digits with at most one point. Other texts are written in
    /// quotes, and the reader of the files says what is wrong with them.
    private static func isNumber(_ text: String) -> Bool {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count <= 2
            && parts.allSatisfy { part in
                !part.isEmpty && part.utf8.allSatisfy { (0x30...0x39).contains($0) }
            }
    }
}
