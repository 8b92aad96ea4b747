import MarketModel
import Primitives
import TapeCodec
import Testing

@testable import HotState

@Suite("The latest of each symbol")
struct HotTableTests {
    private func prices(_ table: HotTable, _ batch: HotBatch) -> [String: Int64] {
        var found: [String: Int64] = [:]
        for place in batch.trades {
            let name = table.pairs.name(Int(place.index))
            let symbol = HotTable.symbol(in: name, ofBar: false)
            found[String(decoding: symbol, as: UTF8.self)] = table.trades.value(place).map {
                $0.record.price.raw / 1_000_000_000
            }
        }
        return found
    }

    private func put(
        _ table: inout HotTable, _ trades: [(String, Int64)], sequence: UInt64,
        receivedAt: MonotonicTime = .at(0), stored: Timestamp = .undefined
    ) throws {
        var packet = try SamplePacket()
        for (name, price) in trades { packet.trade(try packet.symbol(name), price) }
        packet.add(to: &table, sequence: sequence, receivedAt: receivedAt, stored: stored)
    }

    @Test("the last one stands, each name once, corrections are none")
    func latest() throws {
        var table = HotTable(symbolsMax: 100)
        var packet = try SamplePacket()
        let a = try packet.symbol("A")
        let b = try packet.symbol("B")
        packet.trade(a, 1)
        packet.trade(b, 2)
        packet.trade(a, 3)
        packet.trade(a, 99, action: TradeAction.correction.rawValue)
        packet.quote(b, ask: 7)
        packet.add(to: &table, sequence: 1)
        #expect(table.pendingCount == 3)
        let batch = takeAll(&table)
        #expect(prices(table, batch) == ["A": 3, "B": 2])
        #expect(batch.quotes.count == 1 && table.pendingCount == 0)
        #expect(takeAll(&table).count == 0)
    }

    @Test("every name that a symbol may have, in one packet and again in the next")
    func names() throws {
        var table = HotTable(symbolsMax: 100)
        for round: Int64 in 1...2 {
            var packet = try SamplePacket()
            for (number, name) in Sample.strangeSymbols.enumerated() {
                packet.trade(try packet.symbol(name), round * 1_000 + Int64(number))
            }
            packet.add(to: &table, sequence: UInt64(round))
            let found = takeAll(&table).trades.map { table.pairs.name(Int($0.index)) }
            // Compared by bytes: one name in two Unicode compositions is two symbols.
            #expect(found == Sample.strangeSymbols.map { Array("\($0):s".utf8) })
            #expect(
                found.map { Array(HotTable.symbol(in: $0, ofBar: false)) }
                    == Sample.strangeSymbols.map { Array($0.utf8) })
        }
        #expect(table.pairs.count == Sample.strangeSymbols.count)
    }

    @Test("each source of a symbol has its own latest, and what names a source belongs to it")
    func sources() throws {
        var table = HotTable(symbolsMax: 100)
        func names(_ batch: [HotNames.Place]) -> [String] {
            batch.map { String(decoding: table.pairs.name(Int($0.index)), as: UTF8.self) }
        }
        for (number, source) in ["a", "b"].enumerated() {
            var packet = try SamplePacket(source: source)
            packet.trade(try packet.symbol("X"), Int64(number) + 1)
            packet.add(to: &table, sequence: UInt64(number) + 1)
        }
        let first = takeAll(&table)
        #expect(names(first.trades) == ["X:a", "X:b"])
        #expect(first.trades.map { table.trades.value($0)?.origin.source.text } == ["a", "b"])
        // One packet of a person: a trade of each source, and one of none in particular.
        var packet = try SamplePacket(source: "manual")
        packet.trade(try packet.symbol("X", source: "b"), 20)
        packet.trade(try packet.symbol("X", source: "a"), 10)
        packet.trade(try packet.symbol("X"), 30)
        packet.add(to: &table, sequence: 3)
        let second = takeAll(&table)
        #expect(names(second.trades) == ["X:b", "X:a", "X:manual"])
        #expect(
            second.trades.map { (table.trades.value($0)?.record.price.raw ?? 0) / 1_000_000_000 }
                == [20, 10, 30])
        // Bars of two sources in one packet.
        var bars = try SamplePacket(.bars, source: "operator")
        for source in ["a", "b"] {
            try bars.bar(try bars.symbol("X", source: source), "1m", open: 60, close: 1)
        }
        bars.add(to: &table, sequence: 1)
        let found = takeAll(&table).bars.map { table.barNames.name(Int($0.index)) }
        #expect(found == ["X:1m:a", "X:1m:b"].map { Array($0.utf8) })
        #expect(found.allSatisfy { HotTable.symbol(in: $0, ofBar: true).elementsEqual("X".utf8) })
    }

    @Test("a revision of an older window does not hide the present one; a newer window wins")
    func bars() throws {
        var table = HotTable(symbolsMax: 100)
        func add(_ open: Int64, _ close: Int64, sequence: UInt64) throws {
            var packet = try SamplePacket(.bars, source: "operator")
            let symbol = try packet.symbol("A:x", source: "feed")
            try packet.bar(symbol, "1m", open: open, close: close)
            packet.add(to: &table, sequence: sequence)
        }
        func stands() -> (Int64, Int64)? {
            let place = HotNames.Place(index: 0, generation: 1)
            return table.bars.value(place).map {
                ($0.record.openTime.nanoseconds, $0.record.close.raw / 1_000_000_000)
            }
        }
        try add(60, 1, sequence: 1)
        try add(0, 2, sequence: 2)
        #expect(try #require(stands()) == (60, 1))
        try add(60, 3, sequence: 3)
        #expect(try #require(stands()) == (60, 3))
        try add(120, 4, sequence: 4)
        #expect(try #require(stands()) == (120, 4))
        // Reading again from an older position changes nothing.
        try add(120, 5, sequence: 3)
        #expect(try #require(stands()) == (120, 4))
        #expect(table.barNames.name(0) == Array("A:x:1m:feed".utf8))
        let value = table.bars.value(HotNames.Place(index: 0, generation: 1))
        #expect(value?.origin.source.text == "feed")
    }

    @Test("what could not be written waits, and what came meanwhile is newer")
    func putBack() throws {
        var table = HotTable(symbolsMax: 100)
        try put(&table, (0..<10).map { ("S\($0)", 1) }, sequence: 1)
        var part = HotBatch()
        table.take(atMost: 4, now: .at(0), heardAfter: .at(-1), into: &part)
        #expect(part.count == 4 && table.pendingCount == 6)
        try put(&table, [("S0", 2), ("S1", 2), ("S7", 2)], sequence: 2)
        #expect(table.pendingCount == 8)
        table.putBack(.trade, part.trades[...])
        #expect(table.pendingCount == 10)
        let all = prices(table, takeAll(&table))
        #expect(all.count == 10)
        for (name, price) in all {
            #expect(price == (["S0", "S1", "S7"].contains(name) ? 2 : 1), "\(name)")
        }
    }

    @Test("what was heard too long ago is not written, and is not repeated")
    func life() throws {
        var table = HotTable(symbolsMax: 100)
        try put(&table, [("old", 1)], sequence: 1, receivedAt: .at(100))
        try put(&table, [("new", 2)], sequence: 2, receivedAt: .at(200))
        #expect(prices(table, takeAll(&table, heardAfter: .at(150))) == ["new": 2])
        #expect(table.pendingCount == 0)
        table.repeatAll(heardAfter: .at(150))
        let batch = takeAll(&table, heardAfter: .at(150))
        #expect(prices(table, batch) == ["new": 2])
        // Repeated news must not be used to measure how long news takes.
        #expect(!batch.oldest.received.isDefined)
    }

    @Test("the age of a round trip is that of the values it sends, not of those that come later")
    func oldest() throws {
        var table = HotTable(symbolsMax: 16)
        try put(&table, [("A", 1)], sequence: 1, stored: Timestamp(nanoseconds: 100))
        let batch = takeAll(&table)
        try put(&table, [("A", 2)], sequence: 2, stored: Timestamp(nanoseconds: 200))
        #expect(batch.oldest.stored == Timestamp(nanoseconds: 100))
        #expect(batch.oldest.received == Timestamp(nanoseconds: 18))
        #expect(takeAll(&table).oldest.stored == Timestamp(nanoseconds: 200))
    }

    @Test("at the bound the newest are kept; a name that gave way never gets another's value")
    func bound() throws {
        var table = HotTable(symbolsMax: 16)
        // A packet with more symbols than there is room for.
        try put(&table, (0..<40).map { ("P\($0)", $0) }, sequence: 1)
        #expect(table.pairs.count == 16 && table.evictions == 24)
        for (name, price) in prices(table, takeAll(&table)) { #expect(name == "P\(price)") }
        // Symbols alternate in one packet, and each tick must find its own name again.
        var packet = try SamplePacket()
        let numbers = try (0..<40).map { try packet.symbol("Q\($0)") }
        for _ in 0..<3 {
            for (price, number) in numbers.enumerated() { packet.trade(number, Int64(price)) }
        }
        packet.add(to: &table, sequence: 2)
        let batch = takeAll(&table)
        let left = prices(table, batch)
        #expect(left.count == 16)
        for (name, price) in left { #expect(name == "Q\(price)") }
        // Returned after their names were given up, so they are forgotten.
        try put(&table, (0..<16).map { ("R\($0)", 1) }, sequence: 3)
        _ = takeAll(&table)
        table.putBack(.trade, batch.trades[...])
        #expect(prices(table, takeAll(&table)).keys.allSatisfy { $0.hasPrefix("R") })
        table.repeatAll(heardAfter: .at(-1))
        #expect(prices(table, takeAll(&table)).keys.allSatisfy { $0.hasPrefix("R") })
    }

    @Test("names that come and go while nobody takes anything do not fill the memory")
    func flood() throws {
        var table = HotTable(symbolsMax: 16)
        for round in 0..<2_000 {
            try put(&table, (0..<20).map { ("N\(round)-\($0)", 1) }, sequence: UInt64(round))
        }
        #expect(table.trades.queue.count < 200)
        #expect(takeAll(&table).count == 16)
        #expect(table.pendingCount == 0)
    }

    @Test("a tick that refers to what its packet does not define is left out", arguments: [7, -1])
    func undefined(index: Int32) throws {
        var table = HotTable(symbolsMax: 16)
        var packet = try SamplePacket()
        packet.trade(try packet.symbol("A"), 1)
        packet.trade(try packet.symbol("B"), 2)
        let sealed = packet.builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: 1, watermark: .undefined, sendTime: .undefined))
        var bytes = sealed.withBytes { $0.array }
        // The last trade's block begins with the number of its symbol.
        let block = bytes.count - 64
        for offset in 0..<4 {
            bytes[block + offset] = UInt8(truncatingIfNeeded: index >> Int32(8 * offset))
        }
        let origin = HotOrigin(
            source: sealed.header.source,
            order: HotOrder(streamCreated: .undefined, sequence: 1), receivedAt: .at(0),
            stored: .undefined)
        bytes.withRawSpan { table.add($0, origin) }
        #expect(prices(table, takeAll(&table)) == ["A": 1])
    }
}
