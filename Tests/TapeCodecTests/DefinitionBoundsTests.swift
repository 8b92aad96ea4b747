import MarketModel
import Primitives
import Seeds
import Testing

@testable import TapeCodec

@Suite("The place of a symbol's definition")
struct DefinitionBoundsTests {
    @Test("it is where the cursor finds the same message, in whole and in damaged packets")
    func agreesWithCursor() throws {
        let seed = Seeds.one()
        print("TAPELINE_SEED=\(seed)")
        var random = SeededRandom(seed: seed)
        var (found, refused) = (0, 0)
        for round in 0..<400 {
            var bytes = try packet(&random)
            if round % 2 == 1 { damage(&bytes, &random) }
            bytes.withRawSpan { packet in
                var cursor = RecordCursor()
                var bounds = DefinitionBounds(at: cursor.place, in: packet)
                while let record = cursor.next(in: packet) {
                    if let bounds {
                        found += 1
                        expect(bounds, is: record, in: packet)
                    } else if case .other(let message) = record {
                        refused += message.template == WireFormat.Template.symbolDefinition ? 1 : 0
                    }
                    bounds = DefinitionBounds(at: cursor.place, in: packet)
                }
            }
        }
        #expect(found > 1_000)
        // One at the end of a packet, without its trade.
        #expect(refused > 0)
    }

    private func expect(_ bounds: DefinitionBounds, is record: Record, in packet: RawSpan) {
        guard case .other(let message) = record else {
            Issue.record("the cursor finds no definition")
            return
        }
        #expect(message.template == WireFormat.Template.symbolDefinition)
        #expect(message.end == bounds.end)
        #expect(message.body == bounds.index)
        #expect(message.variable(0, in: packet) == bounds.name..<bounds.nameEnd)
        #expect(bounds.end - bounds.content >= 16)
    }

    /// Returns a packet of some symbols, with lots and without, in which a trade may be missing.
    private func packet(_ random: inout SeededRandom) throws -> [UInt8] {
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(0), source: try #require(SourceName("s")))
        let time = Timestamp(nanoseconds: 1)
        for _ in 0..<Int.random(in: 1...8, using: &random) {
            let name = String(
                repeating: "S", count: Int.random(in: 1...40, using: &random))
            let isWithLot = Bool.random(using: &random)
            let number = builder.register(
                SymbolDefinition(
                    symbol: try #require(Symbol(name)),
                    provider: String(
                        repeating: "p", count: Int.random(in: 0...10, using: &random)),
                    since: time, lot: isWithLot ? RoundLot(Quantity(raw: 10)) : nil))
            let isIn = builder.append(
                Trade(
                    header: TickHeader(symbol: number, providerTime: time, receiveTime: time),
                    price: Price(raw: 1), size: Quantity(raw: 1)))
            #expect(isIn)
        }
        var bytes = builder.seal(
            PacketBuilder.Seal(epoch: 1, firstOrdinal: 1, watermark: time, sendTime: time)
        ).withBytes { $0.array }
        if Bool.random(using: &random) { bytes.removeLast(WireFormat.TickBytes.trade) }
        return bytes
    }

    /// Changes some bytes behind the header, and may cut the packet off.
    private func damage(_ bytes: inout [UInt8], _ random: inout SeededRandom) {
        let first = WireFormat.HeaderOffset.end
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let place = Int.random(in: first..<bytes.count, using: &random)
            bytes[place] = UInt8.random(in: 0...255, using: &random)
        }
        if Bool.random(using: &random) {
            bytes.removeLast(Int.random(in: 0..<bytes.count - first, using: &random))
        }
    }
}
