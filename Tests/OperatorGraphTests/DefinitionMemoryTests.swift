import MarketModel
import Primitives
import Seeds
import StreamCore
import TapeCodec
import Testing

@testable import OperatorGraph

@Suite("Definitions that are known by their bytes")
struct DefinitionMemoryTests {
    /// The bytes of a packet that defines one symbol, and where the definition is.
    private struct Definition {
        let bytes: [UInt8]
        let message: MessageBounds

        init(_ symbol: String, provider: String = "p", since: Int64 = 0) throws {
            var builder = PacketBuilder(
                kind: .ticks, partition: Partition(0), source: try #require(SourceName("s")))
            let number = builder.register(
                SymbolDefinition(
                    symbol: try #require(Symbol(symbol)), provider: provider,
                    since: Timestamp(nanoseconds: since)))
            let time = Timestamp(nanoseconds: 1)
            let isIn = builder.append(
                Trade(
                    header: TickHeader(symbol: number, providerTime: time, receiveTime: time),
                    price: Price(raw: 1), size: Quantity(raw: 1)))
            try #require(isIn)
            let bytes = builder.seal(
                PacketBuilder.Seal(epoch: 1, firstOrdinal: 1, watermark: time, sendTime: time)
            ).withBytes { $0.array }
            var cursor = RecordCursor()
            let first = bytes.withRawSpan { cursor.next(in: $0) }
            guard case .other(let message) = first else { throw NoDefinition() }
            (self.bytes, self.message) = (bytes, message)
        }

        func note(in memory: inout DefinitionMemory, as symbol: UInt32) {
            bytes.withRawSpan { memory.note(message, in: $0, source: 0, symbol: symbol) }
        }

        func symbol(in memory: DefinitionMemory, source: Int = 0) -> UInt32? {
            bytes.withRawSpan { memory.symbol(of: message, in: $0, source: source) }
        }
    }

    private struct NoDefinition: Error {}

    @Test("what was noted is known, and nothing that differs in a field or comes from elsewhere")
    func knowsByBytes() throws {
        var memory = DefinitionMemory()
        try Definition("AAPL", provider: "alpaca", since: 5).note(in: &memory, as: 7)
        let same = try Definition("AAPL", provider: "alpaca", since: 5)
        #expect(same.symbol(in: memory) == 7)
        #expect(same.symbol(in: memory, source: 1) == nil)
        for (symbol, provider, since) in [
            ("AAPL", "alpaca", 6), ("AAPL", "alpacb", 5), ("AAPM", "alpaca", 5),
            ("AAPLa", "lpaca", 5),
        ] as [(String, String, Int64)] {
            let other = try Definition(symbol, provider: provider, since: since)
            #expect(other.symbol(in: memory) == nil)
        }
    }

    @Test("a symbol is known by its last definition alone")
    func forgetsEarlierOnes() throws {
        var memory = DefinitionMemory()
        for since in 0..<2_000 {
            let now = try Definition("AAPL", since: Int64(since))
            #expect(now.symbol(in: memory) == nil)
            now.note(in: &memory, as: 0)
            #expect(now.symbol(in: memory) == 0)
        }
        #expect(try Definition("AAPL", since: 0).symbol(in: memory) == nil)
    }

    @Test("one that is too long is not remembered, and puts an end to what was")
    func skipsLongOnes() throws {
        var memory = DefinitionMemory()
        let short = try Definition("AAPL")
        let long = try Definition(String(repeating: "A", count: 300))
        short.note(in: &memory, as: 0)
        long.note(in: &memory, as: 0)
        #expect(long.symbol(in: memory) == nil)
        #expect(short.symbol(in: memory) == nil)
    }

    @Test("thousands of symbols of all lengths are known, and no two are taken for one")
    func holdsMany() throws {
        var names = (0..<5_000).map { "SYM\($0)" }
        for length in 1...40 {
            names.append(String(repeating: "A", count: length))
            for place in 0..<length {
                var name = [Character](repeating: "A", count: length)
                name[place] = "B"
                names.append(String(name))
            }
        }
        let definitions = try names.map { try Definition($0) }
        var memory = DefinitionMemory()
        for (number, one) in definitions.enumerated() {
            one.note(in: &memory, as: UInt32(number))
        }
        for (number, one) in definitions.enumerated() {
            #expect(one.symbol(in: memory) == UInt32(number))
            #expect(one.symbol(in: memory, source: 1) == nil)
        }
    }

    @Test("a machine that remembers answers as one that forgets before each packet")
    func machinesAgree() throws {
        let seed = Seeds.one()
        print("TAPELINE_SEED=\(seed)")
        var random = SeededRandom(seed: seed)
        let program = GraphProgram(.simple(try BarSeriesSet(["1s", "1m"])))
        var remembering = GraphMachine(program)
        var forgetting = GraphMachine(program)
        var time: Int64 = 1_700_000_000_000_000_000
        for number in 0..<400 {
            let packet = try changingPacket(number, &time, &random)
            forgetting = try forgetting.restored()
            var outputs = (GraphOutput(), GraphOutput())
            packet.withBytes { span in
                _ = remembering.take(packet.header, span, into: &outputs.0)
                _ = forgetting.take(packet.header, span, into: &outputs.1)
            }
            #expect(outputs.0.bars == outputs.1.bars)
            #expect(outputs.0.late == outputs.1.late)
        }
        #expect(remembering.bytes == forgetting.bytes)
        #expect(remembering.received > 0)
    }

    /// Returns a packet of one of three sources. Providers, lots and the beginnings of
    /// subscriptions change now and then, also within a packet. Some names are too long to be
    /// remembered.
    private func changingPacket(
        _ packet: Int, _ time: inout Int64, _ random: inout SeededRandom
    ) throws -> SealedPacket {
        let source = Int.random(in: 0..<3, using: &random)
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(0), source: try #require(SourceName("s\(source)")))
        for number in 0..<20 {
            let symbol = builder.register(try definition(time, &random))
            time += Int64.random(in: 0...50_000_000, using: &random)
            let now = Timestamp(nanoseconds: time)
            let header = TickHeader(symbol: symbol, providerTime: now, receiveTime: now)
            let price = Price(raw: Int64.random(in: 1...1_000, using: &random))
            let isIn =
                number % 5 == 3
                ? builder.append(
                    Quote(
                        header: header, bidPrice: price, bidSize: Quantity(raw: 1), askPrice: price,
                        askSize: Quantity(raw: 1)))
                : builder.append(Trade(header: header, price: price, size: Quantity(raw: 100)))
            #expect(isIn)
            guard number % 7 == 6 else { continue }
            builder.redefine(symbol, as: try definition(time, &random))
            let isAgain = builder.append(
                Trade(header: header, price: price, size: Quantity(raw: 1)))
            #expect(isAgain)
        }
        return builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: UInt64(packet * 100 + 1),
                watermark: Timestamp(nanoseconds: time), sendTime: Timestamp(nanoseconds: time)))
    }

    private func definition(
        _ time: Int64, _ random: inout SeededRandom
    ) throws -> SymbolDefinition {
        let number = Int.random(in: 0..<12, using: &random)
        let name = number == 11 ? String(repeating: "L", count: 90) : "SYM\(number)"
        let changes = Int.random(in: 0..<10, using: &random) == 0
        let hasLot = Int.random(in: 0..<4, using: &random) == 0
        return SymbolDefinition(
            symbol: try #require(Symbol(name)), provider: changes ? "q" : "p",
            since: changes ? Timestamp(nanoseconds: time) : .undefined,
            lot: hasLot ? RoundLot(Quantity(raw: 1_000_000_000)) : nil)
    }
}
