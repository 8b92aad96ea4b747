package import MarketModel
import Primitives
package import TapeCodec
import TapeProtocol

/// A record of a source on the tape, as its packet has it.
package struct RecordOnTape: Sendable {
    package let record: TapeRecord
    /// The definition of its symbol in that packet; `nil` for a record of no symbol.
    package let definition: SymbolDefinition?
    /// The definition of its series; `nil` for a record that belongs to none.
    package let series: SeriesDefinition?
    package let packet: PacketHeader

    /// Empty for a record of no symbol.
    package var symbol: String { definition?.symbol.text ?? "" }
    package var id: UInt64 { record.header?.providerID ?? 0 }

    package var trade: Trade? { if case .trade(let trade) = record { trade } else { nil } }
    package var quote: Quote? { if case .quote(let quote) = record { quote } else { nil } }
    package var gap: GapRecord? { if case .gap(let gap) = record { gap } else { nil } }
    package var depth: DepthUpdate? { if case .depth(let row) = record { row } else { nil } }
    package var bar: ProviderBar? { if case .providerBar(let bar) = record { bar } else { nil } }
    package var subscription: SubscriptionRecord? {
        if case .subscription(let record) = record { record } else { nil }
    }
}

extension TestTape {
    /// Returns the records of a source, partition after partition, each in its order.
    package func records(of source: SourceName) throws -> [RecordOnTape] {
        try (0..<names.partitions).map(Partition.init).flatMap { partition in
            try tickPackets(partition)
                .filter { $0.subject == names.ticks(partition, source) }.flatMap(\.records)
        }
    }
}

extension TestTape.StoredPacket {
    /// The packet's records, without its definitions and markers.
    package var records: [RecordOnTape] { RecordOnTape.all(in: payload, header) }
}

extension RecordOnTape {
    /// Returns the records of a packet that is checked.
    package static func all(in packet: [UInt8], _ header: PacketHeader) -> [RecordOnTape] {
        packet.withRawSpan { bytes in
            var found: [RecordOnTape] = []
            var walk = PacketWalk(header)
            while let item = walk.next(in: bytes) {
                let record: TapeRecord? =
                    switch item {
                    case .trade(let trade): .trade(trade)
                    case .quote(let quote): .quote(quote)
                    case .bar(let bar): .bar(bar)
                    case .other(let message): TapeRecord(message, in: bytes)
                    case .control: nil
                    }
                guard let record else { continue }
                var index = record.header?.symbol
                if case .bar(let bar) = record { index = bar.symbol }
                found.append(
                    RecordOnTape(
                        record: record, definition: index.flatMap { walk.symbol($0, in: bytes) },
                        series: record.series.flatMap { walk.series($0, in: bytes) },
                        packet: header))
            }
            return found
        }
    }
}
