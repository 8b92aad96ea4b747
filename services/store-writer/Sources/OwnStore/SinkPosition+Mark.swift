import MarketModel
import Primitives
import StoreKit
import TapeCodec
import TapeTransport

// A position as a mark of a user's store: what PostgreSQL has as rows of `sink_positions` and
// `sink_source_ordinals`.
extension SinkPlace {
    /// The name of its mark.
    var mark: String { "\(input.rawValue)/\(partition.number)" }
}

extension SinkPosition {
    static let markVersion = 1

    var place: SinkPlace { SinkPlace(input: input, partition: partition) }

    /// Returns the mark of the position, with its last owner. `store` is the store's name.
    func mark(of store: String) -> String {
        var position = self
        position.forgetBatch()
        var json = JSONWriter(capacity: 512)
        json.object(version: Self.markVersion) { json in
            json.member("store", store)
            json.member("owner", position.owner)
            json.member("owner_epoch", position.ownerEpoch)
            json.array("position") { json in position.write(into: &json) }
        }
        return json.text
    }

    /// Reads a mark. Throws when it is not one of this store.
    init(mark: String, of place: SinkPlace, store: String) throws(OwnStoreError) {
        func unreadable(_ reason: String) -> OwnStoreError {
            OwnStoreError(description: "the mark \(place.mark) \(reason)", fault: .schema)
        }
        let json: JSONValue
        do throws(VersionedJSON.Refusal) {
            json = try VersionedJSON.read(Array(mark.utf8), upTo: Self.markVersion)
        } catch {
            throw unreadable("cannot be read: \(error)")
        }
        guard let name = json["store"]?.string, let owner = json["owner"]?.string,
            let epoch = json["owner_epoch"]?.int, let positions = json["position"]?.array
        else { throw unreadable("is damaged: restore the store from a backup") }
        guard name == store else {
            throw unreadable(
                "is that of the store \(name), and STORE_NAME is \(store): give each store a place "
                    + "of its own")
        }
        self.init(input: place.input, partition: place.partition, ownerEpoch: Int64(epoch))
        self.owner = owner
        guard let stored = positions.first else { return }
        guard let position = TapePosition(mark: stored),
            let sources = stored["sources"]?.array?.map({ SourceAccount($0) }),
            sources.allSatisfy({ $0 != nil })
        else { throw unreadable("has a damaged position: restore the store from a backup") }
        self.sources = sources.compactMap(\.self)
        self.position = position
        self.position?.sources = self.sources.map {
            SourceOrdinal(source: $0.source, epoch: $0.epoch, lastOrdinal: $0.tapeOrdinal)
        }
        if let time = stored["tape_time_ns"]?.int {
            tapeTime = Timestamp(nanoseconds: Int64(time))
        }
    }
}

extension TapePosition {
    /// Reads the place on the tape, without the sources.
    fileprivate init?(mark json: JSONValue) {
        guard let created = json["stream_created_ns"]?.int, let sequence = json["sequence"]?.uint64,
            let epoch = json["packet_epoch"]?.uint64, let ordinal = json["packet_ordinal"]?.uint64,
            let crc = json["packet_crc"]?.int
        else { return nil }
        self.init(
            streamCreated: Timestamp(nanoseconds: Int64(created)), sequence: sequence,
            packet: PacketIdentity(
                epoch: epoch, firstOrdinal: ordinal, checksum: UInt64(bitPattern: Int64(crc))),
            sources: [])
    }
}

extension SinkGap {
    /// The gaps that these positions reveal, as rows of the table `ordinal_gaps`.
    static func table(of positions: [SinkPosition]) -> StoreTable {
        let rows = positions.flatMap { position in position.gaps.map { (position.place, $0) } }
        func column(_ name: String, _ values: StoreColumn.Values) -> StoreColumn {
            StoreColumn(name: name, values: values)
        }
        let first = rows.map { Int64(clamping: $0.1.ordinals.lowerBound) }
        let last = rows.map { Int64(clamping: $0.1.ordinals.upperBound) }
        return StoreTable(
            name: "ordinal_gaps",
            columns: [
                column("input", .text(rows.map { $0.0.input.rawValue })),
                column("partition", .int64(rows.map { Int64($0.0.partition.number) })),
                column("source", .text(rows.map { $0.1.source.text })),
                column("first_ordinal", .int64(first)),
                column("last_ordinal", .int64(last)),
                column("reason", .text(rows.map { $0.1.reason.rawValue })),
                column("epoch", .int64(rows.map { Int64(bitPattern: $0.1.epoch) })),
            ])
    }
}
