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

    func json(of store: MarkOwner) -> [UInt8] {
        var json = JSONWriter(capacity: 1_024)
        json.object(version: Self.version) { json in
            json.member("record", String(decoding: record.json, as: UTF8.self))
            json.member("mark", position.mark(of: store))
            json.member("database", database)
        }
        return json.bytes
    }

    init(_ record: IntentRecord, _ position: SinkPosition, database: String) {
        self.record = record
        self.position = position
        self.database = database
    }

    init(
        json bytes: [UInt8], of place: SinkPlace, store: MarkOwner
    ) throws(VersionedJSON.Refusal) {
        let json = try VersionedJSON.read(bytes, upTo: Self.version)
        guard let record = json["record"]?.string, let mark = json["mark"]?.string,
            let database = json["database"]?.string
        else { throw .damaged("it is no record of intents") }
        self.database = database
        self.record = try IntentRecord(json: Array(record.utf8))
        do throws(OwnStoreError) {
            position = try SinkPosition(mark: mark, of: place, store: store)
        } catch {
            throw .damaged(error.description)
        }
    }
}
