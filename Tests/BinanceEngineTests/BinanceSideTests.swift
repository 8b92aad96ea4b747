import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives
import Seeds
import Testing

@testable import BinanceEngine

/// What comes beside trades: quotes, bars and books.
@Suite struct BinanceSideTests {
    private static let second: Int64 = 1_000_000_000
    private static let minute: Int64 = 60_000

    private func connected(
        _ feeds: Instrument.Feeds, _ change: (inout BinanceSettings) -> Void = { _ in }
    ) -> EngineBench {
        var bench = EngineBench(change)
        bench.follow(["BTCUSDT"], feeds)
        bench.connect()
        return bench
    }

    static func quote(_ id: UInt64, bid: String = "25.35", ask: String = "25.36") -> String {
        "{\"stream\":\"btcusdt@bookTicker\",\"data\":{\"u\":\(id),\"s\":\"BTCUSDT\","
            + "\"b\":\"\(bid)\",\"B\":\"31.21\",\"a\":\"\(ask)\",\"A\":\"40.66\"}}"
    }

    /// A bar of a minute, with the members of the exchange's documentation.
    static func bar(
        _ open: Int64, volume: String = "1000", isOver: Bool = true
    ) -> String {
        "{\"stream\":\"btcusdt@kline_1m\",\"data\":{\"e\":\"kline\",\"E\":\(open + minute + 1),"
            + "\"s\":\"BTCUSDT\",\"k\":{\"t\":\(open),\"T\":\(open + minute - 1),"
            + "\"s\":\"BTCUSDT\",\"i\":\"1m\",\"f\":100,\"L\":200,\"o\":\"0.0010\","
            + "\"c\":\"0.0020\",\"h\":\"0.0025\",\"l\":\"0.0015\",\"v\":\"\(volume)\",\"n\":100,"
            + "\"x\":\(isOver),\"q\":\"1.0000\",\"V\":\"500\",\"Q\":\"0.500\",\"B\":\"123456\"}}}"
    }

    private static func book(_ id: UInt64, _ book: BinanceBook) -> String {
        func side(_ rows: [BinanceBookRow]) -> String {
            rows.map {
                let price = FixedPoint.text($0.price.raw, decimals: Price.decimals)
                let size = FixedPoint.text($0.size.raw, decimals: Quantity.decimals)
                return "[\"\(price)\",\"\(size)\"]"
            }.joined(separator: ",")
        }
        return "{\"stream\":\"btcusdt@depth20@100ms\",\"data\":{\"lastUpdateId\":\(id),"
            + "\"bids\":[\(side(book.bids))],\"asks\":[\(side(book.asks))]}}"
    }

    @Test("an instrument has a stream for each kind of its data, and one state")
    func streams() {
        var bench = EngineBench()
        bench.follow(["BTCUSDT"], [.trades, .quotes, .bars, .depth])
        for case .open(let leg, _) in bench.takeWishes() { bench.opened(leg) }
        #expect(
            bench.wishes == [
                .send(
                    1,
                    "{\"method\":\"SUBSCRIBE\",\"params\":[\"btcusdt@trade\","
                        + "\"btcusdt@bookTicker\",\"btcusdt@kline_1m\","
                        + "\"btcusdt@depth20@100ms\"],\"id\":1}")
            ])
        bench.answerAll()
        #expect(bench.states == [.starting, .live])
        #expect(
            bench.subscriptions.map(\.kind)
                == [DataKind.trade, .quote, .providerBar, .depth].map(\.rawValue))
        #expect(bench.engine.status.feeds.count == 1)
    }

    @Test("the documented quote becomes a record that claims no completeness")
    func quote() throws {
        for isCombined in [true, false] {
            var bench = connected(.quotes)
            let text =
                "{\"u\":400900217,\"s\":\"BTCUSDT\",\"b\":\"25.35190000\",\"B\":\"31.21000000\","
                + "\"a\":\"25.36520000\",\"A\":\"40.66000000\"}"
            bench.receive(
                isCombined ? "{\"stream\":\"btcusdt@bookTicker\",\"data\":\(text)}" : text, on: 1)
            let quote = try #require(bench.quotes.first)
            #expect(quote.header.providerID == 400_900_217)
            #expect(quote.header.flags == .conflated && !quote.header.providerTime.isDefined)
            #expect(quote.header.eventTime == bench.now.wall)
            #expect(quote.bidPrice.raw == 25_351_900_000 && quote.askPrice.raw == 25_365_200_000)
            #expect(quote.bidSize.raw == 3_121_000_000 && quote.askSize.raw == 4_066_000_000)
        }
    }

    @Test("an update comes once, whichever connection brings it first")
    func doubles() {
        var bench = connected(.quotes) { $0.merge.legs = 2 }
        for (id, leg) in [(5, 1), (5, 2), (7, 2), (7, 1), (9, 1)] as [(UInt64, UInt32)] {
            bench.receive(Self.quote(id), on: leg)
        }
        #expect(bench.quotes.map(\.header.providerID) == [5, 7, 9])
        #expect(bench.engine.counters.ids.doubleUpdates == 2)
        bench.ended(1)
        #expect(bench.gaps.isEmpty)
        bench.receive(Self.quote(10), on: 2)
        // The exchange counts from anew.
        bench.receive(Self.quote(3), on: 2)
        #expect(bench.quotes.map(\.header.providerID) == [5, 7, 9, 10, 3])
    }

    @Test("an outage is a gap of its kind by time, because no number says what it lost")
    func outage() throws {
        var bench = connected([.trades, .quotes])
        bench.trade("BTCUSDT", 10, on: 1)
        bench.receive(Self.quote(5), on: 1)
        let last = bench.now.wall
        bench.pass(Self.second)
        bench.ended(1)
        bench.pass(2 * Self.second)
        bench.connect()
        bench.trade("BTCUSDT", 11, on: 2)
        // Its numbers began again.
        bench.receive(Self.quote(2), on: 2)
        let gaps = bench.gaps.filter { $0.kind == DataKind.quote.rawValue }
        #expect(gaps.map(\.state) == [GapState.open, .open, .abandoned].map(\.rawValue))
        let gap = try #require(gaps.last)
        #expect(gap.from == last && gap.to == bench.now.wall)
        #expect(gap.detail == "nothing tells what was left out")
        let trades = bench.gaps.filter { $0.kind == DataKind.trade.rawValue }
        #expect(trades.last?.state == GapState.filled.rawValue)
        #expect(bench.quotes.map(\.header.providerID) == [5, 2])
        #expect(bench.states == [.starting, .live, .down, .live])
    }

    @Test("a bar that is over becomes a record, also when its volume has more than 64 bits")
    func bar() throws {
        var bench = connected(.bars)
        bench.receive(Self.bar(1_672_515_780_000, isOver: false), on: 1)
        #expect(bench.bars.isEmpty)
        bench.receive(Self.bar(1_672_515_780_000, volume: "92233720368547758.08"), on: 1)
        bench.receive(Self.bar(1_672_515_780_000), on: 1)
        let bar = try #require(bench.bars.first)
        #expect(bench.bars.count == 1 && bench.engine.counters.ids.doubleUpdates == 1)
        #expect(bar.openTime.nanoseconds == 1_672_515_780_000_000_000)
        #expect(bar.closeTime.nanoseconds == 1_672_515_840_000_000_000)
        #expect(bar.header.eventTime == bar.closeTime && bar.flags.isEmpty)
        #expect(bar.open.raw == 1_000_000 && bar.high.raw == 2_500_000)
        #expect(bar.low.raw == 1_500_000 && bar.close.raw == 2_000_000)
        #expect(bar.volume == 9_223_372_036_854_775_808_000_000 && bar.trades == 100)
    }

    @Test("the next bar says whether an outage lost any")
    func barGaps() {
        let begin: Int64 = 1_700_000_040_000
        for missed in 0...2 as ClosedRange<Int64> {
            var bench = connected(.bars)
            bench.receive(Self.bar(begin), on: 1)
            bench.ended(1)
            bench.pass(2 * Self.second)
            bench.connect()
            #expect(bench.gaps.map(\.state) == [GapState.open.rawValue])
            bench.receive(Self.bar(begin + (1 + missed) * Self.minute), on: 2)
            let state: GapState = missed == 0 ? .filled : .abandoned
            #expect(bench.gaps.last?.state == state.rawValue)
            #expect(bench.bars.count == 2)
            #expect(bench.engine.status.feeds.first?.hasOpenGap == false)
        }
        // Without an outage, too.
        var bench = connected(.bars)
        bench.receive(Self.bar(begin), on: 1)
        bench.receive(Self.bar(begin + 2 * Self.minute), on: 1)
        #expect(bench.gaps.map(\.state) == [GapState.abandoned.rawValue])
        #expect(bench.gaps.first?.reason == GapReason.providerLoss.rawValue)
    }

    @Test("rows of a book follow the exchange's, from seeds")
    func book() throws {
        var rows: UInt64 = 0
        for seed in Seeds(fixed: 0...39).all() { rows += try follow(seed) }
        #expect(rows >= Seeds.least())
    }

    /// Returns the number of rows.
    private func follow(_ seed: UInt64) throws -> UInt64 {
        var random = SeededRandom(seed: seed)
        var bench = connected(.depth)
        var mirror: BinanceBook?
        var id: UInt64 = 100
        var book = Self.randomBook(&random)
        for _ in 0..<60 {
            id += UInt64.random(in: 1...5, using: &random)
            switch Int.random(in: 0..<20, using: &random) {
            case 0: bench.engine.restart(0, .depth)
            case 1:
                bench.ended(bench.lastConnection)
                bench.pass(100 * Self.second)
                bench.connect()
            case 2: book = Self.randomBook(&random)
            default: Self.change(&book, &random)
            }
            bench.receive(Self.book(id, book), on: bench.lastConnection)
            try follow(&mirror, bench.takeRecords())
            #expect(
                mirror?.bids == book.bids && mirror?.asks == book.asks, "TAPELINE_SEED=\(seed)")
        }
        return bench.engine.counters.beside.rows
    }

    private static func randomBook(_ random: inout SeededRandom) -> BinanceBook {
        var book = BinanceBook()
        for place in 0..<Int64.random(in: 0...20, using: &random) {
            book.bids.append(row(1_000 - 2 * place, &random))
        }
        for place in 0..<Int64.random(in: 0...20, using: &random) {
            book.asks.append(row(1_002 + 3 * place, &random))
        }
        return book
    }

    private static func row(_ price: Int64, _ random: inout SeededRandom) -> BinanceBookRow {
        BinanceBookRow(
            price: Price(raw: price * 10_000_000),
            size: Quantity(raw: Int64.random(in: 1...9, using: &random) * 100_000_000))
    }

    private static func change(_ book: inout BinanceBook, _ random: inout SeededRandom) {
        if Bool.random(using: &random), !book.bids.isEmpty {
            book.bids.remove(at: Int.random(in: book.bids.indices, using: &random))
        } else if let last = book.bids.last?.price.raw, book.bids.count < 20 {
            book.bids.append(row(last / 10_000_000 - 1, &random))
        }
        if let first = book.asks.first?.price.raw, Bool.random(using: &random) {
            book.asks.insert(row(first / 10_000_000 - 1, &random), at: 0)
            if book.asks.count > 20 { book.asks.removeLast() }
        } else if !book.asks.isEmpty {
            let place = Int.random(in: book.asks.indices, using: &random)
            book.asks[place].size = row(1, &random).size
        }
        if Int.random(in: 0..<10, using: &random) == 0 {
            book.asks.reverse(); book.asks.removeAll()
        }
    }

    /// Applies the records to a mirror, as a reader of the tape does.
    private func follow(_ mirror: inout BinanceBook?, _ records: [ProviderRecord]) throws {
        for record in records {
            switch record {
            case .tape(.depthReset): mirror = BinanceBook()
            case .tape(.depth(let row)):
                var book = try #require(mirror, "rows come after a beginning")
                let isBid = row.side == BookSide.bid.rawValue
                var rows = isBid ? book.bids : book.asks
                let place = Int(row.position)
                let changed = BinanceBookRow(price: row.price, size: row.size)
                switch DepthOperation(rawValue: row.operation) {
                case .insert: rows.insert(changed, at: place)
                case .update: rows[place] = changed
                case .delete: rows.remove(at: place)
                case nil: Issue.record("no operation")
                }
                if isBid { book.bids = rows } else { book.asks = rows }
                mirror = book
            default: continue
            }
        }
    }

    @Test("a book's loss of connection voids it, and its end is on record")
    func bookOutage() {
        var bench = connected(.depth)
        var random = SeededRandom(seed: 1)
        bench.receive(Self.book(1, Self.randomBook(&random)), on: 1)
        bench.records.removeAll()
        bench.ended(1)
        let resets = bench.records.compactMap { record in
            if case .tape(.depthReset(let reset)) = record { reset.reason } else { nil }
        }
        #expect(resets == [DepthResetReason.disconnected.rawValue])
        #expect(bench.gaps.map(\.kind) == [DataKind.depth.rawValue])
    }

    @Test("an unknown symbol refuses all its streams, and a number beyond the tape is a gap")
    func refusals() {
        var bench = EngineBench(unknown: ["BTCUSDT"]) { $0.merge.fills = true }
        bench.follow(["BTCUSDT"], [.trades, .quotes])
        bench.connect()
        #expect(bench.states.last == .refused)
        let reason = bench.engine.status.feeds.first?.reason
        #expect(reason?.hasPrefix("the exchange has no symbol BTCUSDT: ") == true)
        #expect(bench.subscriptions.isEmpty)

        bench = connected(.quotes)
        bench.receive(Self.quote(5, bid: "0.12345678901"), on: 1)
        #expect(bench.quotes.isEmpty && bench.engine.counters.misfits == 1)
        #expect(bench.gaps.map(\.kind) == [DataKind.quote.rawValue])
        #expect(bench.gaps.first?.detail == "a quote does not fit the tape, at 0.12345678901")
    }

    @Test("what an earlier process left is a gap of each kind")
    func inherited() {
        let reached = EngineBench.origin.advanced(byNanoseconds: -5 * Self.second)
        var bench = EngineBench()
        bench.follow(["BTCUSDT"], [.trades, .quotes, .bars], reached: reached)
        #expect(
            bench.gaps.map(\.kind)
                == [DataKind.trade, .quote, .providerBar].map(\.rawValue))
        // The only connection may have been dead for 31 s; 2 s for what was under way then, and 5 s
        // for the exchange's clock, whose times quotes do not have.
        let seconds = bench.gaps.map { reached.nanoseconds(since: $0.from) / Self.second }
        #expect(seconds == [38, 33, 38])
        bench.connect()
        #expect(bench.gaps.count { $0.state == GapState.abandoned.rawValue } == 3)
    }

    @Test("no message that is cut or changed ends the process")
    func fuzz() {
        var random = SeededRandom(seed: 4)
        let samples = [
            Self.quote(5), Self.bar(1_672_515_780_000),
            Self.book(9, Self.randomBook(&random)),
        ]
        var bench = connected([.quotes, .bars, .depth])
        for sample in samples {
            let bytes = Array(sample.utf8)
            for count in bytes.indices { bench.receive(Array(bytes.prefix(count)), on: 1) }
            for place in bytes.indices {
                for value in [0, 0x22, 0x2c, 0x30, 0x39, 0x5b, 0x5d, 0x7b, 0xff] as [UInt8] {
                    var changed = bytes
                    changed[place] = value
                    bench.receive(changed, on: 1)
                }
            }
        }
        #expect(bench.engine.counters.skipped(.malformed) > 0)
        #expect(bench.engine.counters.skipped(.fields) > 0)
    }
}
