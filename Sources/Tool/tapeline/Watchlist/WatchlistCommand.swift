import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import TapeTransport

/// `tapeline watchlist list | add | remove`.
struct WatchlistCommand: ToolCommand {
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

    static let page = CommandPage(
        "watchlist", .choice, "add and remove instruments of a running source",
        also: [.json] + fieldOptions,
        """
        watchlist list
            the instruments of each source: of the gateway's own list, added or removed, by whom and
            when, and what the provider says of each
        watchlist add SYMBOL... --note TEXT
            have the gateway want them beside its own list, from now on and after each start; a
            removed one of its own list is wanted again
        watchlist remove SYMBOL... --note TEXT
            end added ones, or those of the gateway's own list until they are added again; what is
            on the tape stays
        --source NAME
            its source; may be left out where only one can be changed
        --note TEXT
            add, remove: why, in one line, for others
        --exchange SMART, --currency USD, --feeds quotes,bars, ...
            add: fields of the contract, by the keys of the lists of instruments
            (--primary-exchange is primary_exchange). A stock without them is traded at
            SMART in USD, and its quotes are requested. synthetic takes symbols alone
        $ tapeline watchlist add NVDA AMD --note "asked by the desk"
        $ tapeline watchlist add EUR/USD --security forex --exchange IDEALPRO --note hedge
        $ tapeline watchlist remove AMD --source ibkr --note "not traded any more"
        """)

    /// The page names only some of them.
    private static let fieldOptions = InstrumentFile.fieldKeys.map { key in
        CommandOption("\(WatchlistCommand.option(key)) TEXT", [], of: ["add"])
    }

    static func read(_ given: CommandArguments) throws(ToolError) -> WatchlistCommand {
        let verb: Verb =
            switch given.verb {
            case "list": .list
            case "add": .add(try given.symbols())
            default: .remove(try given.symbols())
            }
        var command = WatchlistCommand(
            verb: verb, target: try TapeTarget(given), source: try given.source(),
            asJSON: given.asJSON)
        guard verb != .list else { return command }
        guard let note = try given.note("--note", bytesMax: Watchlist.noteBytesMax) else {
            throw .usage("'tapeline \(given.command)' wants --note TEXT: it says why, for others")
        }
        command.note = note
        if given.verb == "add" { command.fields = try fields(given) }
        return command
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        try WatchlistRun(command: self, terminal: tool.terminal).run(tool.deployment(target))
    }

    /// Returns the option for a key of the files: `--primary-exchange` for `primary_exchange`.
    static func option(_ key: String) -> String {
        "--" + String(key.map { $0 == "_" ? "-" : $0 })
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
        return JSONWriter.made { json in
            json.member("symbol", symbol.text)
            for (key, text) in fields.sorted(by: { $0.key < $1.key }) {
                Self.write(key, text, into: &json)
            }
        }.text
    }

    private static func write(_ key: String, _ text: String, into json: inout JSONWriter) {
        if InstrumentFile.listKeys.contains(key) {
            let words = text.split(separator: ",", omittingEmptySubsequences: false)
            json.array(key) { json in for word in words { json.value(String(word)) } }
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
