import MarketModel
import Primitives
import StoreIntents

/// What NATS keeps for one input of one partition: the record of intents, and the position with its
/// counts, which is that of the record.
struct KeptIntent {
    static let version = 1

    let record: IntentRecord
    let position: SinkPosition
    /// The database that has the rows; empty: it does not say what it is.
    let database: String
    /// What the next batch names in the store: ordinals of a declared batch that is gone.
    var owed: [SinkGap] = []

    func json(of store: MarkOwner) -> [UInt8] {
        var json = JSONWriter(capacity: 1_024)
        json.object(version: Self.version) { json in
            json.member("record", String(decoding: record.json, as: UTF8.self))
            json.member("mark", position.mark(of: store))
            json.member("database", database)
            guard !owed.isEmpty else { return }
            json.array("owed") { json in
                for gap in owed {
                    json.object { json in
                        json.member("source", gap.source.text)
                        json.member("first_ordinal", gap.ordinals.lowerBound)
                        json.member("last_ordinal", gap.ordinals.upperBound)
                        json.member("epoch", gap.epoch)
                    }
                }
            }
        }
        return json.bytes
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
            guard let gap = SinkGap(owed: entry) else { throw .damaged("what it owes is no gap") }
            owed.append(gap)
        }
        self.record = try IntentRecord(json: Array(record.utf8))
        do throws(OwnStoreError) {
            position = try SinkPosition(mark: mark, of: place, store: store)
        } catch {
            throw .damaged(error.description)
        }
    }
}

extension SinkGap {
    fileprivate init?(owed json: JSONValue) {
        guard let source = json["source"]?.string.flatMap({ SourceName($0) }),
            let first = json["first_ordinal"]?.uint64, let last = json["last_ordinal"]?.uint64,
            let epoch = json["epoch"]?.uint64, first <= last
        else { return nil }
        self.init(source: source, ordinals: first...last, reason: .tapeLost, epoch: epoch)
    }
}
