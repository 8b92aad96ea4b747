import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TestSupport
import Testing
import ValkeyClient

@testable import HotState
@testable import HotStateTests

@Suite("Values of the database among those of the tape")
struct HotFillTests {
    private func tell(_ table: inout HotTable, _ price: Int64, at sequence: UInt64) throws {
        var packet = try SamplePacket()
        packet.trade(try packet.symbol("A"), price)
        packet.add(to: &table, sequence: sequence)
    }

    private func price(_ table: HotTable) -> Int64? {
        table.trades.value(HotNames.Place(index: 0, generation: 1)).map {
            $0.record.price.raw / 1_000_000_000
        }
    }

    /// A packet of the tape with price 1, and values of the database with price 2, in both orders.
    @Test(
        "a value of the tape counts, but not one of before what the database had",
        arguments: [
            (tape: UInt64(9), isFirst: true, price: Int64(1)), (10, true, 1), (11, true, 1),
            (9, false, 2), (10, false, 1), (11, false, 1),
        ])
    func order(tape: UInt64, isFirst: Bool, price: Int64) throws {
        var table = HotTable(symbolsMax: 16)
        if isFirst { try tell(&table, 1, at: tape) }
        for fill in try fill([("A", 2)], at: 10) { table.add(fill) }
        if !isFirst { try tell(&table, 1, at: tape) }
        #expect(self.price(table) == price)
        let isFilled = table.trades.value(HotNames.Place(index: 0, generation: 1))?.origin.isFilled
        #expect(isFilled == (price == 2))
    }

    @Test("bars and provider's bars: the window counts first, then the position")
    func windows() throws {
        var table = HotTable(symbolsMax: 16)
        var builder = HotFillBuilder(
            .bars, Partition(0), HotOrder(streamCreated: Timestamp(nanoseconds: 5), sequence: 10),
            readAt: Timestamp(nanoseconds: 200), receivedAt: .at(0))
        let (symbol, source) = (try #require(Symbol("A")), try #require(SourceName("feed")))
        var bar = Bar(
            symbol: 7, series: 7, openTime: Timestamp(nanoseconds: 60),
            closeTime: Timestamp(nanoseconds: 120))
        bar.close = Price(raw: 2_000_000_000)
        builder.add(
            .bar(bar, series: try #require(SeriesName("1m"))), symbol: symbol, source: source)
        for fill in builder.finish() { table.add(fill) }
        func add(_ open: Int64, _ close: Int64, at sequence: UInt64) throws -> Int64? {
            var packet = try SamplePacket(.bars, source: "operator")
            let symbol = try packet.symbol("A", source: "feed")
            try packet.bar(symbol, "1m", open: open, close: close)
            packet.add(to: &table, sequence: sequence)
            return table.bars.value(HotNames.Place(index: 0, generation: 1)).map {
                $0.record.close.raw / 1_000_000_000
            }
        }
        #expect(table.barNames.name(0) == Array("A:1m:feed".utf8))
        #expect(try add(60, 3, at: 9) == 2)
        #expect(try add(0, 3, at: 11) == 2)
        #expect(try add(60, 4, at: 11) == 4)
        #expect(try add(120, 5, at: 12) == 5)
    }

    @Test("a key's life began when the value was received, and ends as if it had been written then")
    func life() throws {
        var table = HotTable(symbolsMax: 16)
        let fills =
            try fill([("old", 1)], at: 10, received: 100, readAt: 200, now: .at(1_000))
            + fill([("new", 2)], at: 10, received: 180, readAt: 200, now: .at(1_000))
            // A clock that is ahead gives no longer life.
            + fill([("ahead", 3)], at: 10, received: 900, readAt: 200, now: .at(1_000))
        for fill in fills { table.add(fill) }
        let batch = takeAll(&table, now: .at(1_000), heardAfter: .at(950))
        let times = batch.trades.compactMap { table.trades.value($0)?.origin.receivedAt }
        #expect(times == [.at(980), .at(1_000)])
        // Values of the database must not be used to measure how long new ones take.
        #expect(!batch.oldest.received.isDefined && !batch.oldest.stored.isDefined)
    }

    @Test("more values than a packet takes are all there, and displace no name at the bound")
    func many() throws {
        var table = HotTable(symbolsMax: 2_000)
        try tell(&table, 1, at: 1)
        let fills = try fill((0..<3_000).map { ("S\($0)", 2) }, at: 10)
        #expect(fills.count > 1)
        for fill in fills { table.add(fill) }
        #expect(table.pairs.count == 2_000 && table.evictions == 0)
        #expect(price(table) == 1)
        #expect(takeAll(&table).trades.count == 2_000)
    }

    @Test("the queue takes a few of them, and refuses more")
    func bound() throws {
        let queue = HotQueue(MetricRegistry(), life: .seconds(1))
        let one = try #require(try fill([("A", 1)], at: 1).first)
        for _ in 0..<HotQueue.fillsMax {
            let isTaken = queue.offer(one)
            #expect(isTaken)
        }
        let isTaken = queue.offer(one)
        #expect(!isTaken)
        #expect(queue.takeFill() != nil)
        let isTakenNow = queue.offer(one)
        #expect(isTakenNow)
    }
}

@Suite("Values of the database in a real Valkey")
struct HotFillValkeyTests {
    private let server: ValkeyServer
    private let session: HotSession

    init() throws {
        server = try ValkeyServer()
        session = try HotSession(server)
    }

    private func write(_ table: inout HotTable) throws {
        #expect(try session.roundTrip(&table)?.refusal == nil)
    }

    private func tell(_ table: inout HotTable, _ symbol: String, at sequence: UInt64) throws {
        var packet = try SamplePacket()
        packet.trade(try packet.symbol(symbol), Int64(sequence))
        packet.add(to: &table, sequence: sequence)
    }

    private func shown(_ symbol: String) throws -> String {
        try server.cli("HMGET", "x:trade:\(symbol):s", "price", "filled")
    }

    @Test("what is there stays, what is missing comes with a mark, and a tick takes the mark away")
    func marked() throws {
        var before = HotTable(symbolsMax: 16)
        try tell(&before, "A", at: 3)
        try write(&before)
        // Another process, without a memory.
        var table = HotTable(symbolsMax: 16)
        for fill in try fill([("A", 7), ("B", 8)], at: 10) { table.add(fill) }
        try write(&table)
        #expect(try shown("A") == "3")
        #expect(try shown("B") == "8\ndatabase")
        #expect(try server.sources("B").map(\.name) == ["s"])
        #expect(try server.cli("HGET", "x:trade:B:s", "stale_after") == "5000")
        let left = Int(try server.cli("PTTL", "x:trade:B:s")) ?? 0
        #expect((1...300_000).contains(left))
        // Packets that the database had already change nothing, later ones do: in this process
        // within a second, and in a third one, too.
        try tell(&table, "B", at: 9)
        try write(&table)
        #expect(try shown("B") == "8\ndatabase")
        var third = HotTable(symbolsMax: 16)
        try tell(&third, "B", at: 9)
        try write(&third)
        #expect(try shown("B") == "8\ndatabase")
        try tell(&table, "B", at: 11)
        try write(&table)
        #expect(try shown("B") == "11")
    }

    @Test("of two fills the later one stays, whichever process comes first")
    func twice() throws {
        for (value, sequence, shownThen) in [(8, 10, 8), (9, 20, 9), (7, 5, 9)] {
            var table = HotTable(symbolsMax: 16)
            let fills = try fill([("B", Int64(value))], at: UInt64(sequence))
            for fill in fills { table.add(fill) }
            try write(&table)
            #expect(try shown("B") == "\(shownThen)\ndatabase")
        }
    }

    @Test("each value says where it is on the tape, also one of another source's packet")
    func places() throws {
        var table = HotTable(symbolsMax: 16)
        for fill in try fill([("A", 7), ("B", 8)], at: 10) { table.add(fill) }
        var packet = try SamplePacket(source: "manual")
        packet.firstOrdinal = 40
        let own = try packet.symbol("C")
        packet.quote(try packet.symbol("C", source: "s"), ask: 1)
        packet.trade(own, 1)
        packet.trade(try packet.symbol("C", source: "s"), 2)
        packet.add(to: &table, sequence: 11)
        try write(&table)
        func place(_ key: String) throws -> String {
            try server.cli("HMGET", "x:\(key)", "partition", "lane", "ordinal", "source")
        }
        #expect(try place("trade:A:s") == "0\ns\n101\ns")
        #expect(try place("trade:B:s") == "0\ns\n102\ns")
        #expect(try place("trade:C:s") == "0\nmanual\n42\ns")
        #expect(try place("quote:C:s") == "0\nmanual\n40\ns")
        #expect(try place("trade:C:manual") == "0\nmanual\n41\nmanual")
    }

    @Test("what was filled is written again after a flush, with its mark")
    func flushed() throws {
        var table = HotTable(symbolsMax: 16)
        for fill in try fill([("B", 8)], at: 10) { table.add(fill) }
        try write(&table)
        try server.cli("FLUSHALL")
        table.repeatAll(heardAfter: .at(-1))
        try server.cli("SCRIPT", "FLUSH")
        try session.reloadScripts(namespace: "x")
        try write(&table)
        #expect(try shown("B") == "8\ndatabase")
    }
}
