import MarketModel
import Primitives
import TapeCodec
import Testing

@Suite struct PacketWalkTests {
    private static let first: UInt64 = 1_000_001

    /// The report of a walk about ticks: ordinal, template, symbol and series.
    private struct Step: Equatable {
        var ordinal: UInt64
        var template: UInt16
        var symbol: String?
        var series: String?
    }

    private func steps(_ bytes: [UInt8]) -> (steps: [Step], controls: Int, damage: PacketError?) {
        bytes.withRawSpan { packet in
            var (steps, controls): ([Step], Int) = ([], 0)
            var walk = PacketWalk(firstOrdinal: Self.first)
            while let item = walk.next(in: packet) {
                var (template, symbol, series): (UInt16, UInt32, UInt16?) = (0, 0, nil)
                switch item {
                case .trade(let trade):
                    (template, symbol) = (WireFormat.Template.trade, trade.header.symbol)
                case .quote(let quote):
                    (template, symbol) = (WireFormat.Template.quote, quote.header.symbol)
                case .bar(let bar):
                    (template, symbol, series) = (WireFormat.Template.bar, bar.symbol, bar.series)
                case .other(let message):
                    template = message.template
                    symbol = message.tickHeader(in: packet)?.symbol ?? TickHeader.noSymbol
                    series = message.lateTick(in: packet)?.series
                case .control:
                    controls += 1
                    continue
                }
                steps.append(
                    Step(
                        ordinal: walk.ordinal, template: template,
                        symbol: walk.symbol(symbol, in: packet)?.symbol.text,
                        series: series.flatMap { walk.series($0, in: packet)?.name.text }))
            }
            return (steps, controls, walk.damage)
        }
    }

    private func packet(seed: UInt64) throws -> (packet: SealedPacket, records: [TapeRecord]) {
        var script = RecordScript(seed: seed)
        var builder = try TapeRecordTests.builder()
        var appended: [TapeRecord] = []
        for _ in 0..<3 {
            for record in try script.all() where builder.append(record) == .appended {
                appended.append(record)
            }
        }
        return (builder.seal(Samples.seal), appended)
    }

    @Test(
        "ordinals are the builder's, and names those of the registered numbers", arguments: 1...50)
    func ordinals(seed: Int) throws {
        let (packet, records) = try packet(seed: UInt64(seed))
        let found = steps(packet.array)
        #expect(found.damage == nil && found.steps.count == records.count)
        #expect(packet.header.firstOrdinal == Self.first)
        #expect(packet.header.nextOrdinal == (found.steps.last?.ordinal ?? 0) + 1)
        for (number, (step, record)) in zip(found.steps, records).enumerated() {
            #expect(step.ordinal == Self.first + UInt64(number))
            var (symbol, series): (UInt32?, UInt16?) = (record.header?.symbol, nil)
            if case .bar(let bar) = record { (symbol, series) = (bar.symbol, bar.series) }
            if case .lateTick(let late) = record { series = late.series }
            let isGeneral = symbol == TickHeader.noSymbol
            #expect(step.symbol == (isGeneral ? nil : symbol.map { "S\($0)" }))
            #expect(step.series == series.map { "\($0 + 1)m" })
        }
    }

    @Test("damage ends a walk where it ends the cursor, and is told", arguments: 1...50)
    func damaged(seed: Int) throws {
        var bytes = try packet(seed: UInt64(seed)).packet.array
        var random = SeededRandom(seed: UInt64(seed))
        for _ in 0...random.next() % 3 {
            let place = Int.random(
                in: WireFormat.HeaderOffset.end..<bytes.count, using: &random)
            bytes[place] = UInt8.random(in: 0...255, using: &random)
        }
        if seed % 2 == 0 { bytes.removeLast(Int(random.next() % 200)) }
        var (templates, controls): ([UInt16], Int) = ([], 0)
        var damage: PacketError?
        bytes.withRawSpan { packet in
            var cursor = RecordCursor()
            while let record = cursor.next(in: packet) {
                switch record {
                case .trade: templates.append(WireFormat.Template.trade)
                case .quote: templates.append(WireFormat.Template.quote)
                case .bar: templates.append(WireFormat.Template.bar)
                case .other(let message):
                    if WireFormat.Template.isTick(message.template) {
                        templates.append(message.template)
                    } else {
                        controls += 1
                    }
                case .malformed(let error): damage = error
                }
            }
        }
        let found = steps(bytes)
        #expect(found.steps.map(\.template) == templates && found.controls == controls)
        #expect(found.damage == damage)
        let ordinals = templates.indices.map { Self.first + UInt64($0) }
        #expect(found.steps.map(\.ordinal) == ordinals)
    }

    @Test("an index means what the packet said of it last before the tick")
    func redefined() throws {
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(0), source: try Samples.source("a"))
        let number = builder.register(try Samples.definition("A"))
        #expect(builder.append(try Samples.trade(symbol: number)))
        builder.redefine(number, as: try Samples.definition("B"))
        #expect(builder.append(try Samples.trade(symbol: number)))
        let found = steps(builder.seal(Samples.seal).array)
        #expect(found.steps.map(\.symbol) == ["A", "B"] && found.controls == 2)
    }

    @Test("an index beyond what a packet may define means nothing")
    func table() {
        var table = PacketTable<Int>()
        table[3] = 7
        table[UInt32(PacketLimits.definitionsMax)] = 8
        table[UInt32.max] = 9
        #expect(table[3] == 7 && table[0] == nil && table[UInt32.max] == nil)
        #expect(table[UInt32(PacketLimits.definitionsMax)] == nil)
        table.removeAll()
        #expect(table[3] == nil)
    }
}
