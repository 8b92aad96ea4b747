import MarketModel
import Primitives
import ServiceTestSupport
import TapeCodec
import TestSupport
import Testing
import ValkeyClient

@testable import HotState
@testable import HotStateTests

@Suite("Books in a real Valkey")
struct HotBooksValkeyTests {
    private let server: ValkeyServer
    private let session: HotSession

    init() throws {
        server = try ValkeyServer()
        session = try HotSession(server)
    }

    private func shown(_ key: String, _ fields: String...) throws -> String {
        try server.cli(["HMGET", "x:book:\(key)"] + fields).replacing("\n", with: " ")
    }

    private func row(
        _ table: inout HotTable, _ lane: inout HotBooksTests.Lane, _ position: UInt32,
        _ price: Int64
    ) throws {
        try lane.send(to: &table, records: 1) {
            $0.row(try $0.symbol("A"), .bid, .update, at: position, price: price)
        }
    }

    @Test("a book is one key with all that its readers need")
    func content() throws {
        var table = HotTable(symbolsMax: 16)
        var lane = HotBooksTests.Lane(next: 100)
        try lane.begin("A:x", in: &table)
        try lane.send(to: &table, records: 1) { packet in
            var row = Sample.row(
                try packet.symbol("A:x"), .ask, .insert, at: 0, price: -8)
            row.size = Quantity(raw: 300_000_000)
            row.header.flags = .delayed
            row.marketMaker = try #require(MarketMaker("ARCA\"\\EDGE"))
            let isIn = packet.builder.append(row)
            #expect(isIn)
        }
        let written = try session.roundTrip(&table)?.written
        #expect(written == 1)
        let key = "A:x:s"
        #expect(
            try shown(key, "bids", "asks")
                == """
                [["9","1"],["8","1"]] [["-8","3","ARCA??EDGE"],["10","1"]]
                """)
        #expect(try shown(key, "state", "reason", "bid_rows", "ask_rows") == "complete  2 2")
        #expect(try shown(key, "crossed", "since", "ordinal") == "1 17 105")
        #expect(try shown(key, "ts", "receive_ts", "delayed", "source") == "18 18 1 s")
        #expect(try shown(key, "stale_after", "filled", "source") == "5000  s")
        #expect(try server.sources("A:x").map(\.name) == ["s"])
        let left = Int(try server.cli("PTTL", "x:book:A:x:s")) ?? 0
        #expect((1...300_000).contains(left))
        // A packet that did not come.
        lane.next += 1
        try lane.send(to: &table, records: 1) { $0.trade(try $0.symbol("A:x"), 1) }
        try session.roundTrip(&table)
        #expect(try shown(key, "state", "reason", "bids", "asks") == "unknown lost [] []")
        #expect(try shown(key, "bid_rows", "ask_rows", "since", "crossed") == "0 0  0")
    }

    @Test("twenty rows of each side are shown, of the longest numbers, too")
    func longest() throws {
        var table = HotTable(symbolsMax: 16)
        var lane = HotBooksTests.Lane()
        try lane.send(to: &table, records: 61) { packet in
            let symbol = try packet.symbol("A")
            packet.reset(symbol)
            for position in 0..<UInt32(30) {
                for side in [BookSide.bid, .ask] {
                    var row = Sample.row(symbol, side, .insert, at: position)
                    row.marketMaker = try #require(MarketMaker("0123456789abcdef"))
                    row.price = Price(raw: Int64.min + 1 + Int64(position))
                    row.size = Quantity(raw: Int64.max - 1)
                    let isIn = packet.builder.append(row)
                    #expect(isIn)
                }
            }
        }
        try session.roundTrip(&table)
        #expect(try shown("A:s", "state", "bid_rows", "ask_rows") == "complete 20 20")
        let bids = try shown("A:s", "bids")
        #expect(
            bids.hasSuffix(
                "[\"-9223372036.854775788\",\"92233720368.54775806\",\"0123456789abcdef\"]]"))
        #expect(bids.utf8.count > 1_300)
    }

    @Test("a reader sees one book or the next, and none between them")
    func whole() throws {
        let reader = try ValkeyConnection(server.configuration)
        var table = HotTable(symbolsMax: 16)
        var lane = HotBooksTests.Lane()
        var seen: Set<String> = []
        for price in Int64(1)...200 {
            try lane.send(to: &table, records: 41) { packet in
                let symbol = try packet.symbol("A")
                packet.reset(symbol)
                for position in 0..<UInt32(20) {
                    packet.row(symbol, .bid, .insert, at: position, price: price)
                    packet.row(symbol, .ask, .insert, at: position, price: price)
                }
            }
            // The commands are on their way while the reader asks.
            try session.begin(&table, keysMax: 16, withMarker: false, now: .at(0), .sample)
            let reply = try reader.command(["HMGET", "x:book:A:s", "bids", "asks"])
            if case .array(let sides) = reply, let bids = sides.first?.text {
                #expect(sides.last?.text == bids)
                let rows = bids.split(separator: "[").filter { $0.hasPrefix("\"") }
                #expect(rows.count == 20 && Set(rows.map { $0.prefix { $0 != "]" } }).count == 1)
                seen.insert(bids)
            }
            while session.isWaiting {
                _ = try session.advance(waitingAtMost: .milliseconds(20), &table)
            }
        }
        #expect(seen.count > 100)
    }

    @Test("a writer that has just started says what it knows, and never what another knew")
    func restarted() throws {
        var before = HotTable(symbolsMax: 16)
        var lane = HotBooksTests.Lane()
        try lane.begin("A", in: &before)
        try lane.begin("B", in: &before)
        try session.roundTrip(&before)
        // The next process sees a row, but not the rows that it edits.
        var table = HotTable(symbolsMax: 16)
        try row(&table, &lane, 1, 7)
        try session.roundTrip(&table)
        #expect(try shown("A:s", "state", "reason", "bids", "asks") == "unknown start [] []")
        #expect(try shown("B:s", "state", "bid_rows") == "complete 2")
        try row(&table, &lane, 0, 8)
        try session.roundTrip(&table)
        #expect(try shown("A:s", "state", "bids") == "partial [[\"8\",\"1\"],[\"7\",\"1\"]]")
        // What the earlier process still writes is older.
        before.repeatAll(heardAfter: .at(-1))
        let old = try session.roundTrip(&before)?.written
        #expect(old == 1)
        #expect(try shown("A:s", "state") == "partial")
    }

    @Test("what the database says of a last change keeps a book that is right, and ends another")
    func filled() throws {
        var before = HotTable(symbolsMax: 16)
        var lane = HotBooksTests.Lane()
        try lane.begin("A", in: &before)
        try lane.begin("B", in: &before)
        try session.roundTrip(&before)
        var builder = HotFillBuilder(
            .ticks, Partition(0), HotOrder(streamCreated: Timestamp(nanoseconds: 5), sequence: 50),
            readAt: Timestamp(nanoseconds: 18), receivedAt: .at(0))
        let source = try #require(SourceName("s"))
        // The last change of A is its fifth record; of B there were later ones; of C none is known.
        for (name, ordinal) in [("A", 5), ("B", 12), ("C", 13)] as [(String, UInt64)] {
            builder.add(
                .depth(Sample.reset(0).header), symbol: try #require(Symbol(name)), source: source,
                at: HotFillPlace(lane: source, ordinal: ordinal))
        }
        let fills = builder.finish()
        for _ in 0..<2 {
            var table = HotTable(symbolsMax: 16)
            for fill in fills { table.add(fill) }
            try session.roundTrip(&table)
            #expect(try shown("A:s", "state", "filled", "source") == "complete  s")
            for name in ["B", "C"] {
                #expect(
                    try shown("\(name):s", "state", "reason", "bids", "filled")
                        == "unknown start [] database")
            }
        }
        // A writer that has only filled the book does not know its rows, and a gap voids them.
        var heir = HotTable(symbolsMax: 16)
        for fill in fills { heir.add(fill) }
        try session.roundTrip(&heir)
        #expect(try shown("A:s", "state") == "complete")
        lane = HotBooksTests.Lane(next: 60, sequence: 60)
        try lane.send(to: &heir, records: 1) { packet in
            let gap = GapRecord(
                header: Sample.reset(try packet.symbol("A")).header,
                from: Timestamp(nanoseconds: 1), to: .undefined, kind: .depth,
                reason: .disconnected, state: .open)
            let outcome = packet.builder.append(gap)
            #expect(outcome == .appended)
        }
        try session.roundTrip(&heir)
        #expect(try shown("A:s", "state", "reason", "bids") == "unknown gap []")
        // The tape's next rows count again, and take the mark away.
        var table = HotTable(symbolsMax: 16)
        for fill in fills { table.add(fill) }
        lane = HotBooksTests.Lane(next: 60, sequence: 60)
        try lane.begin("B", in: &table)
        try session.roundTrip(&table)
        #expect(try shown("B:s", "state", "filled", "bid_rows") == "complete  2")
        // What the tape has brought stays, whatever is read later.
        for fill in fills { table.add(fill) }
        try session.roundTrip(&table)
        #expect(try shown("B:s", "state", "filled", "bid_rows") == "complete  2")
    }

    @Test("books that Valkey refused or lost are there again, each as it is by then")
    func refusedAndLost() throws {
        var table = HotTable(symbolsMax: 16)
        var lane = HotBooksTests.Lane()
        try lane.begin("A", in: &table)
        try server.cli("CONFIG", "SET", "maxmemory", "1")
        let refusal = try session.roundTrip(&table)?.refusal
        #expect(refusal?.hasPrefix("OOM") == true)
        #expect(try shown("A:s", "state").isEmpty && table.pendingCount == 1)
        try row(&table, &lane, 0, 5)
        try server.cli("CONFIG", "SET", "maxmemory", "0")
        let written = try session.roundTrip(&table)?.written
        #expect(written == 1)
        #expect(try shown("A:s", "bids") == "[[\"5\",\"1\"],[\"8\",\"1\"]]")
        try server.cli("FLUSHALL")
        table.repeatAll(heardAfter: .at(-1))
        let again = try session.roundTrip(&table)?.written
        #expect(again == 1)
        #expect(try shown("A:s", "state", "bids") == "complete [[\"5\",\"1\"],[\"8\",\"1\"]]")
    }
}
