import MarketModel
import NatsTransport
import Primitives
import StoreIntents
import StoreSinks

/// What NATS keeps for one input of one partition: the record of intents, and the position with its
/// counts, which is that of the record.
struct KeptIntent {
    static let version = 1
    /// A bucket of NATS takes no more.
    static let bytesMax = KeyValueLimits.valueBytesMax

    let record: IntentRecord
    let position: SinkPosition
    /// The database that has the rows; empty: it does not say what it is.
    let database: String
    /// What the next batch names in the store: ordinals of a declared batch that is gone.
    var owed: [SinkGap] = []

    func json(of store: MarkOwner) -> [UInt8] {
        JSONWriter.made(capacity: 1_024, version: Self.version) { json in
            json.member("record", String(decoding: record.json, as: UTF8.self))
            json.member("mark", position.mark(of: store))
            json.member("database", database)
            guard !owed.isEmpty else { return }
            json.array("owed") { json in for gaps in owedRuns { Self.write(gaps, into: &json) } }
        }.bytes
    }

    /// What it owes, divided where a source, its epoch or the order changes.
    private var owedRuns: [ArraySlice<SinkGap>] {
        var runs: [ArraySlice<SinkGap>] = []
        var start = 0
        for index in owed.indices.dropFirst() where !owed[index].goesOn(after: owed[index - 1]) {
            runs.append(owed[start..<index])
            start = index
        }
        if start < owed.count { runs.append(owed[start...]) }
        return runs
    }

    private static func write(_ gaps: ArraySlice<SinkGap>, into json: inout JSONWriter) {
        guard let first = gaps.first else { return }
        json.object { json in
            json.member("source", first.source.text)
            json.member("epoch", first.epoch)
            json.member("first_ordinal", first.ordinals.lowerBound)
            json.member("lengths", values: OrdinalRuns.lengths(of: gaps.map(\.ordinals)))
        }
    }

    init(
        _ record: IntentRecord, _ position: SinkPosition, database: String, owed: [SinkGap] = []
    ) {
        self.record = record
        self.position = position
        self.database = database
        self.owed = owed
    }

    init(
        json bytes: [UInt8], of place: SinkPlace, store: MarkOwner
    ) throws(VersionedJSON.Refusal) {
        let json = try VersionedJSON.read(bytes, upTo: Self.version)
        guard let record = json["record"]?.string, let mark = json["mark"]?.string,
            let database = json["database"]?.string
        else { throw .damaged("it is no record of intents") }
        self.database = database
        for entry in json["owed"]?.array ?? [] {
            guard let gaps = Self.gaps(entry) else { throw .damaged("what it owes is no gap") }
            owed += gaps
        }
        self.record = try IntentRecord(json: Array(record.utf8))
        do throws(OwnStoreError) {
            position = try SinkPosition(mark: mark, of: place, store: store)
        } catch {
            throw .damaged(error.description)
        }
    }

    private static func gaps(_ json: JSONValue) -> [SinkGap]? {
        guard let source = json["source"]?.string.flatMap({ SourceName($0) }),
            let epoch = json["epoch"]?.uint64, let ranges = OrdinalRuns.ranges(in: json)
        else { return nil }
        return ranges.map {
            SinkGap(source: source, ordinals: $0, reason: .tapeLost, epoch: epoch)
        }
    }
}

extension SinkGap {
    fileprivate func goesOn(after other: SinkGap) -> Bool {
        source == other.source && epoch == other.epoch
            && other.ordinals.upperBound < ordinals.lowerBound
    }
}
