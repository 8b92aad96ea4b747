import MarketModel
import Primitives
import Seeds
import StreamCore
import TapeCodec
import Testing

@testable import OperatorGraph

@Suite("Definitions that are known by their bytes")
struct DefinitionMemoryTests {
    /// Returns a packet that defines one symbol, with its position.
    private func packet(
        _ symbol: String, provider: String = "p", since: Int64 = 0
    ) throws -> (bytes: [UInt8], message: MessageBounds) {
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
        #expect(isIn)
        let bytes = builder.seal(
            PacketBuilder.Seal(epoch: 1, firstOrdinal: 1, watermark: time, sendTime: time)
        ).withBytes { $0.array }
        var cursor = RecordCursor()
        let first = bytes.withRawSpan { cursor.next(in: $0) }
        guard case .other(let message) = first else { throw NoDefinition() }
        return (bytes, message)
    }

    private struct NoDefinition: Error {}

    @Test("what was noted is known, and nothing that differs in a field or comes from elsewhere")
    func knowsByBytes() throws {
        var memory = DefinitionMemory()
        let one = try packet("AAPL", provider: "alpaca", since: 5)
        one.bytes.withRawSpan { memory.note(one.message, in: $0, source: 0, symbol: 7) }
        let same = try packet("AAPL", provider: "alpaca", since: 5)
        same.bytes.withRawSpan { span in
            #expect(memory.symbol(of: same.message, in: span, source: 0) == 7)
            #expect(memory.symbol(of: same.message, in: span, source: 1) == nil)
        }
        let others = [
            try packet("AAPL", provider: "alpaca", since: 6),
            try packet("AAPL", provider: "alpacb", since: 5),
            try packet("AAPM", provider: "alpaca", since: 5),
            try packet("AAPLa", provider: "lpaca", since: 5),
        ]
        for other in others {
            other.bytes.withRawSpan {
                #expect(memory.symbol(of: other.message, in: $0, source: 0) == nil)
            }
        }
    }

    @Test("a symbol is known by its last definition alone")
    func forgetsEarlierOnes() throws {
        var memory = DefinitionMemory()
        for since in 0..<2_000 {
            let now = try packet("AAPL", since: Int64(since))
            now.bytes.withRawSpan { span in
                #expect(memory.symbol(of: now.message, in: span, source: 0) == nil)
                memory.note(now.message, in: span, source: 0, symbol: 0)
                #expect(memory.symbol(of: now.message, in: span, source: 0) == 0)
            }
        }
        let first = try packet("AAPL", since: 0)
        first.bytes.withRawSpan {
            #expect(memory.symbol(of: first.message, in: $0, source: 0) == nil)
        }
    }

    @Test("one that is too long is not remembered, and puts an end to what was")
    func skipsLongOnes() throws {
        var memory = DefinitionMemory()
        let short = try packet("AAPL")
        let long = try packet(String(repeating: "A", count: 300))
        short.bytes.withRawSpan { memory.note(short.message, in: $0, source: 0, symbol: 0) }
        long.bytes.withRawSpan { span in
            memory.note(long.message, in: span, source: 0, symbol: 0)
            #expect(memory.symbol(of: long.message, in: span, source: 0) == nil)
        }
        short.bytes.withRawSpan {
            #expect(memory.symbol(of: short.message, in: $0, source: 0) == nil)
        }
    }

    /// Returns a memory in which the definition of each packet has the packet's number.
    private func remembering(
        _ packets: [(bytes: [UInt8], message: MessageBounds)]
    ) -> DefinitionMemory {
        var memory = DefinitionMemory()
        for (number, one) in packets.enumerated() {
            one.bytes.withRawSpan {
                memory.note(one.message, in: $0, source: 0, symbol: UInt32(number))
            }
        }
        return memory
    }

    @Test("thousands of symbols are known at once")
    func holdsMany() throws {
        let packets = try (0..<5_000).map { try packet("SYM\($0)") }
        let memory = remembering(packets)
        for (number, one) in packets.enumerated() {
            one.bytes.withRawSpan {
                #expect(memory.symbol(of: one.message, in: $0, source: 0) == UInt32(number))
            }
        }
    }

    @Test("names of all lengths are known, and no two are taken for one")
    func knowsNamesOfAllLengths() throws {
        var names: [String] = []
        for length in 1...40 {
            names.append(String(repeating: "A", count: length))
            for place in 0..<length {
                var name = [Character](repeating: "A", count: length)
                name[place] = "B"
                names.append(String(name))
            }
        }
        let packets = try names.map { try packet($0) }
        let memory = remembering(packets)
        for (number, one) in packets.enumerated() {
            one.bytes.withRawSpan {
                #expect(memory.symbol(of: one.message, in: $0, source: 0) == UInt32(number))
                #expect(memory.symbol(of: one.message, in: $0, source: 1) == nil)
            }
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
            var state: [UInt8] = []
            forgetting.encode(into: &state)
            forgetting = try state.withRawSpan { span throws(CheckpointError) in
                try GraphMachine(program, restoring: span)
            }
            var outputs = (GraphOutput(), GraphOutput())
            packet.withBytes { span in
                _ = remembering.take(packet.header, span, into: &outputs.0)
                _ = forgetting.take(packet.header, span, into: &outputs.1)
            }
            #expect(outputs.0.bars == outputs.1.bars)
            #expect(outputs.0.late == outputs.1.late)
        }
        var states: ([UInt8], [UInt8]) = ([], [])
        remembering.encode(into: &states.0)
        forgetting.encode(into: &states.1)
        #expect(states.0 == states.1)
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
