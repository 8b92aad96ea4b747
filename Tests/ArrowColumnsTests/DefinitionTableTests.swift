import MarketModel
import Primitives
import TapeCodec
import Testing

@testable import ArrowColumns

@Suite("Tables of definitions and of short texts")
struct DefinitionTableTests {
    /// Returns a packet of symbols with a trade of each. Names of 12 characters that end alike have
    /// definitions of the same hash: their time makes the product of the first word 0.
    private func packet(_ names: [String], at ordinal: UInt64) throws -> [UInt8] {
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(3), source: try #require(SourceName("feed")))
        let contentBytes: UInt64 = 32
        let since = Int64(bitPattern: 0xa076_1d64_78bd_642f ^ contentBytes)
        let time = Timestamp(nanoseconds: 1)
        for name in names {
            let symbol = builder.register(
                SymbolDefinition(
                    symbol: try #require(Symbol(name)), provider: "",
                    since: Timestamp(nanoseconds: since)))
            let header = TickHeader(
                symbol: symbol, resolution: 1, providerTime: time, receiveTime: time)
            let isIn = builder.append(
                Trade(header: header, price: .undefined, size: .undefined))
            try #require(isIn)
        }
        return builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: ordinal, watermark: .undefined, sendTime: .undefined)
        ).withBytes { $0.array }
    }

    private func definitions(of packet: RawSpan) -> [DefinitionBounds] {
        var (found, cursor) = ([DefinitionBounds](), RecordCursor())
        while cursor.hasMore(in: packet) {
            if let bounds = DefinitionBounds(at: cursor.place, in: packet) {
                found.append(bounds)
                cursor.skip(bounds)
            } else {
                _ = cursor.next(in: packet)
            }
        }
        return found
    }

    @Test("so many definitions of one hash are noted, and the others are read each time")
    func sameHash() throws {
        let names = (0..<100).map { "\(1_000 + $0)-COLLIDE" }
        let bytes = try packet(names, at: 1)
        var (table, noted) = (DefinitionTable(), 0)
        bytes.withRawSpan { packet in
            for (number, bounds) in definitions(of: packet).enumerated() {
                var names = RowNames()
                names.symbol = Int32(number)
                table.note(bounds, in: packet, names)
                guard let found = table.names(of: bounds, in: packet) else { continue }
                #expect(found.symbol == Int32(number))
                noted += 1
            }
        }
        #expect(noted == Int(DefinitionTable.probesMax))
        var decoder = ColumnDecoder([.trades])
        for turn in 0..<2 {
            let bytes = try packet(names, at: UInt64(turn * names.count) + 1)
            try bytes.withRawSpan { try decoder.feed($0, PacketOrigin()) }
        }
        let rows = decoder.batch(of: .trades)?.readRows ?? []
        #expect(rows.map { $0["symbol"] } == names + names)
    }

    @Test("a definition whose index makes no sense is not noted", arguments: [false, true])
    func largeIndex(isLarge: Bool) throws {
        var bytes = try packet(["ABCD"], at: 1)
        let bounds = try #require(bytes.withRawSpan { definitions(of: $0).first })
        if isLarge {
            bytes[bounds.index + 1] = UInt8(PacketLimits.definitionsMax >> 8)
            bytes.repair()
        }
        var decoder = ColumnDecoder([.gaps])
        try bytes.withRawSpan { try decoder.feed($0, PacketOrigin()) }
        let table = decoder.definitions
        let isNoted = bytes.withRawSpan { table.names(of: bounds, in: $0) != nil }
        #expect(isNoted == !isLarge)
    }

    @Test("short texts that begin alike have different places", arguments: ["A", "ABC", "ABCDEFG"])
    func homes(start: String) throws {
        let texts = try "ABCDEFGHIJKLMNOPQRSTUVWXYZ".map {
            try #require(ShortText(start + String($0)))
        }
        #expect(Set(texts.map { ShortTexts.home($0.raw) & 255 }).count > 20)
    }
}
