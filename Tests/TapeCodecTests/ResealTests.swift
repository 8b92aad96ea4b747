import MarketModel
import Primitives
import TapeCodec
import Testing

/// A packet that goes out under another owner's header must be byte for byte what that owner would
/// have sealed itself, so that no reader can see a difference.
@Suite struct ResealTests {
    private static let later = PacketBuilder.Seal(
        epoch: 9, firstOrdinal: 5_000_000_000, watermark: Samples.seal.watermark,
        sendTime: Timestamp(nanoseconds: 1_767_623_999_000_000_001))

    private static func packets(_ seal: PacketBuilder.Seal) throws -> [SealedPacket] {
        var ticks = PacketBuilder(
            kind: .ticks, partition: Partition(7), source: try Samples.source("synthetic"))
        let apple = ticks.register(try Samples.definition("AAPL"))
        let emoji = ticks.register(try Samples.definition("😀 BRK.B"))
        #expect(ticks.append(try Samples.trade(symbol: emoji)))
        #expect(ticks.append(try Samples.quote(symbol: apple)))
        #expect(ticks.append(try Samples.trade(symbol: apple)))
        let full = ticks.seal(seal)
        return [full, ticks.seal(seal)]
    }

    @Test("a packet that is sealed again has the bytes of one that is sealed fresh")
    func equalsFresh() throws {
        for (old, fresh) in zip(try Self.packets(Samples.seal), try Self.packets(Self.later)) {
            let again = old.resealed(
                epoch: Self.later.epoch, firstOrdinal: Self.later.firstOrdinal,
                sendTime: Self.later.sendTime)
            #expect(again.array == fresh.array)
            #expect(again.header == fresh.header)
            #expect(again.oldestEventTime == old.oldestEventTime)
            let header = try again.array.withRawSpan { try PacketReader.validate($0) }
            #expect(header == again.header)
        }
    }

    @Test("sealed again with its own numbers, a released packet keeps its golden bytes")
    func golden() throws {
        for name in ["ticks", "marker", "watermark", "bars"] {
            let packet = try GoldenPacketTests.packet(name)
            let there = packet.resealed(epoch: 1, firstOrdinal: 2)
            #expect(there.array != packet.array)
            #expect(there.header.sendTime == packet.header.sendTime)
            let back = there.resealed(
                epoch: packet.header.epoch, firstOrdinal: packet.header.firstOrdinal)
            #expect(back.array == packet.array)
        }
    }

    @Test("a packet that was kept elsewhere is the same packet, and can be sealed again")
    func restored() throws {
        for packet in try Self.packets(Samples.seal) {
            let restored = try SealedPacket(
                sealed: packet.array, oldestEventTime: packet.oldestEventTime)
            #expect(restored.header == packet.header)
            #expect(restored.array == packet.array)
            #expect(
                restored.resealed(epoch: 3, firstOrdinal: 4).array
                    == packet.resealed(epoch: 3, firstOrdinal: 4).array)
        }
    }

    @Test("bytes that are no packet, or a damaged one, are not taken for one")
    func damaged() throws {
        var bytes = try Samples.tickPacket().array
        #expect(throws: PacketError.self) {
            try SealedPacket(sealed: Array(bytes.dropLast()), oldestEventTime: .undefined)
        }
        bytes[bytes.count - 1] ^= 1
        #expect(throws: PacketError.self) {
            try SealedPacket(sealed: bytes, oldestEventTime: .undefined)
        }
        #expect(throws: PacketError.self) {
            try SealedPacket(sealed: [], oldestEventTime: .undefined)
        }
    }

    @Test("the small buffer of a kept packet is not used for the next one")
    func recycledBuffer() throws {
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(7), source: try Samples.source("synthetic"))
        let symbol = builder.register(try Samples.definition("AAPL"))
        #expect(builder.append(try Samples.trade(symbol: symbol)))
        let kept = try SealedPacket(
            sealed: builder.seal(Samples.seal).array, oldestEventTime: .undefined)
        #expect(builder.append(try Samples.trade(symbol: symbol)))
        _ = builder.seal(Samples.seal, recycling: kept)
        while builder.append(try Samples.trade(symbol: symbol)) {}
        #expect(builder.tickCount == PacketLimits.ticksMax)
        let full = builder.seal(Samples.seal)
        _ = try full.array.withRawSpan { try PacketReader.validate($0) }
    }
}
