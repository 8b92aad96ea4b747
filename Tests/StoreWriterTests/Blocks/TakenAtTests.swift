import ClickHouseWire
import MarketModel
import Primitives
import QuestDBWire
import StoreKit
import StoreSinks
import TapeCodec
import Testing

@Suite("When the tape had a row, outside of PostgreSQL")
struct TakenAtTests {
    private static let undefined = Timestamp.undefined.nanoseconds

    /// Returns a trade in a packet that was sent then.
    private static func packet(sent: Int64) throws -> SealedPacket {
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(1), source: try #require(SourceName("desk-1")))
        let symbol = builder.register(
            SymbolDefinition(
                symbol: try #require(Symbol("A")), provider: "ib", since: .undefined))
        let header = TickHeader(
            symbol: symbol, providerTime: Timestamp(nanoseconds: 7),
            receiveTime: Timestamp(nanoseconds: 9))
        let isTaken = builder.append(
            Trade(header: header, price: Price(raw: 1), size: Quantity(raw: 2)))
        #expect(isTaken)
        return builder.seal(
            PacketBuilder.Seal(
                epoch: 3, firstOrdinal: 5, watermark: .undefined,
                sendTime: Timestamp(nanoseconds: sent)))
    }

    @Test(
        "a row ends with the time of the tape or of the sender, whichever is later, rounded up",
        arguments: [
            (undefined, 5_000, nil), (1_000, 500, 1), (1_001, undefined, 2), (1_000, 2_001, 3),
        ] as [(Int64, Int64, Int64?)])
    func ends(taken: Int64, sent: Int64, wanted: Int64?) throws {
        let packet = try Self.packet(sent: sent)
        let catalogue = SinkCatalogue([.trades])
        let sink = try #require(catalogue.sinks.first)
        #expect(sink.storeColumns == sink.copyColumns + ["taken_at"])
        var native = NativeRows(ClickHouseTable(sink))
        var (lines, columns) = (LineRowWriter(QuestDBTable(sink)), ColumnWriter(sink))
        var context = PacketContext(packet.header)
        context.tapeTime = Timestamp(nanoseconds: taken)
        packet.withBytes { bytes in
            context.walk(bytes) { context, record, ordinal in
                let areRows = [
                    sink.writeNative(record, context, bytes, ordinal, &native),
                    sink.writeLines(record, context, bytes, ordinal, &lines),
                    sink.writeColumns(record, context, bytes, ordinal, &columns),
                ]
                #expect(areRows == [true, true, true])
            }
        }
        #expect(
            columns.table.columns.last == StoreColumn(name: "taken_at", values: .time([wanted])))
        let line = String(decoding: try #require(lines.parts().first).block.body, as: UTF8.self)
        let time = wanted.map { ",taken_at=\($0 * 1_000)n" } ?? ""
        #expect(line.hasSuffix(",ordinal=5i\(time) 7n\n"))
        var tail: [UInt8] = [8] + Array("taken_at".utf8) + [30]
        tail += Array("Nullable(DateTime64(6, 'UTC'))".utf8) + [wanted == nil ? 1 : 0]
        tail += [UInt8(wanted ?? 0)] + [UInt8](repeating: 0, count: 7)
        let body = try #require(native.parts().first).block.body
        #expect(Array(body.suffix(tail.count)) == tail)
    }

    @Test("bars have the tape's time already")
    func bars() throws {
        let sink = try #require(SinkCatalogue([.bars]).sinks.first)
        #expect(sink.storeColumns == sink.copyColumns && sink.copyColumns.last == "taken_at")
    }
}
