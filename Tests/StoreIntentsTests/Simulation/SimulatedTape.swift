import MarketModel
import Primitives
import StoreIntents
import TapeCodec

/// A row of one record. Its value is that of the record in a layout.
struct SimulatedRow: Equatable {
    var key: RowKey
    var day: Int
    var value: UInt64
}

struct RowKey: Hashable {
    var place: Int
    var table: Int
    var source: SourceName
    var ordinal: UInt64
}

/// One input of one partition: packets of some sources, with holes in their ordinals.
struct SimulatedTape {
    struct Packet {
        var sequence: UInt64
        var source: SourceName
        var epoch: UInt64
        var ordinals: [UInt64]
    }

    static let sources = ["alpha", "beta", "gamma"].compactMap { SourceName($0) }
    static let tables = 2

    let place: Int
    private(set) var packets: [Packet] = []
    /// The number of packets that can be read.
    var published = 0

    init(place: Int, count: Int, using random: inout SeededRandom) {
        self.place = place
        let sources = Self.sources.prefix(Int.random(in: 1...3, using: &random))
        var next = [UInt64](repeating: 1, count: sources.count)
        var epochs = [UInt64](repeating: 1, count: sources.count)
        var sequence: UInt64 = 0
        for _ in 0..<count {
            let source = Int.random(in: 0..<sources.count, using: &random)
            if Int.random(in: 0..<12, using: &random) == 0 {
                next[source] += 3
                epochs[source] += 1
            }
            let records = UInt64.random(in: 0...4, using: &random)
            sequence += UInt64.random(in: 1...3, using: &random)
            packets.append(
                Packet(
                    sequence: sequence, source: sources[source], epoch: epochs[source],
                    ordinals: Array(next[source]..<next[source] + records)))
            next[source] += records
        }
    }

    /// Returns the row of a record; `nil` for one that has no table.
    private func row(_ packet: Packet, _ ordinal: UInt64, layout: UInt64) -> SimulatedRow? {
        let hash = SeededRandom.mixed(packet.source.words.first ^ ordinal &* 31 ^ UInt64(place))
        guard hash % 8 != 0 else { return nil }
        let key = RowKey(
            place: place, table: Int(hash >> 8 % UInt64(Self.tables)), source: packet.source,
            ordinal: ordinal)
        return SimulatedRow(
            key: key, day: (packet.sequence + hash >> 16 % 5) / 40 % 2 == 0 ? 0 : 1,
            value: SeededRandom.mixed(hash ^ layout))
    }

    /// Returns the rows of the packets with these sequences.
    func rows(_ sequences: Range<UInt64>, layout: UInt64) -> [SimulatedRow] {
        packets.filter { sequences.contains($0.sequence) }.flatMap { packet in
            packet.ordinals.compactMap { row(packet, $0, layout: layout) }
        }
    }

    /// Returns the batch after the position: up to this packet, or so many packets of those that
    /// can be read. `nil` when there is none.
    func batch(
        after position: TapePosition?, through last: UInt64 = .max, packetsMax: Int = .max,
        layout: UInt64
    ) -> (intent: StoreIntent, rows: [SimulatedRow])? {
        let start = position?.sequence ?? 0
        let chosen = packets.prefix(published).filter { $0.sequence > start && $0.sequence <= last }
            .prefix(packetsMax)
        guard let end = chosen.last else { return nil }
        let ranges = Self.sources.compactMap { source -> OrdinalRange? in
            let own = chosen.filter { $0.source == source && !$0.ordinals.isEmpty }
            guard let first = own.first?.ordinals.first, let packet = own.last,
                let last = packet.ordinals.last
            else { return nil }
            return OrdinalRange(source: source, epoch: packet.epoch, first: first, last: last)
        }
        let made = rows(start + 1..<end.sequence + 1, layout: layout)
        let digest = made.reduce(0) { sum, row in
            Checksum.chained(row.value, after: Checksum.chained(row.key.ordinal, after: sum))
        }
        let identity = PacketIdentity(
            epoch: end.epoch, firstOrdinal: end.ordinals.first ?? 0, checksum: end.sequence)
        return (
            StoreIntent(
                packet: TapePacket(
                    streamCreated: Timestamp(nanoseconds: 1), sequence: end.sequence,
                    identity: identity),
                ranges: ranges, rows: UInt64(made.count), digest: digest, layout: layout),
            made
        )
    }
}
