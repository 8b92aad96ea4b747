import MarketModel
import Primitives
import ServiceTestSupport
import StoreSinks
import TapeCodec
import Testing

@testable import StoreWriter

@Suite("Packets without rows")
struct RowlessRunTests {
    private func run(
        _ source: String, _ first: UInt64, _ count: UInt32, epoch: UInt64 = 1,
        _ cause: RowlessRun.Cause = .dropped, skipped: [SinkName: UInt64] = [:]
    ) throws -> RowlessRun {
        var header = PacketHeader(
            kind: .ticks, partition: Partition(0), source: try #require(SourceName(source)),
            epoch: epoch, firstOrdinal: first, watermark: .undefined, sendTime: .undefined)
        header.tickCount = count
        return RowlessRun(header, cause, skipped: skipped)
    }

    private func shown(_ run: RowlessRun) -> [String] {
        run.pieces.map { "\($0.source.text) \($0.firstOrdinal)+\($0.tickCount) e\($0.epoch)" }
    }

    @Test("ordinals that follow each other are one piece per source; others are not")
    func pieces() throws {
        var all = try run("a", 1, 10)
        for later in [
            try run("b", 1, 5), try run("a", 11, 10), try run("b", 6, 5), try run("a", 21, 0),
            try run("a", 31, 4), try run("a", 35, 1, epoch: 2), try run("b", 11, 1),
        ] {
            let isTaken = all.append(later)
            #expect(isTaken)
        }
        #expect(shown(all) == ["a 1+20 e1", "b 1+11 e1", "a 31+4 e1", "a 35+1 e2"])
        #expect(all.tickCount == 36)
    }

    @Test("more pieces than a run may have are not taken, and nothing is changed")
    func bounded() throws {
        var all = try run("a", 1, 1)
        for number in 1..<RowlessRun.piecesMax {
            let isTaken = try all.append(run("a", UInt64(number) * 10, 1))
            #expect(isTaken)
        }
        let before = all
        let isTaken = try all.append(run("a", 1_000_000, 1))
        #expect(!isTaken && all == before)
    }

    @Test("those of tables that are switched off are skipped, not named, and join no dropped ones")
    func switchedOff() throws {
        var all = try run("a", 1, 10, .switchedOff, skipped: [.quotes: 7, .trades: 3])
        let isTaken = try all.append(run("a", 11, 2, .switchedOff, skipped: [.trades: 2]))
        #expect(isTaken)
        let isJoined = try all.append(run("a", 13, 2))
        #expect(!isJoined)
        #expect(shown(all) == ["a 1+12 e1"])
        #expect(all.skipped == [.quotes: 7, .trades: 5])
        var position = SinkPosition(input: .ticks, partition: Partition(0), ownerEpoch: 1)
        position.add(all)
        #expect(position.gaps.isEmpty)
        #expect(position.sources.first?.skipped == 12 && position.sources.first?.written == 0)
    }

    @Test("in the books it is skipped and named, but for what was stored before")
    func books() throws {
        var position = SinkPosition(input: .ticks, partition: Partition(0), ownerEpoch: 1)
        position.add(try run("a", 1, 10))
        let source = try #require(SourceName("a"))
        func gap(_ ordinals: ClosedRange<UInt64>, _ reason: SinkGap.Reason) -> SinkGap {
            SinkGap(source: source, ordinals: ordinals, reason: reason, epoch: 1)
        }
        #expect(position.gaps == [gap(1...10, .dropped)])
        position.gaps = []
        // With a hole before it, and repeated ordinals.
        position.add(try run("a", 14, 4))
        #expect(position.gaps == [gap(11...13, .hole), gap(14...17, .dropped)])
        position.gaps = []
        position.sources[0].tapeOrdinal = 15
        position.add(try run("a", 16, 6))
        #expect(position.gaps == [gap(16...17, .givenTwice), gap(18...21, .dropped)])
        position.gaps = []
        // One run without ticks, and one whose ticks are all stored.
        position.add(try run("a", 22, 0))
        position.sources[0].tapeOrdinal = 9
        position.add(try run("a", 10, 5))
        #expect(position.gaps == [gap(10...14, .givenTwice)])
        let account = try #require(position.account(source))
        #expect(account.skipped == 18 && account.written == 0 && account.givenTwice == 7)
        #expect(account.lastOrdinal == 21 && account.tapeOrdinal == 14)
    }

    @Test("packets one by one have the gaps of their run: a declared batch is read in packets")
    func oneByOne() throws {
        let before = try position(after: 40)
        // Stored ordinals again from two sources in turn, a hole, and the next epoch.
        let packets = [
            try run("a", 10, 5, .switchedOff), try run("b", 3, 4, .switchedOff),
            try run("a", 15, 5, .switchedOff), try run("b", 7, 2, .switchedOff),
            try run("a", 20, 25, .switchedOff), try run("a", 50, 5, .switchedOff),
            try run("a", 55, 5, epoch: 2, .switchedOff),
        ]
        var joined = packets[0]
        for packet in packets.dropFirst() {
            let isTaken = joined.append(packet)
            #expect(isTaken)
        }
        var (once, one) = (before, before)
        once.add(joined)
        for packet in packets {
            var header = PacketHeader(
                kind: .ticks, partition: Partition(0), source: packet.pieces[0].source,
                epoch: packet.pieces[0].epoch, firstOrdinal: packet.pieces[0].firstOrdinal,
                watermark: .undefined, sendTime: .undefined)
            header.tickCount = packet.pieces[0].tickCount
            let stored = one.account(header.source)?.lastOrdinal ?? 0
            let twice = min(
                UInt64(header.tickCount), max(stored + 1, header.firstOrdinal) - header.firstOrdinal
            )
            one.add(
                header,
                TickCount(skipped: UInt64(header.tickCount) - twice, givenTwice: twice))
        }
        #expect(once.gaps == one.gaps && once.gaps.count == 3, "\(once.gaps)\n\(one.gaps)")
    }

    /// Returns a position whose sources `a` and `b` are stored to this ordinal, and whose tape
    /// begins again.
    private func position(after last: UInt64) throws -> SinkPosition {
        var position = SinkPosition(input: .ticks, partition: Partition(0), ownerEpoch: 1)
        for (index, source) in ["a", "b"].enumerated() {
            position.add(try run(source, 1, UInt32(last), .switchedOff))
            position.sources[index].tapeOrdinal = 2
        }
        return position
    }

    @Test("the last ordinal there can be does not trap")
    func limit() throws {
        var position = SinkPosition(input: .ticks, partition: Partition(0), ownerEpoch: 1)
        position.add(try run("a", .max - 5, 5))
        position.add(try run("a", .max - 5, 5))
        #expect(position.sources.first?.skipped == 5)
    }

    @Test("records are counted by their table; in a damaged packet all of them may make rows")
    func counted() throws {
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(0), source: try #require(SourceName("a")))
        let symbol = builder.register(
            SymbolDefinition(
                symbol: try #require(Symbol("S")), provider: "p", since: .undefined))
        let time = Timestamp(nanoseconds: 1)
        let header = TickHeader(symbol: symbol, providerTime: time, receiveTime: time)
        let (price, size) = (Price(raw: 1), Quantity(raw: 1))
        for number in 0..<12 {
            let isTrade = number % 4 == 0
            let isAppended =
                isTrade
                ? builder.append(Trade(header: header, price: price, size: size))
                : builder.append(
                    Quote(
                        header: header, bidPrice: price, bidSize: size, askPrice: price,
                        askSize: size))
            #expect(isAppended)
        }
        let packet = builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: 1, watermark: .undefined, sendTime: .undefined))
        func count(_ names: Set<SinkName>, _ bytes: [UInt8]) -> RecordCount {
            bytes.withRawSpan { SinkCatalogue(names).count($0, packet.header) }
        }
        let all = Set(SinkName.allCases)
        #expect(count(all, packet.bytes) == RecordCount(rows: 12))
        #expect(
            count([.trades], packet.bytes) == RecordCount(rows: 3, skipped: [.quotes: 9]))
        #expect(
            count([.bars], packet.bytes) == RecordCount(rows: 0, skipped: [.quotes: 9, .trades: 3]))
        // The last record's length is cut off, or its packet has one record less than it states.
        for cut in [8, WireFormat.Block.quote + 8] {
            #expect(count([.bars], Array(packet.bytes.dropLast(cut))) == RecordCount(rows: 12))
        }
    }
}
