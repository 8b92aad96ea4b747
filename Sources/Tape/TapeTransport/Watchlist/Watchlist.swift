package import MarketModel
package import Primitives

/// What people have changed of a source's instruments: the value of the key
/// `watchlist.<source>.wanted` in the bucket of sources. The active gateway of the source joins it
/// with its own list, from files or from its settings.
///
/// An entry is the latest word of a person about one symbol. It says who, when and why.
package struct Watchlist: SourceValue {
    package static func key(of source: SourceName) -> String { "watchlist.\(source).wanted" }

    static let version = 1

    /// The most entries. Beyond it the oldest removals that have no effect any more are dropped;
    /// if that is not enough, a change is refused.
    package static let entriesMax = 1_024
    /// The most bytes of the stored value. Larger ones are refused.
    package static let bytesMax = 256 << 10
    package static let noteBytesMax = 200
    package static let requesterBytesMax = 100
    package static let definitionBytesMax = 2_048

    package enum Change: Hashable, Sendable {
        /// The symbol is wanted. The definition is its instrument as JSON, with the keys of the
        /// files; empty for a provider that delivers by symbol alone.
        case added(definition: String)
        /// The symbol is not wanted. `hidesListed`: the gateway's own list had it, and that entry
        /// does not count until the symbol is added again.
        case removed(hidesListed: Bool)
    }

    package struct Entry: Hashable, Sendable {
        package var change: Change
        /// Who asked for it, as `user@host`.
        package var requester: String
        package var time: Timestamp
        /// Why, in one line.
        package var note: String

        package init(_ change: Change, by requester: String, at time: Timestamp, note: String) {
            self.change = change
            self.requester = requester
            self.time = time
            self.note = note
        }

        /// Whether the gateway needs it: other entries only tell who removed an added symbol.
        package var hasEffect: Bool { change != .removed(hidesListed: false) }
    }

    package private(set) var entries: [Symbol: Entry] = [:]

    package init() {}

    /// The entries, in order of the symbols.
    package var sorted: [(symbol: Symbol, entry: Entry)] {
        entries.map { (symbol: $0.key, entry: $0.value) }
            .sorted { $0.symbol.text < $1.symbol.text }
    }

    package subscript(_ symbol: Symbol) -> Entry? { entries[symbol] }

    /// Replaces what is said about the symbol; `nil`: nothing is said any more.
    package mutating func set(_ symbol: Symbol, _ entry: Entry?) { entries[symbol] = entry }

    /// Drops the oldest entries without effect while there are too many entries.
    package mutating func trim() {
        let excess = entries.count - Self.entriesMax
        guard excess > 0 else { return }
        let idle = entries.filter { !$0.value.hasEffect }
            .sorted { ($0.value.time, $0.key.text) < ($1.value.time, $1.key.text) }
        for (symbol, _) in idle.prefix(excess) { entries[symbol] = nil }
    }

    /// Why it cannot be stored; `nil` if it can.
    package var problem: String? {
        if entries.count > Self.entriesMax {
            return "\(entries.count) symbols would be changed beside the gateway's own list, and "
                + "\(Self.entriesMax) are the most: put them into the list of the gateway"
        }
        let bytes = json.count
        guard bytes > Self.bytesMax else { return nil }
        return "the record would have \(bytes) bytes, and \(Self.bytesMax) are the most: put "
            + "instruments into the list of the gateway"
    }

    // MARK: JSON

    package var json: [UInt8] {
        JSONWriter.made(capacity: 64 + entries.count * 256, version: Self.version) { json in
            json.array("entries") { json in
                for (symbol, entry) in sorted { Self.write(symbol, entry, into: &json) }
            }
        }.bytes
    }

    private static func write(_ symbol: Symbol, _ entry: Entry, into json: inout JSONWriter) {
        json.object { json in
            json.member("symbol", symbol.text)
            switch entry.change {
            case .added(let definition):
                json.member("change", "added")
                json.member("definition", definition)
            case .removed(let hidesListed):
                json.member("change", "removed")
                json.member("hides_listed", hidesListed)
            }
            json.member("who", entry.requester)
            json.member("time", entry.time.description)
            json.member("time_ns", entry.time.nanoseconds)
            json.member("note", entry.note)
        }
    }

    /// Reads a stored value. When any part is damaged, none of it is used.
    package init(json bytes: [UInt8]) throws(VersionedJSON.Refusal) {
        let json = try VersionedJSON.read(bytes, upTo: Self.version)
        guard let stored = json["entries"]?.array, stored.count <= Self.entriesMax else {
            throw .damaged("it has no entries, or more than \(Self.entriesMax)")
        }
        for one in stored {
            guard let symbol = one["symbol"]?.string.flatMap({ Symbol($0) }),
                entries[symbol] == nil
            else { throw .damaged("a symbol is none, or is there twice") }
            entries[symbol] = try Self.entry(one, symbol)
        }
    }

    private static func entry(
        _ json: JSONValue, _ symbol: Symbol
    ) throws(VersionedJSON.Refusal) -> Entry {
        guard let requester = json["who"]?.string, let note = json["note"]?.string,
            let time = json["time_ns"]?.int, requester.utf8.count <= requesterBytesMax,
            note.utf8.count <= noteBytesMax
        else { throw .damaged("the entry of \(symbol.text.prefix(40)) does not say who and when") }
        return Entry(
            try change(json, symbol), by: requester, at: Timestamp(nanoseconds: Int64(time)),
            note: note)
    }

    private static func change(
        _ json: JSONValue, _ symbol: Symbol
    ) throws(VersionedJSON.Refusal) -> Change {
        switch json["change"]?.string {
        case "added":
            guard let definition = json["definition"]?.string,
                definition.utf8.count <= definitionBytesMax
            else { throw .damaged("the entry of \(symbol.text.prefix(40)) defines nothing") }
            return .added(definition: definition)
        case "removed":
            return .removed(hidesListed: json["hides_listed"]?.bool ?? false)
        case nil: throw .damaged("the entry of \(symbol.text.prefix(40)) does not say what")
        case let other?: throw .newer("the change \(other.prefix(40)) is not known")
        }
    }
}
