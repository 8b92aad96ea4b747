import MarketModel
import Primitives
import TapeCodec
import Testing

@Suite struct RoundTripTests {
    @Test("ticks come back as they went in, with their symbols")
    func ticks() throws {
        let packet = try Samples.tickPacket()
        let bytes = packet.array
        let header = try bytes.withRawSpan { try PacketReader.validate($0) }
        #expect(header == packet.header)
        #expect(header.tickCount == 3)
        #expect(header.nextOrdinal == 1_000_004)
        let records = Unpacked(bytes)
        #expect(records.symbols[0]?.symbol.text == "😀 BRK.B")
        #expect(records.symbols[1] == (try Samples.definition("AAPL")))
        #expect(records.trades == [try Samples.trade(symbol: 0), try Samples.trade(symbol: 1)])
        #expect(records.quotes == [try Samples.quote(symbol: 1)])
    }

    @Test("a symbol's lot comes back; one that is no number above 0 is none")
    func lots() throws {
        let lot = try Samples.lot()
        let packet = try Samples.tickPacket(lot: lot)
        #expect(Unpacked(packet.array).symbols[1]?.lot == lot)
        #expect(Unpacked(packet.array).symbols[0]?.lot == nil)
        let time = lot.from
        #expect(lot.size(at: time).raw == 4_000_000_000)
        #expect(lot.size(at: time.advanced(byNanoseconds: -1)).raw == 1_000_000_000)
        #expect(RoundLot(Quantity(raw: 7))?.size(at: .undefined).raw == 7)
        for bad in [Int64.min, -1, 0, Int64.max].map({ Quantity(raw: $0) }) {
            #expect(RoundLot(bad) == nil && RoundLot(lot.size, from: time, before: bad) == nil)
        }
    }

    @Test("a bar packet carries bar, series, source and the state of its input")
    func bars() throws {
        let packet = try Samples.barPacket()
        let records = Unpacked(packet.array)
        #expect(records.bars == [try Samples.bar(symbol: 0, series: 1)])
        #expect(records.symbols[0]?.source?.text == "synthetic")
        #expect(records.series[1]?.name.text == "1m")
        let state = packet.array.withRawSpan { PacketReader.outputState(of: $0) }
        #expect(state == (try Samples.outputState()))
    }

    @Test("a bar packet says what is known of sources", arguments: [Int64.max, 24])
    func states(watermark: Int64) throws {
        let watermark = Timestamp(nanoseconds: watermark)
        let packet = try Samples.statesPacket(watermark: watermark)
        let state = packet.array.withRawSpan { PacketReader.outputState(of: $0) }
        #expect(state?.states == (try Samples.states(watermark: watermark)))
        #expect(state?.input == (try Samples.outputState()).input)
    }

    @Test("a bar packet says who is a member of which group")
    func members() throws {
        let packet = try Samples.membersPacket()
        let state = packet.array.withRawSpan { PacketReader.outputState(of: $0) }
        #expect(state?.members == (try Samples.members()))
        #expect(state?.input == (try Samples.outputState()).input)
    }

    @Test("an epoch marker says where the epoch starts and uses up no ordinal")
    func marker() throws {
        let packet = try Samples.markerPacket()
        #expect(packet.header.flags == .epochMarker)
        #expect(packet.header.nextOrdinal == packet.header.firstOrdinal)
        #expect(
            Unpacked(packet.array).markers == [
                EpochMarker(
                    startOrdinal: 1_000_001, previousEpoch: 6, previousSequence: 88, definition: 99,
                    generation: 2)
            ])
    }

    @Test("only a watermark packet with the flag retires its source, and uses up no ordinal")
    func retirement() throws {
        let packet = try Samples.retirementPacket()
        #expect(packet.header.flags == [.epochMarker, .retirement])
        #expect(packet.header.retiresSource)
        #expect(packet.header.nextOrdinal == packet.header.firstOrdinal)
        #expect(try !Samples.watermarkPacket().header.retiresSource)
        var other = packet.header
        other.kind = .ticks
        #expect(!other.retiresSource)
    }

    @Test("a watermark packet uses up its counter")
    func watermark() throws {
        let header = try Samples.watermarkPacket().header
        #expect(header.tickCount == 0)
        #expect(header.nextOrdinal == header.firstOrdinal + 1)
    }

    @Test("a symbol is defined once per packet, and anew in the next one")
    func definitions() throws {
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(0), source: try Samples.source("a"))
        let symbol = builder.register(try Samples.definition("AAPL"))
        var recycled: SealedPacket?
        for _ in 0..<3 {
            for _ in 0..<5 { #expect(builder.append(try Samples.trade(symbol: symbol))) }
            let packet = builder.seal(Samples.seal, recycling: recycled)
            let records = Unpacked(packet.array)
            #expect(records.definitions == 1)
            #expect(records.trades.count == 5)
            recycled = packet
        }
    }

    @Test("resealing changes the header and keeps the ticks")
    func reseal() throws {
        var packet = try Samples.tickPacket()
        let before = packet
        packet.reseal(epoch: 8, firstOrdinal: 2_000_000)
        let header = try packet.array.withRawSpan { try PacketReader.validate($0) }
        #expect(header.epoch == 8)
        #expect(header.firstOrdinal == 2_000_000)
        #expect(header.checksum != before.header.checksum)
        #expect(Unpacked(packet.array).trades == Unpacked(before.array).trades)
    }

    @Test("a full packet refuses the next tick and takes it after sealing")
    func full() throws {
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(0), source: try Samples.source("a"))
        let symbol = builder.register(try Samples.definition("AAPL"))
        var count = 0
        while builder.append(try Samples.trade(symbol: symbol)) { count += 1 }
        #expect(count == PacketLimits.ticksMax)
        #expect(builder.isFull)
        let packet = builder.seal(Samples.seal)
        #expect(packet.byteCount < PacketLimits.bytesMax)
        #expect(packet.header.tickCount == UInt32(count))
        #expect(builder.append(try Samples.trade(symbol: symbol)))
    }

    @Test(
        "a packet grows as far as it is set to, in a buffer that grows with it",
        arguments: [128, 200, 300, 512])
    func growth(kibibytes: Int) throws {
        let growth = PacketGrowth(bytesMax: kibibytes * 1_024)
        #expect(growth.ticksMax == kibibytes * 8)
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(0), source: try Samples.source("a"), growth: growth)
        let symbol = builder.register(try Samples.definition("AAPL"))
        let (quote, trade) = (try Samples.quote(symbol: symbol), try Samples.trade(symbol: symbol))
        var recycled: SealedPacket?
        for _ in 0..<3 {
            var count = 0
            while count % 4 == 0 ? builder.append(trade) : builder.append(quote) { count += 1 }
            #expect(count == growth.ticksMax)
            let packet = builder.seal(Samples.seal, recycling: recycled.take())
            #expect(packet.byteCount <= growth.bytesMax + PacketLimits.tickBytesMax)
            #expect(Unpacked(packet.array).trades.count == count / 4)
            recycled = packet
        }
        // News are limited by bytes: each takes some room for definitions that it does not need.
        var news = TickSamples.newsHeadline()
        news.header.symbol = symbol
        news.headline = String(repeating: "x", count: 1_000)
        while builder.append(.news(news)) == .appended {}
        #expect(builder.byteCount > growth.bytesMax - 4_096)
        let packet = builder.seal(Samples.seal)
        _ = try packet.array.withRawSpan { try PacketReader.validate($0) }
    }

    @Test("a packet that may not leave grows once further, and the next one does not")
    func held() throws {
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(0), source: try Samples.source("a"))
        let symbol = builder.register(try Samples.definition("AAPL"))
        let quote = try Samples.quote(symbol: symbol)
        while builder.append(quote) {}
        #expect(builder.hold() && !builder.isFull)
        while builder.append(quote) {}
        #expect(builder.tickCount > PacketLimits.ticksMax && builder.isFull)
        let isHeld = builder.hold()
        #expect(!isHeld)
        let packet = builder.seal(Samples.seal)
        #expect(packet.byteCount <= PacketLimits.heldBytesMax + PacketLimits.tickBytesMax)
        #expect(packet.header.tickCount <= UInt32(PacketLimits.heldTicksMax))
        _ = try packet.array.withRawSpan { try PacketReader.validate($0) }
        var count = 0
        while builder.append(quote) { count += 1 }
        #expect(count == PacketLimits.ticksMax)
        // One that may grow as far anyway gains nothing.
        var large = PacketBuilder(
            kind: .ticks, partition: Partition(0), source: try Samples.source("a"),
            growth: PacketGrowth(bytesMax: PacketLimits.growthBytesLargest))
        let isLargeHeld = large.hold()
        #expect(!isLargeHeld)
    }

    @Test("a growth that readers would not take is a bug")
    func trapsGrowth() async {
        await #expect(processExitsWith: .failure) {
            _ = PacketGrowth(bytesMax: PacketLimits.growthBytesLargest + 1)
        }
    }

    @Test(
        "a packet with many long symbols stops growing before its buffer ends",
        arguments: [PacketLimits.growthBytesMax, PacketLimits.growthBytesLargest])
    func manySymbols(bytesMax: Int) throws {
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(0), source: try Samples.source("a"),
            growth: PacketGrowth(bytesMax: bytesMax))
        var appended = 0
        for index in 0..<2_000 {
            let name = String(repeating: "é", count: 250) + String(index)
            let symbol = builder.register(try Samples.definition(name))
            if !builder.append(try Samples.trade(symbol: symbol)) { break }
            appended += 1
        }
        let packet = builder.seal(Samples.seal)
        #expect(Unpacked(packet.array).trades.count == appended)
        #expect(appended > 100)
    }

    @Test("a bar with the last two definitions that fit: a packet has none that readers ignore")
    func manyDefinitions() throws {
        var builder = PacketBuilder(kind: .bars, partition: Partition(0), source: .operator)
        var appended = 0
        for index in 0..<600 {
            let name = String(index, radix: 36)
            let symbol = builder.register(
                SymbolDefinition(
                    symbol: try Samples.symbol(name), provider: "", since: .undefined))
            // The first two bars share a series, so the number of definitions is odd from then on.
            let series = builder.register(
                SeriesDefinition(
                    name: try #require(SeriesName(String(max(1, index), radix: 36))),
                    widthNanoseconds: 1))
            let isShared = index == 1
            let bar = try Samples.bar(symbol: symbol, series: isShared ? 0 : series)
            guard builder.append(bar) else { break }
            appended += 1
        }
        #expect(appended > 500 && builder.byteCount < PacketLimits.growthBytesMax)
        let packet = builder.seal(Samples.seal).array
        let named = packet.withRawSpan { bytes in
            var walk = PacketWalk()
            var named = 0
            while let item = walk.next(in: bytes) {
                guard case .bar(let bar) = item else { continue }
                let isNamed =
                    walk.symbol(bar.symbol, in: bytes) != nil
                    && walk.series(bar.series, in: bytes) != nil
                named += isNamed ? 1 : 0
            }
            return named
        }
        #expect(named == appended)
    }

    @Test("the builder knows its oldest tick")
    func oldest() throws {
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(0), source: try Samples.source("a"))
        let symbol = builder.register(try Samples.definition("AAPL"))
        #expect(!builder.oldestEventTime.isDefined)
        for time in [30, 10, 20] {
            var trade = try Samples.trade(symbol: symbol)
            trade.header.providerTime = Timestamp(nanoseconds: Int64(time))
            let added = builder.append(trade)
            #expect(added)
        }
        #expect(builder.oldestEventTime == Timestamp(nanoseconds: 10))
    }
}

/// All messages of a packet, by kind.
struct Unpacked {
    var trades: [Trade] = []
    var quotes: [Quote] = []
    var bars: [Bar] = []
    var symbols: [UInt32: SymbolDefinition] = [:]
    var series: [UInt32: SeriesDefinition] = [:]
    var markers: [EpochMarker] = []
    var definitions = 0
    var unknown: [UInt16] = []
    var errors: [PacketError] = []
    var tickCount: UInt32 = 0

    init(_ bytes: [UInt8]) {
        bytes.withRawSpan { packet in
            var cursor = RecordCursor()
            while let record = cursor.next(in: packet) {
                switch record {
                case .trade(let trade): trades.append(trade)
                case .quote(let quote): quotes.append(quote)
                case .bar(let bar): bars.append(bar)
                case .malformed(let error): errors.append(error)
                case .other(let message): add(message, in: packet)
                }
            }
            tickCount = cursor.tickCount
        }
    }

    private mutating func add(_ message: MessageBounds, in packet: RawSpan) {
        if let (index, definition) = message.symbolDefinition(in: packet) {
            symbols[index] = definition
            definitions += 1
        } else if let (index, definition) = message.seriesDefinition(in: packet) {
            series[index] = definition
        } else if let marker = message.epochMarker(in: packet) {
            markers.append(marker)
        } else if message.outputState(in: packet) == nil,
            message.sourceOrdinal(in: packet) == nil
        {
            unknown.append(message.template)
        }
    }
}
