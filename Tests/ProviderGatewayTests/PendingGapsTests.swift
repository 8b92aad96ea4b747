import MarketModel
import Primitives
import Seeds
import Testing

@testable import ProviderGateway

@Suite("The book of gaps")
struct PendingGapsTests {
    private func time(_ nanoseconds: Int64) -> Timestamp { Timestamp(nanoseconds: nanoseconds) }

    /// Symbols 0 and 1 are on lane 0, symbol 2 on lane 1.
    private func book() -> PendingGaps { PendingGaps(laneOf: [0, 0, 1], laneCount: 2) }

    private func gap(
        _ symbol: Int, _ from: Int64, _ to: Int64, _ kind: DataKind = .any,
        _ reason: GapReason = .gatewayLost
    ) -> PendingGaps.Gap {
        PendingGaps.Gap(symbol: symbol, kind: kind, from: time(from), to: time(to), reason: reason)
    }

    @Test("an empty book holds no watermark and has nothing to write")
    func empty() {
        var book = book()
        book.close()
        #expect(book.isEmpty && !book.hasDue)
        #expect(!book.watermarkMax(lane: 0).isDefined && book.due(lane: 0) == nil)
    }

    @Test("what was missed is due at once, and holds its lane until all of it is written")
    func missed() {
        var book = book()
        book.missed(gap(0, 50, 90))
        book.missed(gap(1, 40, 90))
        book.missed(gap(2, 90, 90))
        #expect(book.watermarkMax(lane: 0) == time(40) && !book.watermarkMax(lane: 1).isDefined)
        #expect(book.due(lane: 1) == nil, "an interval without a time is no gap")
        #expect(book.due(lane: 0) == gap(0, 50, 90))
        book.written(lane: 0)
        #expect(book.watermarkMax(lane: 0) == time(40))
        #expect(book.due(lane: 0) == gap(1, 40, 90))
        book.written(lane: 0)
        #expect(book.isEmpty && !book.watermarkMax(lane: 0).isDefined)
    }

    @Test("what a lane lost is a gap of each of its symbols, also of one that is added later")
    func lost() {
        var book = book()
        book.lost(lane: 0, from: time(50), to: time(90))
        for symbol in [0, 1] {
            #expect(book.due(lane: 0) == gap(symbol, 50, 90, .any, .dropped))
            book.written(lane: 0)
        }
        book.lost(lane: 0, from: time(120), to: time(130))
        #expect(book.due(lane: 0) == gap(0, 120, 130, .any, .dropped))
        book.addSymbol(lane: 1)
        #expect(book.due(lane: 1) == nil)
        book.addSymbol(lane: 0)
        for _ in 0..<2 { book.written(lane: 0) }
        #expect(book.due(lane: 0) == gap(4, 50, 130, .any, .dropped))
    }

    @Test("ticks left out become one gap per symbol and kind when it is closed")
    func leftOut() {
        var book = book()
        #expect(book.openSince == .never)
        book.leftOut(symbol: 0, kind: .quote, time: time(10), now: .at(700))
        book.leftOut(symbol: 0, kind: .quote, time: time(30), now: .at(701))
        book.leftOut(symbol: 0, kind: .trade, time: time(20), now: .at(702))
        book.leftOut(symbol: 2, kind: .quote, time: time(25), now: .at(703))
        #expect(book.openSince == .at(700) && !book.hasDue && !book.isEmpty)
        #expect(book.watermarkMax(lane: 0) == time(10) && book.watermarkMax(lane: 1) == time(25))
        book.close()
        #expect(book.openSince == .never)
        #expect(book.due(lane: 0) == gap(0, 20, 21, .trade, .dropped))
        book.written(lane: 0)
        #expect(book.due(lane: 0) == gap(0, 10, 31, .quote, .dropped))
        #expect(book.watermarkMax(lane: 0) == time(10))
        // More ticks are left out while the gap waits.
        book.leftOut(symbol: 1, kind: .trade, time: time(60), now: .at(900))
        book.written(lane: 0)
        #expect(book.watermarkMax(lane: 0) == time(60) && book.due(lane: 0) == nil)
        #expect(book.due(lane: 1) == gap(2, 25, 26, .quote, .dropped))
    }

    @Test("what was fetched is a gap of its own and holds no watermark back")
    func fetched() {
        var book = book()
        book.leftOut(symbol: 0, kind: .quote, time: time(500), now: .at(700))
        book.leftOut(symbol: 0, kind: .quote, time: time(10), isBackfilled: true, now: .at(701))
        book.leftOut(symbol: 0, kind: .quote, time: time(20), isBackfilled: true, now: .at(702))
        #expect(book.watermarkMax(lane: 0) == time(500))
        book.close()
        #expect(book.due(lane: 0) == gap(0, 500, 501, .quote, .dropped))
        book.written(lane: 0)
        #expect(book.due(lane: 0) == gap(0, 10, 21, .quote, .dropped))
        book.leftOut(symbol: 1, kind: .trade, time: time(5), isBackfilled: true, now: .at(703))
        book.written(lane: 0)
        #expect(!book.watermarkMax(lane: 0).isDefined)
    }

    private func takeDue(_ book: inout PendingGaps, lane: Int) -> [PendingGaps.Gap] {
        var due: [PendingGaps.Gap] = []
        while let gap = book.due(lane: lane) {
            due.append(gap)
            book.written(lane: lane)
        }
        return due
    }

    @Test("what cannot be written becomes longer, not more, and covers the same time")
    func unwritten() {
        var book = book()
        let rounds: Int64 = 10_000
        for round in 0..<rounds {
            for symbol in 0..<2 {
                book.leftOut(
                    symbol: symbol, kind: .quote, time: time(90_000 + 5 * round), now: .at(1))
                book.leftOut(
                    symbol: symbol, kind: .quote, time: time(90_004 + 5 * round), now: .at(1))
                book.leftOut(
                    symbol: symbol, kind: .quote, time: time(round), isBackfilled: true,
                    now: .at(1))
            }
            book.missed(gap(0, round, round + 2, .any, .dropped))
            book.close()
        }
        book.missed(gap(0, 0, 7))
        let end = 90_000 + 5 * rounds
        #expect(book.watermarkMax(lane: 0) == time(0))
        #expect(
            Set(takeDue(&book, lane: 0)) == [
                gap(0, 90_000, end, .quote, .dropped), gap(0, 0, rounds, .quote, .dropped),
                gap(1, 90_000, end, .quote, .dropped), gap(1, 0, rounds, .quote, .dropped),
                gap(0, 0, rounds + 1, .any, .dropped), gap(0, 0, 7),
            ])
        #expect(book.isEmpty && !book.watermarkMax(lane: 0).isDefined)
    }

    @Test("a gap that is in its packet does not grow any more")
    func writtenIsDone() {
        var book = book()
        book.leftOut(symbol: 0, kind: .trade, time: time(10), now: .at(1))
        book.leftOut(symbol: 1, kind: .trade, time: time(11), now: .at(1))
        book.close()
        #expect(book.due(lane: 0) == gap(0, 10, 11, .trade, .dropped))
        book.written(lane: 0)
        book.leftOut(symbol: 0, kind: .trade, time: time(20), now: .at(2))
        book.leftOut(symbol: 1, kind: .trade, time: time(21), now: .at(2))
        book.close()
        #expect(
            takeDue(&book, lane: 0) == [
                gap(1, 11, 22, .trade, .dropped), gap(0, 20, 21, .trade, .dropped),
            ])
        book.leftOut(symbol: 0, kind: .trade, time: time(30), now: .at(3))
        book.close()
        #expect(takeDue(&book, lane: 0) == [gap(0, 30, 31, .trade, .dropped)])
    }

    @Test(
        "no tick that was left out is ever outside of a written gap and before the hold",
        arguments: Seeds(fixed: 0...59).all())
    func property(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let laneOf = (0..<8).map { $0 % 3 }
        var book = PendingGaps(laneOf: laneOf, laneCount: 3)
        var left: [(symbol: Int, isTrade: Bool, time: Int64)] = []
        var written: [PendingGaps.Gap] = []
        for now in Int64(0)..<400 {
            switch random.next() % 10 {
            case 0: book.close()
            case 1...3:
                let lane = Int(random.next() % 3)
                if let gap = book.due(lane: lane) {
                    written.append(gap)
                    book.written(lane: lane)
                }
            default:
                let symbol = Int(random.next() % 8)
                let isTrade = random.next() % 2 == 0
                book.leftOut(
                    symbol: symbol, kind: isTrade ? .trade : .quote, time: time(now * 10),
                    now: .at(now))
                left.append((symbol, isTrade, now * 10))
            }
            for tick in left {
                let isWritten = written.contains {
                    $0.symbol == tick.symbol && $0.kind == (tick.isTrade ? .trade : .quote)
                        && $0.from <= time(tick.time) && time(tick.time) < $0.to
                }
                let isHeld = book.watermarkMax(lane: laneOf[tick.symbol]) <= time(tick.time)
                #expect(isWritten || isHeld, "TAPELINE_SEED=\(seed), tick at \(tick.time)")
            }
        }
        book.close()
        for lane in 0..<3 {
            while book.due(lane: lane) != nil { book.written(lane: lane) }
            #expect(!book.watermarkMax(lane: lane).isDefined, "TAPELINE_SEED=\(seed)")
        }
        #expect(book.isEmpty)
    }
}
