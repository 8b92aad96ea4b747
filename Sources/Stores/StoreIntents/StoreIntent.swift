package import MarketModel
package import Primitives
package import TapeCodec

/// A batch before it is inserted: where on the tape it ends, and what its rows are. It begins after
/// the position of its record. So the batch can be made from the tape again, the same to the byte.
package struct StoreIntent: Hashable, Sendable {
    /// The batch's last packet on the tape.
    package var packet: TapePacket
    /// The ordinals of each source, by its name in ascending order. They may leave out ordinals
    /// that the tape does not have.
    package var ranges: [OrdinalRange]
    /// The number of rows. A batch without rows is never inserted.
    package var rows: UInt64
    /// The checksum of the rows in their order.
    package var digest: UInt64
    /// Which tables and columns the rows are for: equal records have equal rows in equal layouts.
    package var layout: UInt64

    package init(
        packet: TapePacket, ranges: [OrdinalRange], rows: UInt64, digest: UInt64, layout: UInt64
    ) {
        self.packet = packet
        self.ranges = ranges
        self.rows = rows
        self.digest = digest
        self.layout = layout
    }

    /// Returns the position after the batch, which begins after this one.
    package func end(after position: TapePosition?) -> TapePosition {
        let own = Set(ranges.map(\.source))
        var sources = (position?.sources ?? []).filter { !own.contains($0.source) }
        sources += ranges.map {
            SourceOrdinal(source: $0.source, epoch: $0.epoch, lastOrdinal: $0.last)
        }
        return TapePosition(
            streamCreated: packet.streamCreated, sequence: packet.sequence,
            packet: packet.identity, sources: sources.sorted { $0.source < $1.source })
    }

    /// Returns whether no ordinal of the batch is stored at this position already.
    package func follows(_ position: TapePosition?) -> Bool {
        let last = Dictionary(
            (position?.sources ?? []).map { ($0.source, $0.lastOrdinal) }
        ) { max($0, $1) }
        return ranges.allSatisfy { $0.first <= $0.last && $0.first > last[$0.source] ?? 0 }
    }

    /// Returns the text by which a store recognises the batch. It depends on nothing but the batch
    /// and the record's name: not on the owner, its epoch, or its settings. Two batches that differ
    /// have different tokens.
    package func token(in name: String) -> String {
        var sum = Checksum.of(name)
        func add(_ words: UInt64...) {
            for word in words { sum = Checksum.chained(word, after: sum) }
        }
        add(UInt64(bitPattern: packet.streamCreated.nanoseconds), packet.sequence)
        add(packet.identity.epoch, packet.identity.firstOrdinal, packet.identity.checksum)
        add(rows, digest, layout)
        for range in ranges {
            let words = range.source.words
            add(words.first, words.second, words.third, range.epoch, range.first, range.last)
        }
        let digits = String(sum, radix: 16)
        return "\(name)/\(String(repeating: "0", count: 16 - digits.count))\(digits)"
    }
}

/// One packet of one tape.
package struct TapePacket: Hashable, Sendable {
    /// When the stream was created; undefined when that is not known.
    package var streamCreated: Timestamp
    /// The packet's number in the stream, and what tells it apart from another one there.
    package var sequence: UInt64
    package var identity: PacketIdentity

    package init(streamCreated: Timestamp, sequence: UInt64, identity: PacketIdentity) {
        self.streamCreated = streamCreated
        self.sequence = sequence
        self.identity = identity
    }
}

/// The ordinals of one source in a batch.
package struct OrdinalRange: Hashable, Sendable {
    package var source: SourceName
    /// The epoch of the source's last packet in the batch.
    package var epoch: UInt64
    /// The first and the last ordinal.
    package var first: UInt64
    package var last: UInt64

    package init(source: SourceName, epoch: UInt64, first: UInt64, last: UInt64) {
        self.source = source
        self.epoch = epoch
        self.first = first
        self.last = last
    }
}
