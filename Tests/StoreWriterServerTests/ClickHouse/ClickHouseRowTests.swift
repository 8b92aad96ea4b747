import ClickHouseWire
import MarketModel
import Primitives
import StoreKit
import StoreSinks
import TapeCodec
import Testing

@testable import StoreWriter

@Suite(
    "Rows as ClickHouse has them", .enabled(if: ClickHouseBench.obstacle == nil))
struct ClickHouseRowTests {
    @Test("the values of six tables at random are those that every store gets")
    func values() throws {
        let seed = UInt64.random(in: 0 ... .max)
        let bench = try ClickHouseBench("wchrows")
        try bench.migrate()
        let server = try ClickHouseServer(bench.clientSettings, SinkCatalogue()) { _ in }
        // Nearly every row is of a month of its own, and so a block of its own.
        let packets = try CopyBytesTests().packets(seed).prefix(1)
        let place = SinkPlace(input: .ticks, partition: Partition(4_095))
        let names: Set<SinkName> = [
            .trades, .quotes, .options, .providerBars, .depth, .indicators,
        ]
        for sink in SinkCatalogue(names).sinks {
            let table = ClickHouseTable(sink)
            var native = NativeRows(table)
            var columns = ColumnWriter(sink)
            for packet in packets {
                try add(packet, sink, &native, &columns)
            }
            for (number, part) in native.parts().enumerated() {
                try server.insert(part.block, token: "\(sink.name)/\(number)")
                let stored = try server.stored(part.block, of: place)
                #expect(Set(stored) == Set(part.block.keys) && stored.count == part.block.rowCount)
            }
            let found = try bench.rows(
                "SELECT \(table.columns.map(text).joined(separator: ", ")) FROM \(table.name) "
                    + "ORDER BY ordinal", columns: table.columns.count)
            let wanted = wanted(columns.table, table)
            #expect(found.count == wanted.count && found.count > 50, "\(sink.name), seed \(seed)")
            for (row, (one, other)) in zip(found, wanted).enumerated() where one != other {
                Issue.record("\(sink.name), seed \(seed), row \(row): \(one), not \(other)")
                break
            }
        }
    }

    @Test("the gaps of a batch are those of its packet, also where one of another lies between")
    func gaps() throws {
        let bench = try ClickHouseBench("wchgaps")
        try bench.migrate()
        let server = try ClickHouseServer(bench.clientSettings, SinkCatalogue()) { _ in }
        let source = try #require(SourceName("a"))
        let catalogue = SinkCatalogue()
        let rows = BlockRows(
            WriteBatch(), catalogue, catalogue.sinks.map { NativeRows(ClickHouseTable($0)) },
            gaps: NativeRows(.gaps))
        let batches: [(sequence: UInt64, gaps: [ClosedRange<UInt64>])] = [
            (6, [15...16]), (9, [12...12, 21...22]),
        ]
        for (sequence, gaps) in batches {
            var after = SinkPosition(input: .ticks, partition: Partition(1), ownerEpoch: 1)
            after.position = TapePosition(
                streamCreated: Timestamp(nanoseconds: 7), sequence: sequence,
                packet: PacketIdentity(epoch: 8, firstOrdinal: 1, checksum: 0), sources: [])
            let owed = gaps.map {
                SinkGap(source: source, ordinals: $0, reason: .tapeLost, epoch: 8)
            }
            let block = try #require(try rows.blocks(2, after, owed: owed).first?.block)
            try server.insert(block, token: "\(sequence)")
            let stored = try server.stored(block, of: after.place)
            #expect(stored.map(\.ordinal).sorted() == gaps.map { Int64($0.lowerBound) })
        }
    }

    private func add(
        _ packet: SealedPacket, _ sink: Sink, _ native: inout NativeRows,
        _ columns: inout ColumnWriter
    ) throws {
        let catalogue = SinkCatalogue([sink.name])
        var context = PacketContext(packet.header)
        packet.withBytes { bytes in
            context.walk(bytes) { context, record, ordinal in
                guard catalogue.index(of: record) != nil else { return }
                let areRows = [
                    sink.writeNative(record, context, bytes, ordinal, &native),
                    sink.writeColumns(record, context, bytes, ordinal, &columns),
                ]
                #expect(areRows == [true, true])
            }
        }
    }

    /// The expression for a column's value as a text.
    private func text(_ column: ClickHouseColumn) -> String {
        let text =
            switch column.kind {
            case .time: "toString(toUnixTimestamp64Micro(\(column.name)))"
            case .bytes: "lower(hex(\(column.name)))"
            default: "toString(\(column.name))"
            }
        return "CAST(ifNull(\(text), '-none-') AS String)"
    }

    private func wanted(_ store: StoreTable, _ table: ClickHouseTable) -> [[String]] {
        (0..<store.rowCount).map { row in
            zip(store.columns, table.columns).map { values, column in
                guard let text = values.text(row) else { return column.isNullable ? "-none-" : "" }
                guard column.kind == .time, let time = Int64(text) else { return text }
                // What the type of the server begins with.
                return String(max(time, -2_208_988_800_000_000))
            }
        }
    }
}
