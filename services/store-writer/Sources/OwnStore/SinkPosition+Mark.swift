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

/// Whose marks they are. Two namespaces, or two stores, never share any.
struct MarkOwner: Equatable, CustomStringConvertible {
    let namespace: String
    /// STORE_NAME.
    let name: String

    var description: String { "\(name) in MDS_NAMESPACE \(namespace)" }
}

extension SinkPosition {
    static let markVersion = 1
    /// The highest owner epoch of a mark. A claim's own epoch counts up to half of it, so that
    /// later ones have room.
    private static let ownerEpochMax = Int64(1) << 62

    /// Returns the epoch after this one, for a claim with an epoch of the membership.
    static func nextOwnerEpoch(after epoch: Int64, _ claimed: UInt64) -> Int64 {
        max(epoch + 1, min(Int64(clamping: claimed), ownerEpochMax / 2))
    }

    var place: SinkPlace { SinkPlace(input: input, partition: partition) }

    /// Returns the mark of the position, with its last owner.
    func mark(of store: MarkOwner) -> String {
        var position = self
        position.forgetBatch()
        return JSONWriter.made(capacity: 512, version: Self.markVersion) { json in
            json.member("namespace", store.namespace)
            json.member("store", store.name)
            json.member("owner", position.owner)
            json.member("owner_epoch", position.ownerEpoch)
            json.array("position") { json in position.write(into: &json) }
        }.text
    }

    /// Reads a mark. Throws when it is not one of this store.
    init(mark: String, of place: SinkPlace, store: MarkOwner) throws(OwnStoreError) {
        func unreadable(_ reason: String) -> OwnStoreError {
            OwnStoreError(description: "the mark \(place.mark) \(reason)", fault: .schema)
        }
        let json: JSONValue
        do throws(VersionedJSON.Refusal) {
            json = try VersionedJSON.read(Array(mark.utf8), upTo: Self.markVersion)
        } catch {
            throw unreadable("cannot be read: \(error)")
        }
        guard let namespace = json["namespace"]?.string, let name = json["store"]?.string,
            let owner = json["owner"]?.string,
            let epoch = json["owner_epoch"]?.int.map({ Int64($0) }),
            (1...Self.ownerEpochMax).contains(epoch), let positions = json["position"]?.array
        else { throw unreadable("is damaged: restore the store from a backup") }
        let found = MarkOwner(namespace: namespace, name: name)
        guard found == store else {
            throw unreadable("is that of \(found), not of \(store): give each a place of its own")
        }
        self.init(input: place.input, partition: place.partition, ownerEpoch: epoch)
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
        guard let created = json["stream_created_ns"]?.int,
            let sequence = json["sequence"]?.uint64, sequence > 0,
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
