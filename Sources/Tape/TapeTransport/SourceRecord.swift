package import MarketModel
package import Primitives
package import TapeProtocol

/// The ordinals that the tape acknowledged of one source, as its gateway stores them in a bucket
/// beside the tape (`SourceRecorder`). A tape that ends below them was restored from a backup: the
/// next owner raises its lanes above them.
package struct SourceRecord: Equatable, Sendable {
    static let version = 1

    /// A subject on which the source publishes.
    package enum Lane: Hashable, Sendable {
        case ticks(Partition)
        /// The watermarks for the partitions of the stream with this index.
        case watermarks(stream: Int)
    }

    /// The newest numbers of a lane.
    package struct Head: Hashable, Sendable {
        package var epoch: UInt64
        /// The last acknowledged ordinal; for a watermark lane, its counter. 0: none.
        package var lastOrdinal: UInt64
        /// A database has everything up to `lastOrdinal`, which the former tape took until this
        /// time: a person restored the source from it (`SourceRestore`). Undefined when the
        /// gateway itself noted the numbers.
        package var storedUntil: Timestamp

        package init(
            epoch: UInt64, lastOrdinal: UInt64, storedUntil: Timestamp = .undefined
        ) {
            self.epoch = epoch
            self.lastOrdinal = lastOrdinal
            self.storedUntil = storedUntil
        }

        /// What a database has; `nil` when nobody restored the source from one.
        package var stored: StoredRows? {
            storedUntil.isDefined
                ? StoredRows(lastOrdinal: lastOrdinal, until: storedUntil) : nil
        }
    }

    package var heads: [Lane: Head]
    /// When the record was written.
    package var time: Timestamp

    package init(heads: [Lane: Head] = [:], time: Timestamp = .undefined) {
        self.heads = heads
        self.time = time
    }

    /// Takes every number of `other` that is higher. Lanes that only one of them has stay: a source
    /// that has no symbols in a partition now may have some again later.
    package mutating func rise(to other: SourceRecord) {
        heads.merge(other.heads) { own, theirs in
            Head(
                epoch: max(own.epoch, theirs.epoch),
                lastOrdinal: max(own.lastOrdinal, theirs.lastOrdinal),
                storedUntil: own.lastOrdinal < theirs.lastOrdinal
                    ? theirs.storedUntil : own.storedUntil)
        }
    }

    /// Returns whether the other record has a higher epoch in a lane of this one: a later owner has
    /// written it.
    func isBehind(_ other: SourceRecord) -> Bool {
        other.heads.contains { lane, head in heads[lane].map { $0.epoch < head.epoch } ?? false }
    }

    // MARK: JSON

    var json: [UInt8] {
        JSONWriter.made(capacity: 64 + heads.count * 64, version: Self.version) { json in
            json.member("time", time.description)
            json.member("time_ns", time.nanoseconds)
            json.array("partitions") { json in
                for (lane, head) in heads.sorted(by: { $0.key < $1.key }) {
                    guard case .ticks(let partition) = lane else { continue }
                    Self.write(head, "partition", partition.number, into: &json)
                }
            }
            json.array("watermarks") { json in
                for (lane, head) in heads.sorted(by: { $0.key < $1.key }) {
                    guard case .watermarks(let stream) = lane else { continue }
                    Self.write(head, "stream", stream, into: &json)
                }
            }
        }.bytes
    }

    private static func write(
        _ head: Head, _ name: String, _ number: Int, into json: inout JSONWriter
    ) {
        json.object { json in
            json.member(name, number)
            json.member("epoch", head.epoch)
            json.member("last_ordinal", head.lastOrdinal)
            if head.storedUntil.isDefined {
                json.member("stored_until_ns", head.storedUntil.nanoseconds)
            }
        }
    }

    /// Reads a stored record. When any part is damaged, none of it is used.
    init(json bytes: [UInt8]) throws(VersionedJSON.Refusal) {
        let json = try VersionedJSON.read(bytes, upTo: Self.version)
        self.init()
        time = Timestamp(nanoseconds: json["time_ns"]?.int.map { Int64($0) } ?? Int64.max)
        for entry in json["partitions"]?.array ?? [] {
            guard let number = entry["partition"]?.int, Partition.isValid(number) else {
                throw .damaged("one of its partitions is none")
            }
            heads[.ticks(Partition(number))] = try Self.head(entry)
        }
        for entry in json["watermarks"]?.array ?? [] {
            guard let stream = entry["stream"]?.int, (0..<TapeNames.tickStreams).contains(stream)
            else { throw .damaged("one of its streams is none") }
            heads[.watermarks(stream: stream)] = try Self.head(entry)
        }
    }

    private static func head(_ entry: JSONValue) throws(VersionedJSON.Refusal) -> Head {
        guard let epoch = entry["epoch"]?.uint64, let last = entry["last_ordinal"]?.uint64,
            epoch < PublisherLane.floorMax, last < PublisherLane.floorMax
        else { throw .damaged("an epoch or ordinal is none") }
        let until = entry["stored_until_ns"]?.int.map { Timestamp(nanoseconds: Int64($0)) }
        return Head(epoch: epoch, lastOrdinal: last, storedUntil: until ?? .undefined)
    }
}

extension SourceRecord.Lane: Comparable {
    package static func < (left: SourceRecord.Lane, right: SourceRecord.Lane) -> Bool {
        switch (left, right) {
        case (.ticks(let left), .ticks(let right)): left < right
        case (.watermarks(let left), .watermarks(let right)): left < right
        case (.ticks, .watermarks): true
        case (.watermarks, .ticks): false
        }
    }
}

extension Partition {
    /// Returns whether a number from outside is in range.
    static func isValid(_ number: Int) -> Bool {
        number >= 0 && number < Partition.countRange.upperBound
    }
}
