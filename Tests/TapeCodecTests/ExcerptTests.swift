import MarketModel
import Primitives
import TapeCodec
import Testing

@Suite("One tick as a packet of its own, and what of a packet cannot be read")
struct ExcerptTests {
    private func builder(_ kind: PacketKind = .ticks) throws -> PacketBuilder {
        var builder = PacketBuilder(
            kind: kind, partition: Partition(3), source: try #require(SourceName("desk-1")))
        for name in ["AAPL", "MSFT", "BTC/USD"] {
            _ = builder.register(
                SymbolDefinition(
                    symbol: try #require(Symbol(name)), provider: "ib", since: .undefined,
                    source: kind == .bars ? SourceName("desk-1") : nil))
        }
        return builder
    }

    private func seal(_ builder: inout PacketBuilder) -> [UInt8] {
        let packet = builder.seal(
            PacketBuilder.Seal(
                epoch: 7, firstOrdinal: 40, watermark: Timestamp(nanoseconds: 5),
                sendTime: Timestamp(nanoseconds: 6)))
        return packet.withBytes { $0.array }
    }

    private func header(_ bytes: [UInt8]) throws -> PacketHeader {
        try bytes.withRawSpan { span throws(PacketError) in try PacketReader.header(of: span) }
    }

    private func excerpt(_ bytes: [UInt8], _ ordinal: UInt64) throws -> [UInt8]? {
        let header = try header(bytes)
        return bytes.withRawSpan { PacketReader.excerpt(of: $0, header, ordinal: ordinal) }
    }

    private func trade(_ symbol: UInt32, _ price: Int64) -> Trade {
        Trade(
            header: TickHeader(
                symbol: symbol, providerTime: Timestamp(nanoseconds: price),
                receiveTime: Timestamp(nanoseconds: price + 1)),
            price: Price(raw: price), size: Quantity(raw: 1))
    }

    private func add(_ trade: Trade, to builder: inout PacketBuilder) {
        let isIn = builder.append(trade)
        #expect(isIn)
    }

    @Test("each tick comes out with its ordinal, its content and its own symbol alone")
    func each() throws {
        var builder = try builder()
        for number in 0..<6 { add(trade(UInt32(number % 3), Int64(number)), to: &builder) }
        let outcome = builder.append(try TickSamples.newsOfSymbol(1))
        #expect(outcome == .appended)
        let bytes = seal(&builder)
        for ordinal in 40...46 as ClosedRange<UInt64> {
            let alone = try #require(try excerpt(bytes, ordinal))
            let header = try alone.withRawSpan { span throws(PacketError) in
                try PacketReader.validate(span)
            }
            #expect(header.firstOrdinal == ordinal && header.tickCount == 1)
            #expect(header.epoch == 7 && header.partition == Partition(3) && header.flags.isEmpty)
            #expect(header.source.text == "desk-1" && header.sendTime.nanoseconds == 6)
            var symbols: [String] = []
            var prices: [Int64] = []
            alone.withRawSpan { span in
                var cursor = RecordCursor()
                while let record = cursor.next(in: span) {
                    switch record {
                    case .other(let message):
                        if let (_, found) = message.symbolDefinition(in: span) {
                            symbols.append(found.symbol.text)
                        }
                    case .trade(let trade): prices.append(trade.price.raw)
                    default: break
                    }
                }
            }
            let number = Int(ordinal - 40)
            #expect(symbols == [["AAPL", "MSFT", "BTC/USD"][number < 6 ? number % 3 : 1]])
            #expect(prices == (number < 6 ? [Int64(number)] : []))
        }
        #expect(try excerpt(bytes, 39) == nil)
        #expect(try excerpt(bytes, 47) == nil)
        #expect(try excerpt(bytes, .max) == nil)
    }

    @Test("a bar brings its series along")
    func bar() throws {
        var builder = try builder(.bars)
        for name in ["1s", "1m"] {
            _ = builder.register(
                SeriesDefinition(
                    name: try #require(SeriesName(name)), widthNanoseconds: 1_000_000_000))
        }
        for series in 0..<2 as Range<UInt16> {
            let isIn = builder.append(
                Bar(
                    symbol: 2, series: series, openTime: Timestamp(nanoseconds: 0),
                    closeTime: Timestamp(nanoseconds: 1)))
            #expect(isIn)
        }
        let alone = try #require(try excerpt(seal(&builder), 41))
        var texts: [String] = []
        alone.withRawSpan { span in
            var cursor = RecordCursor()
            while let record = cursor.next(in: span) {
                guard case .other(let message) = record else { continue }
                if let (_, found) = message.symbolDefinition(in: span) {
                    texts.append(found.symbol.text)
                } else if let (_, found) = message.seriesDefinition(in: span) {
                    texts.append(found.name.text)
                }
            }
        }
        #expect(texts == ["BTC/USD", "1m"])
    }

    private func damage(_ bytes: [UInt8]) throws -> PacketDamage? {
        let header = try header(bytes)
        return bytes.withRawSpan { PacketReader.damage(of: $0, header) }
    }

    @Test("a packet that ends inside a tick: how many ticks are whole, and where the rest begins")
    func cut() throws {
        var builder = try builder()
        for number in 0..<3 { add(trade(0, Int64(number)), to: &builder) }
        let bytes = seal(&builder)
        #expect(try damage(bytes) == nil)
        let size = WireFormat.messageHeaderBytes + WireFormat.Block.trade
        let damaged = repaired(Array(bytes.dropLast(size + 5)))
        let found = try #require(try damage(damaged))
        #expect(found.ticksBefore == 1 && found.offset == bytes.count - 2 * size)
        #expect(found.error.reason == .truncated)
        #expect(try excerpt(damaged, 40) != nil)
        #expect(try excerpt(damaged, 41) == nil)
        let missing = try #require(try damage(repaired(Array(bytes.dropLast(size)))))
        #expect(missing.ticksBefore == 2 && missing.offset == bytes.count - size)
        #expect(missing.error.reason == .wrongCount)
    }

    @Test("whatever bytes stand in a packet, neither traps")
    func noise() throws {
        var builder = try builder()
        for number in 0..<8 { add(trade(UInt32(number % 3), Int64(number)), to: &builder) }
        let bytes = seal(&builder)
        var random = SeededRandom(seed: 11)
        for _ in 0..<3_000 {
            var changed = bytes
            for _ in 0...Int(random.next() % 4) {
                let place =
                    WireFormat.HeaderOffset.end
                    + Int(random.next() % UInt64(bytes.count - WireFormat.HeaderOffset.end))
                changed[place] = UInt8(truncatingIfNeeded: random.next())
            }
            changed = repaired(changed)
            _ = try damage(changed)
            for ordinal in 39...49 as ClosedRange<UInt64> { _ = try excerpt(changed, ordinal) }
        }
    }
}

extension TickSamples {
    fileprivate static func newsOfSymbol(_ symbol: UInt32) throws -> NewsHeadline {
        NewsHeadline(
            header: TickHeader(
                symbol: symbol, providerTime: .undefined, receiveTime: Timestamp(nanoseconds: 9)),
            provider: "BRFG", article: "1", headline: "Größer", extra: "")
    }
}
