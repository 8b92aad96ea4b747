import MarketModel
import Primitives
import ServiceTestSupport
import TapeCodec
import TestSupport
import Testing
import ValkeyClient

@testable import HotState

@Suite("Books among the packets of the tape")
struct HotBooksTests {
    /// The packets of one source in one partition, whose ordinals follow each other.
    struct Lane {
        var next: UInt64 = 1
        var sequence: UInt64 = 1

        mutating func send(
            to table: inout HotTable, source: String = "s", records: UInt64,
            _ fill: (inout SamplePacket) throws -> Void
        ) throws {
            var packet = try SamplePacket(source: source)
            try fill(&packet)
            packet.firstOrdinal = next
            packet.add(to: &table, sequence: sequence)
            next += records
            sequence += 1
        }

        /// A book of two rows of each side, since a reset.
        mutating func begin(_ symbol: String, in table: inout HotTable) throws {
            try send(to: &table, records: 5) { packet in
                let symbol = try packet.symbol(symbol)
                packet.reset(symbol)
                for position in 0..<UInt32(2) {
                    packet.row(symbol, .bid, .insert, at: position, price: 9 - Int64(position))
                    packet.row(symbol, .ask, .insert, at: position, price: 10 + Int64(position))
                }
            }
        }

        mutating func update(_ symbol: String, _ price: Int64, in table: inout HotTable) throws {
            try send(to: &table, records: 1) { packet in
                packet.row(try packet.symbol(symbol), .bid, .update, at: 0, price: price)
            }
        }
    }

    private func book(_ table: HotTable, _ symbol: String, _ source: String = "s") -> HotBook? {
        let name = Array("\(symbol):\(source)".utf8)
        return (0..<table.books.names.count).first { table.books.names.name($0) == name }
            .map { table.books.book(Int32($0)) }
    }

    private func bid(_ table: HotTable, _ symbol: String) -> Int64? {
        book(table, symbol).flatMap {
            $0.bids.shown > 0 ? $0.bids.row(0).price.raw / 1_000_000_000 : nil
        }
    }

    @Test("packets that are missing end the books of their lane, and of no other")
    func lost() throws {
        var table = HotTable(symbolsMax: 16)
        var lane = Lane()
        try lane.begin("A", in: &table)
        try lane.begin("B", in: &table)
        var other = Lane()
        try other.send(to: &table, source: "t", records: 2) { packet in
            let symbol = try packet.symbol("A")
            packet.reset(symbol)
            packet.row(symbol, .bid, .insert, at: 0, price: 5)
        }
        _ = takeAll(&table)
        // A packet without rows of books that does not follow, either.
        lane.next += 1
        try lane.send(to: &table, records: 1) { $0.trade(try $0.symbol("C"), 1) }
        for name in ["A", "B"] {
            let lost = try #require(book(table, name))
            #expect(lost.state == .unknown && lost.reason == .lost)
        }
        #expect(book(table, "A", "t")?.state == .complete)
        let batch = takeAll(&table)
        #expect(batch.books.count == 2 && batch.trades.count == 1)
        try lane.update("A", 7, in: &table)
        #expect(book(table, "A")?.state == .partial && bid(table, "A") == 7)
        try lane.begin("A", in: &table)
        #expect(book(table, "A")?.state == .complete)
        #expect(table.books.counts.lost == 2)
    }

    @Test("beyond the maximum of lanes changes are left out, and counted")
    func lanes() throws {
        var table = HotTable(symbolsMax: 16)
        table.books = HotBooks(symbolsMax: 16, lanesMax: 2)
        for source in ["a", "b", "c"] {
            var lane = Lane()
            for _ in 0..<2 {
                try lane.send(to: &table, source: source, records: 2) { packet in
                    let symbol = try packet.symbol("A")
                    packet.reset(symbol)
                    packet.row(symbol, .bid, .insert, at: 0)
                }
            }
        }
        #expect(table.books.names.count == 2 && table.books.counts.leftOut == 4)
    }

    @Test("as shipped, 16,384 books are kept at most")
    func countAsShipped() {
        #expect(HotTable(symbolsMax: 1 << 20).books.names.countMax == 16_384)
    }

    @Test("packets that another reader brings once more change nothing")
    func repeated() throws {
        var table = HotTable(symbolsMax: 16)
        var lane = Lane()
        try lane.begin("A", in: &table)
        let before = lane
        try lane.update("A", 7, in: &table)
        try lane.update("A", 8, in: &table)
        _ = takeAll(&table)
        lane = before
        try lane.update("A", 7, in: &table)
        try lane.send(to: &table, records: 1) { packet in
            packet.row(try packet.symbol("A"), .bid, .delete, at: 0)
        }
        #expect(bid(table, "A") == 8 && table.pendingCount == 0)
        try lane.update("A", 6, in: &table)
        #expect(bid(table, "A") == 6 && book(table, "A")?.state == .complete)
    }

    @Test("a stream that was made again is followed, and its older one is not")
    func madeAgain() throws {
        var table = HotTable(symbolsMax: 16)
        func send(_ price: Int64, created: Int64, _ ordinal: UInt64) throws {
            var packet = try SamplePacket()
            packet.row(try packet.symbol("A"), .bid, .update, at: 0, price: price)
            packet.firstOrdinal = ordinal
            packet.add(to: &table, sequence: 1, created: created)
        }
        try send(1, created: 5, 10)
        try send(2, created: 6, 11)
        #expect(bid(table, "A") == 2)
        try send(3, created: 5, 12)
        #expect(bid(table, "A") == 2)
        // Ordinals that the tape lost lie between.
        try send(4, created: 7, 20)
        #expect(bid(table, "A") == 4 && book(table, "A")?.reason == .lost)
    }

    /// Puts the next packet, a row of the symbol, into the table after `change` has changed it.
    private func sendChanged(
        _ symbol: String, _ lane: inout Lane, to table: inout HotTable,
        _ change: (inout [UInt8]) -> Void
    ) throws {
        var packet = try SamplePacket()
        packet.row(try packet.symbol(symbol), .bid, .update, at: 0, price: 3)
        let sealed = packet.builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: lane.next, watermark: .undefined, sendTime: .undefined))
        var bytes = sealed.withBytes { $0.array }
        change(&bytes)
        let origin = HotOrigin(
            source: sealed.header.source,
            order: HotOrder(
                streamCreated: Timestamp(nanoseconds: 5), sequence: lane.sequence),
            receivedAt: .at(0), stored: .undefined)
        bytes.withRawSpan { table.add($0, origin) }
        lane.next += 1
        lane.sequence += 1
    }

    @Test("damage in a packet ends the books of its lane; the packet after it follows")
    func damaged() throws {
        var table = HotTable(symbolsMax: 16)
        var lane = Lane()
        try lane.begin("A", in: &table)
        try sendChanged("A", &lane, to: &table) { $0.removeLast(4) }
        #expect(book(table, "A")?.state == .unknown && book(table, "A")?.reason == .lost)
        try lane.update("A", 4, in: &table)
        #expect(bid(table, "A") == 4)
    }

    @Test("a row of a symbol that its packet does not define ends the books of the lane")
    func undefined() throws {
        var table = HotTable(symbolsMax: 16)
        var lane = Lane()
        try lane.begin("A", in: &table)
        // The block of the only row begins with the number of its symbol.
        try sendChanged("B", &lane, to: &table) { $0[$0.count - 72] = 7 }
        #expect(book(table, "A")?.reason == .lost && table.books.names.count == 1)
    }

    @Test(
        "a gap that begins, and the end of a subscription, end the book; what ends a gap does not",
        arguments: [
            (DataKind.depth, GapState.open, true), (.any, .open, true), (.trade, .open, false),
            (.depth, .filled, false), (.depth, .abandoned, false),
        ])
    func gaps(kind: DataKind, state: GapState, ends: Bool) throws {
        var table = HotTable(symbolsMax: 16)
        var lane = Lane()
        try lane.begin("A", in: &table)
        try lane.begin("B", in: &table)
        func gap() throws {
            try lane.send(to: &table, records: 1) { packet in
                let gap = GapRecord(
                    header: Sample.reset(try packet.symbol("A")).header,
                    from: Timestamp(nanoseconds: 1), to: .undefined, kind: kind,
                    reason: .disconnected, state: state)
                let outcome = packet.builder.append(gap)
                #expect(outcome == .appended)
            }
        }
        try gap()
        #expect(book(table, "A")?.state == (ends ? .unknown : .complete))
        #expect(book(table, "B")?.state == .complete)
        // A book that has just been emptied stays so: its rows follow.
        try lane.send(to: &table, records: 1) { $0.reset(try $0.symbol("A")) }
        try gap()
        try lane.send(to: &table, records: 1) {
            $0.row(try $0.symbol("A"), .bid, .insert, at: 0, price: 2)
        }
        #expect(book(table, "A")?.state == .complete)
    }

    @Test("the end of a subscription of depth ends the book", arguments: [true, false])
    func stopped(ofDepth: Bool) throws {
        var table = HotTable(symbolsMax: 16)
        var lane = Lane()
        try lane.begin("A", in: &table)
        for action in [SubscriptionAction.start, .stop] {
            try lane.send(to: &table, records: 1) { packet in
                let record = SubscriptionRecord(
                    header: Sample.reset(try packet.symbol("A")).header, action: action,
                    kind: ofDepth ? .depth : .quote, mode: .live, provider: "p")
                let outcome = packet.builder.append(record)
                #expect(outcome == .appended)
            }
            let isOver = action == .stop && ofDepth
            #expect(book(table, "A")?.state == (isOver ? .unknown : .complete))
            #expect(book(table, "A")?.reason == (isOver ? .stopped : .reset))
        }
    }

    @Test("a tape without books keeps no lane; with 10,000 books each has its rows")
    func many() throws {
        var table = HotTable(symbolsMax: 10_000)
        var lane = Lane(next: 900, sequence: 9)
        try lane.send(to: &table, records: 1) { $0.trade(try $0.symbol("A"), 1) }
        lane.next += 50
        #expect(table.books.names.count == 0)
        for first in stride(from: 0, to: 12_000, by: 500) {
            try lane.send(to: &table, records: 1_000) { packet in
                for number in first..<first + 500 {
                    let symbol = try packet.symbol("S\(number)")
                    packet.reset(symbol)
                    packet.row(symbol, .bid, .insert, at: 0, price: Int64(number))
                }
            }
        }
        // 2,000 names lost their places, and no book has another one's rows.
        #expect(table.books.names.count == 10_000)
        #expect(table.evictions == 2_000)
        let batch = takeAll(&table)
        #expect(batch.books.count == 10_000)
        for place in batch.books {
            let book = table.books.book(place.index)
            let name = String(decoding: table.books.names.name(Int(place.index)), as: UTF8.self)
            #expect(name == "S\(book.bids.row(0).price.raw / 1_000_000_000):s")
        }
    }

    @Test("a repetition makes a lost book known, and leaves the times of a known one")
    func repetitions() throws {
        var table = HotTable(symbolsMax: 16)
        var lane = Lane()
        func repetition(_ price: Int64) throws {
            try lane.send(to: &table, records: 3) { packet in
                let symbol = try packet.symbol("A")
                var reset = Sample.reset(symbol, .repeated)
                reset.header.receiveTime = Timestamp(nanoseconds: 99)
                var isIn = packet.builder.append(reset)
                #expect(isIn)
                for side in [BookSide.bid, .ask] {
                    var row = Sample.row(symbol, side, .insert, at: 0, price: price)
                    row.header.receiveTime = reset.header.receiveTime
                    row.flags = .repeated
                    isIn = packet.builder.append(row)
                    #expect(isIn)
                }
            }
        }
        func expect(_ bid: Int64, changed: Int64, since: Int64) throws {
            let batch = takeAll(&table)
            let place = try #require(batch.books.first)
            let value = try #require(table.books.values.value(place))
            let found = try #require(book(table, "A"))
            #expect(found.state == .complete && found.since.nanoseconds == since)
            #expect(self.bid(table, "A") == bid)
            #expect(value.record.changedAt.nanoseconds == changed)
            #expect(value.receiveTime.nanoseconds == changed)
        }
        try lane.begin("A", in: &table)
        try repetition(7)
        try expect(7, changed: 18, since: 17)
        // A packet that is missing.
        lane.next += 1
        try repetition(6)
        try expect(6, changed: 99, since: 99)
    }
}
