package import MarketModel
package import Primitives
package import TapeCodec
internal import TapeProtocol

/// A person's request that the bars of a partition be made again: a value in the operators' bucket,
/// which the worker deletes when that is done.
package struct RebuildRequest: Equatable, Sendable {
    static let version = 1

    /// What a database has of the partition, for a tape that is new. The new bars continue after
    /// it.
    package struct Stored: Hashable, Sendable {
        /// The last ordinal of the partition's bars, and the epoch of their owner.
        package var lastOrdinal: UInt64
        package var epoch: UInt64
        /// By source of ticks, the last ordinal that is stored. Windows that hold such ticks are
        /// not made again.
        package var sources: [SourceOrdinal]

        package init(lastOrdinal: UInt64, epoch: UInt64, sources: [SourceOrdinal]) {
            self.lastOrdinal = lastOrdinal
            self.epoch = epoch
            self.sources = sources
        }

        /// Returns the higher of both in each place: two stores may have come to different ones.
        package func joined(_ other: Stored) -> Stored {
            var known: [SourceName: SourceOrdinal] = [:]
            for one in sources + other.sources {
                let before = known[one.source] ?? one
                known[one.source] = SourceOrdinal(
                    source: one.source, epoch: max(before.epoch, one.epoch),
                    lastOrdinal: max(before.lastOrdinal, one.lastOrdinal))
            }
            return Stored(
                lastOrdinal: max(lastOrdinal, other.lastOrdinal),
                epoch: max(epoch, other.epoch),
                sources: known.values.sorted { $0.source < $1.source })
        }
    }

    /// The most sources in a request. A partition has no more of them.
    package static let sourcesMax = 4_096

    package var requested: Timestamp
    package var stored: Stored?

    package init(requested: Timestamp, stored: Stored? = nil) {
        self.requested = requested
        self.stored = stored
    }

    package static func key(_ partition: Partition) -> String { "operator.\(partition).rebuild" }

    package var json: [UInt8] {
        JSONWriter.made(capacity: 64, version: Self.version) { json in
            json.member("requested_ns", requested.nanoseconds)
            guard let stored else { return }
            json.key("stored")
            json.object { json in
                json.member("last_ordinal", stored.lastOrdinal)
                json.member("epoch", stored.epoch)
                json.member("sources", each: stored.sources) { source, json in
                    json.member("source", source.source.text)
                    json.member("epoch", source.epoch)
                    json.member("last_ordinal", source.lastOrdinal)
                }
            }
        }.bytes
    }

    /// Reads a request. Only a newer release can mean something else by the key: any other value is
    /// a request, whatever it says. So this is thrown only for a newer one, and for one whose
    /// numbers are damaged.
    package init(json bytes: [UInt8]) throws(VersionedJSON.Refusal) {
        self.init(requested: .undefined)
        let document: JSONValue
        do throws(VersionedJSON.Refusal) {
            document = try VersionedJSON.read(bytes, upTo: Self.version)
        } catch {
            guard !error.isNewer else { throw error }
            return
        }
        if let time = document["requested_ns"]?.int {
            requested = Timestamp(nanoseconds: Int64(time))
        }
        guard let stored = document["stored"] else { return }
        self.stored = try Self.stored(stored)
    }

    private static func stored(_ json: JSONValue) throws(VersionedJSON.Refusal) -> Stored {
        guard let last = json["last_ordinal"]?.uint64, let epoch = json["epoch"]?.uint64,
            last < PublisherLane.floorMax, epoch < PublisherLane.floorMax
        else { throw .damaged("its last ordinal or epoch is none") }
        var stored = Stored(lastOrdinal: last, epoch: epoch, sources: [])
        for entry in (json["sources"]?.array ?? []).prefix(sourcesMax) {
            guard let source = entry["source"]?.string.flatMap({ SourceName($0) }),
                let last = entry["last_ordinal"]?.uint64, last < PublisherLane.floorMax
            else { throw .damaged("one of its sources is none") }
            stored.sources.append(
                SourceOrdinal(
                    source: source, epoch: entry["epoch"]?.uint64 ?? 0, lastOrdinal: last))
        }
        return stored
    }
}
