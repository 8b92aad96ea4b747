import MarketModel
import Primitives

// The stored form of a ledger, which a person can read, too.
extension PartitionLedger {
    static let version = 1

    func json(time: Timestamp) -> [UInt8] {
        JSONWriter.made(capacity: 256 + entries.count * 96, version: Self.version) { json in
            json.member("time", time.description)
            json.member("sequence", position.sequence)
            json.member("last_ordinal", position.lastOrdinal)
            json.member("whole", isWhole)
            json.member("symbols", each: entries.sorted { $0.key.text < $1.key.text }) {
                Self.write($0.key, $0.value, into: &$1)
            }
        }.bytes
    }

    private static func write(_ symbol: Symbol, _ entry: Entry, into json: inout JSONWriter) {
        json.member("symbol", symbol.text)
        json.member("fed", entry.fed)
        json.member("known", entry.isKnown)
        if let ids = entry.ids {
            json.member("last_id", ids.last.id)
            json.member("last_time", ids.last.time.nanoseconds)
            if !ids.holes.isEmpty {
                json.member("missing_ids", each: ids.holes) { write($0, into: &$1) }
            }
        }
        if !entry.values.values.isEmpty {
            json.member("values", each: entry.values.values) { write($0, into: &$1) }
        }
        guard !entry.missing.parts.isEmpty else { return }
        json.member("missing", each: entry.missing.parts) { write($0, into: &$1) }
    }

    /// A value has more digits than the numbers of some readers, so it is a text.
    private static func write(_ value: LastValues.Value, into json: inout JSONWriter) {
        json.member("period", value.periodStart.nanoseconds)
        json.member("value", "\(value.value)")
        json.member("revision", value.revision)
    }

    private static func write(_ hole: TradeIDs.Hole, into json: inout JSONWriter) {
        json.member("first", hole.ids.lowerBound)
        json.member("last", hole.ids.upperBound - 1)
        json.member("from", hole.from.nanoseconds)
        json.member("to", hole.to.nanoseconds)
        if hole.isSkipped { json.member("skipped", true) }
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
            var entry = Entry(fed: fed, isKnown: isKnown, missing: MissingParts(parts))
            if let id = value["last_id"]?.uint64, id < UInt64.max,
                let time = value["last_time"]?.int
            {
                entry.ids = TradeIDs(
                    LastTrade(id: id, time: Timestamp(nanoseconds: Int64(time))),
                    holes: try (value["missing_ids"]?.array ?? []).map(Self.hole))
            }
            entry.values = LastValues(try (value["values"]?.array ?? []).map(Self.value))
            entries[symbol] = entry
        }
    }

    private static func value(
        _ value: JSONValue
    ) throws(VersionedJSON.Refusal) -> LastValues.Value {
        guard let period = value["period"]?.int,
            let number = value["value"]?.string.flatMap({ Int128($0) }),
            let revision = value["revision"]?.uint64
        else { throw .damaged("the last values of a symbol cannot be read") }
        return LastValues.Value(
            periodStart: Timestamp(nanoseconds: Int64(period)), value: number, revision: revision)
    }

    private static func hole(_ value: JSONValue) throws(VersionedJSON.Refusal) -> TradeIDs.Hole {
        guard let first = value["first"]?.uint64, let last = value["last"]?.uint64,
            last < UInt64.max, (1...last + 1).contains(first), let from = value["from"]?.int,
            let to = value["to"]?.int
        else { throw .damaged("the missing ids of a symbol cannot be read") }
        return TradeIDs.Hole(
            ids: first..<last + 1, from: Timestamp(nanoseconds: Int64(from)),
            to: Timestamp(nanoseconds: Int64(to)), isSkipped: value["skipped"]?.bool ?? false)
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
