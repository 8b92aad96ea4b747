import MarketModel
import Primitives
import TapeCodec
import Testing

@testable import StoreWriter

@Suite("What the queue dropped")
struct DroppedRunTests {
    private func run(
        _ source: String, _ first: UInt64, _ count: UInt32, epoch: UInt64 = 1
    ) throws -> DroppedRun {
        var header = PacketHeader(
            kind: .ticks, partition: Partition(0), source: try #require(SourceName(source)),
            epoch: epoch, firstOrdinal: first, watermark: .undefined, sendTime: .undefined)
        header.tickCount = count
        return DroppedRun(header)
    }

    private func shown(_ run: DroppedRun) -> [String] {
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
        for number in 1..<DroppedRun.piecesMax {
            let isTaken = try all.append(run("a", UInt64(number) * 10, 1))
            #expect(isTaken)
        }
        let before = all
        let isTaken = try all.append(run("a", 1_000_000, 1))
        #expect(!isTaken && all == before)
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

    @Test("the last ordinal there can be does not trap")
    func limit() throws {
        var position = SinkPosition(input: .ticks, partition: Partition(0), ownerEpoch: 1)
        position.add(try run("a", .max - 5, 5))
        position.add(try run("a", .max - 5, 5))
        #expect(position.sources.first?.skipped == 5)
    }
}
