import MarketModel
import Primitives

// The stored form of a ledger, which a person can read, too.
extension PartitionLedger {
    static let version = 1

    func json(time: Timestamp) -> [UInt8] {
        var json = JSONWriter(capacity: 256 + entries.count * 96)
        json.object(version: Self.version) { json in
            json.member("time", time.description)
            json.member("sequence", position.sequence)
            json.member("last_ordinal", position.lastOrdinal)
            json.member("whole", isWhole)
            json.member(
                "symbols",
                array: { json in
                    for (symbol, entry) in entries.sorted(by: { $0.key.text < $1.key.text }) {
                        json.object { Self.write(symbol, entry, into: &$0) }
                    }
                })
        }
        return json.bytes
    }

    private static func write(_ symbol: Symbol, _ entry: Entry, into json: inout JSONWriter) {
        json.member("symbol", symbol.text)
        json.member("fed", entry.fed)
        json.member("known", entry.isKnown)
        guard !entry.missing.parts.isEmpty else { return }
        json.member(
            "missing",
            array: { json in
                for part in entry.missing.parts { json.object { write(part, into: &$0) } }
            })
    }

    private static func write(_ part: MissingPart, into json: inout JSONWriter) {
        json.member("kind", part.kind)
        json.member("reason", part.reason)
        json.member("from", part.from.nanoseconds)
        if part.hasEnded { json.member("to", part.to.nanoseconds) }
        guard let begun = part.begun else { return }
        json.member("done", begun.done.nanoseconds)
        json.member("doubtful", begun.doubtful.nanoseconds)
        json.member("bars", begun.areBars)
    }

    /// Parses a stored ledger. A ledger with any damage is refused completely.
    init(json bytes: [UInt8]) throws(VersionedJSON.Refusal) {
        let json = try VersionedJSON.read(bytes, upTo: Self.version)
        self.init()
        guard let sequence = json["sequence"]?.uint64, let last = json["last_ordinal"]?.uint64,
            last < UInt64.max, let isWhole = json["whole"]?.bool,
            let symbols = json["symbols"]?.array
        else { throw .damaged("a member is missing, or is no such value") }
        position = Position(sequence: sequence, lastOrdinal: last)
        self.isWhole = isWhole
        for value in symbols {
            guard let symbol = value["symbol"]?.string.flatMap({ Symbol($0) }),
                let fed = value["fed"]?.int.flatMap({ UInt16(exactly: $0) }),
                let isKnown = value["known"]?.bool
            else { throw .damaged("one of its symbols is none") }
            let parts = try (value["missing"]?.array ?? []).map(Self.part)
            entries[symbol] = Entry(fed: fed, isKnown: isKnown, missing: MissingParts(parts))
        }
    }

    private static func part(_ value: JSONValue) throws(VersionedJSON.Refusal) -> MissingPart {
        func time(_ key: String) -> Timestamp? {
            value[key]?.int.map { Timestamp(nanoseconds: Int64($0)) }
        }
        guard let kind = value["kind"]?.int.flatMap({ UInt8(exactly: $0) }),
            let reason = value["reason"]?.int.flatMap({ UInt8(exactly: $0) }),
            let from = time("from")
        else { throw .damaged("what is missing of a symbol cannot be read") }
        var part = MissingPart(
            kind: kind, reason: reason, from: from, to: time("to") ?? .undefined)
        if let done = time("done"), let doubtful = time("doubtful") {
            part.begun = MissingPart.Begun(
                done: done, doubtful: doubtful, areBars: value["bars"]?.bool ?? false)
        }
        return part
    }
}
