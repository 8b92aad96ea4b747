import MarketModel
import Primitives

/// The gaps of a source in one partition that wait to be filled, from the stored ledger of its
/// gateway. Pure.
///
/// A ledger follows the tape packet by packet. On a new tape only what is missing is still true.
/// The position in the tape is not, nor are the instruments that were requested, nor the last
/// trades, from which a gateway would continue and fetch again what the database has.
struct WaitingGaps: Equatable, Sendable {
    /// The newest version of a ledger that is known here.
    static let version = 1

    struct Gap: Equatable, Sendable {
        let symbol: Symbol
        /// The interval is [from, to). `to` is undefined while the gap lasts.
        let from: Timestamp
        let to: Timestamp
        /// The stored part, with its kind and reason.
        fileprivate let part: JSONValue
    }

    /// The last ordinal that the ledger contains.
    let lastOrdinal: UInt64
    /// In order of the symbols.
    let gaps: [Gap]

    init(json bytes: [UInt8]) throws(VersionedJSON.Refusal) {
        let json = try VersionedJSON.read(bytes, upTo: Self.version)
        guard let last = json["last_ordinal"]?.uint64, last < UInt64.max,
            json["sequence"]?.uint64 != nil, json["whole"]?.bool != nil,
            let symbols = json["symbols"]?.array
        else { throw .damaged("a member is missing, or is no such value") }
        lastOrdinal = last
        var gaps: [Gap] = []
        for entry in symbols {
            guard let symbol = entry["symbol"]?.string.flatMap({ Symbol($0) }) else {
                throw .damaged("one of its symbols is none")
            }
            for part in entry["missing"]?.array ?? [] {
                gaps.append(try Self.gap(symbol, part))
            }
        }
        self.gaps = gaps
    }

    private static func gap(
        _ symbol: Symbol, _ part: JSONValue
    ) throws(VersionedJSON.Refusal) -> Gap {
        guard part["kind"]?.int.flatMap({ UInt8(exactly: $0) }) != nil,
            part["reason"]?.int.flatMap({ UInt8(exactly: $0) }) != nil,
            let from = part["from"]?.int
        else { throw .damaged("what is missing of \(symbol.text.prefix(40)) cannot be read") }
        let to = part["to"]?.int.map { Timestamp(nanoseconds: Int64($0)) } ?? .undefined
        return Gap(
            symbol: symbol, from: Timestamp(nanoseconds: Int64(from)), to: to, part: part)
    }

    /// Returns a ledger that says of these gaps that they are missing, and nothing else, as at the
    /// beginning of a tape. It is not whole: what was requested since then is not known.
    static func ledger(_ gaps: [Gap], time: Timestamp) -> [UInt8] {
        JSONWriter.made(capacity: 256 + gaps.count * 128, version: version) { json in
            json.member("time", time.description)
            json.member("sequence", 0)
            json.member("last_ordinal", 0)
            json.member("whole", false)
            json.array("symbols") { json in
                var rest = gaps[...]
                while let symbol = rest.first?.symbol {
                    let own = rest.prefix { $0.symbol == symbol }
                    rest = rest.dropFirst(own.count)
                    json.object { write(symbol, own, into: &$0) }
                }
            }
        }.bytes
    }

    private static func write(
        _ symbol: Symbol, _ gaps: ArraySlice<Gap>, into json: inout JSONWriter
    ) {
        json.member("symbol", symbol.text)
        json.member("fed", 0)
        json.member("known", false)
        json.array("missing") { json in for gap in gaps { json.value(gap.part) } }
    }
}
