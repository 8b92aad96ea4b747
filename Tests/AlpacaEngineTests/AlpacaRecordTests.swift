import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives
import Testing

@testable import AlpacaEngine

/// What becomes of messages. The samples are those of Alpaca's documentation (real-time stock data
/// and news, read in a copy of 2026-01), shortened.
@Suite struct AlpacaRecordTests {
    private func live(
        _ symbol: String, _ feeds: Instrument.Feeds, _ lists: String,
        _ feed: AlpacaFeedName = .sip
    ) -> (AlpacaBench, UInt32) {
        var bench = AlpacaBench(feed)
        bench.follow([symbol], feeds, security: feed == .crypto ? .crypto : .stock)
        let number = bench.connect()
        bench.confirm(lists, on: number)
        return (bench, number)
    }

    @Test("a trade")
    func trade() throws {
        var (bench, number) = live("AAPL", .trades, #""trades":["AAPL"]"#)
        bench.receive(
            #"[{"T":"t","S":"AAPL","i":96921,"x":"D","p":126.55,"s":1,"c":["@","I"],"z":"C","#
                + #""t":"2026-02-22T15:51:44.208123456Z"}]"#, on: number)
        let trade = try #require(bench.trades.first)
        #expect(trade.price.description == "126.55" && trade.size.description == "1")
        #expect(trade.exchange.text == "D" && trade.conditions.text == "@I")
        #expect(trade.header.providerTime.description == "2026-02-22T15:51:44.208123456Z")
        #expect(trade.header.providerID & (1 << 30 - 1) == 96_921)
        #expect(trade.header.receiveTime == bench.now.wall && trade.header.action == 0)
    }

    @Test("a trade of a coin, with a small size")
    func coin() throws {
        var (bench, number) = live("BTC/USD", .trades, #""trades":["BTC/USD"]"#, .crypto)
        bench.receive(
            #"[{"T":"t","S":"BTC/USD","p":66050.1,"s":1e-07,"t":"2026-02-22T15:51:44Z","#
                + #""i":448031,"tks":"B"}]"#, on: number)
        let trade = try #require(bench.trades.first)
        #expect(trade.size.raw == 10 && trade.exchange == .empty)
        #expect(trade.header.providerID & (1 << 46 - 1) == 448_031)
    }

    @Test(
        "sizes of coins with more decimals than the tape has are rounded, those of stocks are not")
    func finerSizes() throws {
        let lists = #""trades":["BTC/USD"],"quotes":["BTC/USD"],"bars":["BTC/USD"]"#
        var (bench, number) = live("BTC/USD", [.level1, .bars], lists, .crypto)
        let sizes = [
            ("29.205707815", 2_920_570_782), ("0.000000025", 2), ("0.000000035", 4),
            ("1.0000000049999", 100_000_000), ("1e-9", 0), ("2.5", 250_000_000),
        ]
        for place in 0..<100 {
            let (size, _) = sizes[place % sizes.count]
            bench.receive(
                "[{\"T\":\"t\",\"S\":\"BTC/USD\",\"p\":66050.1,\"s\":\(size),"
                    + "\"t\":\"\(bench.stamp)\",\"i\":\(place),\"tks\":\"B\"}]", on: number)
        }
        #expect(bench.trades.count == 100 && bench.gaps.isEmpty)
        #expect(zip(bench.trades, sizes).allSatisfy { $0.size.raw == Int64($1.1) })
        bench.receive(
            #"[{"T":"q","S":"BTC/USD","bp":1,"bs":0.123456785,"ap":2,"as":0.123456795,"#
                + #""t":"2026-02-22T15:51:45Z"},{"T":"b","S":"BTC/USD","o":1,"h":1,"l":1,"c":1,"#
                + #""v":0.123456785,"n":1,"vw":1,"t":"2026-02-22T19:15:00Z"}]"#, on: number)
        let quote = try #require(bench.quotes.first)
        #expect(quote.bidSize.raw == 12_345_678 && quote.askSize.raw == 12_345_680)
        #expect(bench.bars.first?.volume == 12_345_678 && bench.gaps.isEmpty)
        var (stocks, other) = live("AAPL", .trades, #""trades":["AAPL"]"#)
        stocks.receive("[\(stocks.trade("AAPL", 1, size: "29.205707815"))]", on: other)
        #expect(stocks.trades.isEmpty && stocks.gaps.count == 1)
    }

    @Test("a quote, and one without a side")
    func quote() throws {
        var (bench, number) = live("AMD", .quotes, #""quotes":["AMD"]"#)
        bench.receive(
            #"[{"T":"q","S":"AMD","bx":"U","bp":87.66,"bs":1,"ax":"Q","ap":87.68,"as":4,"#
                + #""c":["R"],"z":"C","t":"2026-02-22T15:51:45.335689322Z"},"#
                + #"{"T":"q","S":"AMD","bx":" ","bp":0,"bs":0,"ax":"Q","ap":87.68,"as":4,"#
                + #""t":"2026-02-22T15:51:46Z"}]"#, on: number)
        let quotes = bench.quotes
        try #require(quotes.count == 2)
        #expect(quotes[0].bidPrice.description == "87.66" && quotes[0].askSize.raw == 400_000_000)
        #expect(quotes[0].bidExchange.text == "U" && quotes[0].askExchange.text == "Q")
        #expect(!quotes[1].bidPrice.isDefined && quotes[1].askPrice.isDefined)
    }

    @Test("a bar, whose average has more digits than a price")
    func bar() throws {
        var (bench, number) = live("SPY", .bars, #""bars":["SPY"]"#)
        bench.receive(
            #"[{"T":"b","S":"SPY","o":388.985,"h":389.13,"l":388.975,"c":389.12,"v":49378,"n":461,"#
                + #""vw":389.0626391234567,"t":"2026-02-22T19:15:00Z"}]"#, on: number)
        let bar = try #require(bench.bars.first)
        #expect(bar.openTime == ISOTime.parse("2026-02-22T19:15:00Z"))
        #expect(bar.closeTime == ISOTime.parse("2026-02-22T19:16:00Z"))
        #expect(bar.open.description == "388.985" && bar.close.description == "389.12")
        #expect(bar.vwap.description == "389.062639123" && bar.trades == 461)
        #expect(bar.volume == 4_937_800_000_000)
    }

    @Test("a bar that comes again has the same window, and says so")
    func revisedBar() throws {
        var (bench, number) = live("SPY", .bars, #""bars":["SPY"],"updatedBars":["SPY"]"#)
        #expect(bench.subscriptions.map(\.kind) == [DataKind.providerBar.rawValue])
        let values =
            #""S":"SPY","o":388.985,"h":389.13,"l":388.975,"c":389.12,"v":49378,"n":461,"#
            + #""vw":389.062639,"t":"2026-02-22T19:15:00Z"}]"#
        bench.receive(#"[{"T":"b","# + values, on: number)
        bench.receive(#"[{"T":"u","# + values, on: number)
        try #require(bench.bars.count == 2)
        #expect(bench.bars[0].flags.isEmpty && bench.bars[1].flags == .revised)
        var again = bench.bars[1]
        again.flags = []
        #expect(again == bench.bars[0])
        #expect(bench.engine.counters.bars == 2 && bench.engine.counters.revisions == 1)
    }

    @Test("a halt, and its end")
    func status() throws {
        var (bench, number) = live(
            "AAPL", .level1, #""trades":["AAPL"],"quotes":["AAPL"],"statuses":["AAPL"]"#)
        for code in ["H", "T", "9"] {
            bench.receive(
                "[{\"T\":\"s\",\"S\":\"AAPL\",\"sc\":\"\(code)\",\"sm\":\"Trading Halt\","
                    + "\"rc\":\"T12\",\"rm\":\"..\",\"z\":\"C\",\"t\":\"2026-02-22T19:15:00Z\"}]",
                on: number)
        }
        #expect(bench.values.map(\.value) == [1_000_000_000, 0])
        #expect(bench.values[0].name == "alpaca.halted" && bench.values[0].unit == "Trading Halt")
        #expect(bench.engine.counters.skipped(.status) == 1)
    }

    @Test("an article is a record of each symbol that is wanted")
    func news() throws {
        var bench = AlpacaBench()
        bench.follow(["AAPL", "TSLA"], .news)
        let number = bench.connect()
        bench.confirm(#""news":["AAPL","TSLA"]"#, on: number)
        bench.receive(
            #"[{"T":"n","id":24918784,"headline":"Corsair \"Reports\"","summary":"","author":"A","#
                + #""created_at":"2026-01-05T22:00:37Z","updated_at":"2026-01-05T22:00:38Z","#
                + #""url":"","content":"","symbols":["TSLA","CRSR","AAPL"],"source":"benzinga"}]"#,
            on: number)
        #expect(bench.headlines.map(\.header.symbol) == [1, 0])
        let article = try #require(bench.headlines.first)
        #expect(article.headline == "Corsair \"Reports\"" && article.provider == "benzinga")
        #expect(article.article == "24918784" && article.header.providerID == 24_918_784)
    }

    @Test("an article names a coin without its slash, and comes to its instrument")
    func newsOfCoins() {
        var bench = AlpacaBench(.crypto)
        bench.follow(["BTC/USD", "ETH/USD"], [.trades, .news], security: .crypto)
        bench.connect()
        #expect(
            bench.takeRequests() == [
                #"{"action":"subscribe","trades":["BTC/USD","ETH/USD"]}"#,
                #"{"action":"subscribe","news":["BTCUSD","ETHUSD"]}"#,
            ])
        for link in bench.engine.machine.links {
            bench.receive(
                #"[{"T":"subscription","trades":["BTC/USD","ETH/USD"],"#
                    + #""news":["BTCUSD","ETHUSD"]}]"#, on: link.number)
        }
        bench.receive(
            #"[{"T":"n","id":7,"headline":"h","created_at":"2026-01-05T22:00:37Z","#
                + #""symbols":["ETHUSD","SOLUSD"],"source":"benzinga"}]"#,
            on: bench.engine.machine.links[AlpacaEndpoint.news.rawValue].number)
        #expect(bench.headlines.map(\.header.symbol) == [1] && bench.subscriptions.count == 4)
        // A coin is asked for by one instrument, also where only its news are.
        bench.follow(["BTC/USD", "BTC/USD"], .news, security: .crypto, ended: [0, 1])
        #expect(bench.engine.status.feeds.map(\.state).contains(.refused))
    }

    // MARK: changes of trades

    @Test("a cancel and a correction name their trade, by its number and its time")
    func changes() throws {
        var bench = AlpacaBench()
        let number = bench.begin("AAPL")
        bench.receive("[\(bench.trade("AAPL", 7)),\(bench.trade("AAPL", 8))]", on: number)
        let time = bench.now.wall
        bench.pass(4 * AlpacaBench.second)
        bench.receive("[\(bench.cancel("AAPL", 8))]", on: number)
        bench.receive("[\(bench.correction("AAPL", 7, to: 9, price: "130.5"))]", on: number)
        let trades = bench.trades
        try #require(trades.count == 4)
        #expect(trades[2].header.action == TradeAction.cancel.rawValue)
        #expect(trades[2].header.providerID == trades[1].header.providerID)
        #expect(trades[3].header.action == TradeAction.correction.rawValue)
        #expect(trades[3].header.providerID == trades[0].header.providerID)
        #expect(trades[3].price.description == "130.5" && trades[3].size.description == "40")
        #expect(trades[2...].allSatisfy { $0.header.providerTime == time })
        // What is said of the new id is said of the same trade.
        bench.receive("[\(bench.cancel("AAPL", 9))]", on: number)
        #expect(bench.trades.last?.header.providerID == trades[0].header.providerID)
        #expect(bench.trades.last?.header.providerTime == time && bench.repairs.isEmpty)
        let counted = bench.engine.counters.changes
        #expect(counted.cancels == 2 && counted.unknown == 0)
    }

    @Test("a change of a trade that is not known has the session computed again, once a minute")
    func unknown() throws {
        var bench = AlpacaBench()
        let number = bench.begin("AAPL")
        bench.receive("[\(bench.cancel("AAPL", 1)),\(bench.cancel("AAPL", 2))]", on: number)
        bench.pass(0)
        #expect(bench.repairs.count == 1 && bench.trades.count == 2)
        let repair = try #require(bench.repairs.first)
        #expect(repair.from == ISOTime.parse("2026-02-23T05:00:00Z"))
        #expect(repair.to > bench.trades[0].header.eventTime)
        #expect(repair.reason == BarReason.bust.rawValue)
        bench.receive("[\(bench.cancel("AAPL", 3))]", on: number)
        bench.pass(0)
        #expect(bench.repairs.count == 1)
        let due = bench.engine.nextDue
        #expect(due <= bench.now.monotonic + AlpacaLimits.repairInterval)
        for _ in 0..<12 {
            bench.pass(AlpacaLimits.repairInterval / 12)
            bench.confirm(#""trades":["AAPL"]"#, on: number)
        }
        #expect(bench.repairs.count == 2 && bench.engine.counters.changes.repairs == 2)
        // What waits when the engine ends is not forgotten.
        bench.receive("[\(bench.cancel("AAPL", 4))]", on: number)
        bench.engine.stop(bench.now, into: &bench.out)
        bench.collect()
        #expect(bench.repairs.count == 3)
    }

    @Test("a trade of the evening that is changed on the next day is found")
    func nextDay() {
        // 23:59:50 in New York's winter time.
        var bench = AlpacaBench(at: 13 * 3_600 * AlpacaBench.second + 3_590 * AlpacaBench.second)
        let number = bench.begin("AAPL")
        bench.receive("[\(bench.trade("AAPL", 5))]", on: number)
        bench.pass(14 * AlpacaBench.second)
        bench.receive("[\(bench.cancel("AAPL", 5))]", on: number)
        #expect(Set(bench.trades.map(\.header.providerID)).count == 1 && bench.repairs.isEmpty)
        #expect(Set(bench.trades.map(\.header.providerTime)).count == 1)
    }

    @Test("numbers of trades differ by exchange, day and id, and fit any id")
    func numbers() {
        var seen: Set<UInt64> = []
        let ids: [UInt64] = [0, 1, 52_983_525_029_461, 1 << 46 - 1, 1 << 46, 1 << 46 + 1, .max]
        for exchange in [0, UInt8(ascii: "A"), UInt8(ascii: "Z"), UInt8(ascii: "1")] {
            for day in [Int64(20_506), 20_507] {
                for id in ids {
                    seen.insert(TradeNumber.number(exchange: exchange, day: day, id: id))
                }
            }
        }
        #expect(seen.count == 4 * 2 * ids.count && !seen.contains(0))
        for time in [-1, 0, 1_771_858_800_000_000_000, Int64.max] {
            let day = TradeNumber.day(of: Timestamp(nanoseconds: time))
            let begin = TradeNumber.begin(ofDay: day).nanoseconds
            #expect(begin <= time && time - begin < 86_400_000_000_000)
        }
        #expect(TradeNumber.day(of: Timestamp(nanoseconds: .min)) == 0)
    }

    @Test("the times of trades need no more memory than is set, and the last ones are known")
    func times() {
        var times = TradeTimes(count: 1_024)
        for number in 1...10_000 as ClosedRange<UInt64> {
            times.keep(number, of: 3, Timestamp(nanoseconds: Int64(number)))
        }
        for number in 9_990...10_000 as ClosedRange<UInt64> {
            #expect(times.time(of: number, of: 3)?.nanoseconds == Int64(number))
        }
        #expect(times.time(of: 1, of: 3) == nil && times.time(of: 10_000, of: 4) == nil)
    }

    @Test("of two trades with one id off the exchanges, a change means that of its price and size")
    func sharedID() throws {
        var bench = AlpacaBench()
        let number = bench.begin("AAPL")
        let first = bench.now.wall
        func trade(_ price: String, _ size: Int) -> String {
            "[{\"T\":\"t\",\"S\":\"AAPL\",\"i\":465,\"x\":\"D\",\"p\":\(price),"
                + "\"s\":\(size),\"z\":\"C\",\"t\":\"\(bench.stamp)\"}]"
        }
        func cancel(_ price: String, _ size: Int) -> String {
            "[{\"T\":\"x\",\"S\":\"AAPL\",\"i\":465,\"x\":\"D\",\"p\":\(price),"
                + "\"s\":\(size),\"a\":\"C\",\"z\":\"C\",\"t\":\"\(bench.stamp)\"}]"
        }
        func correction(_ price: String, _ size: Int, to other: String) -> String {
            "[{\"T\":\"c\",\"S\":\"AAPL\",\"x\":\"D\",\"oi\":465,\"op\":\(price),"
                + "\"os\":\(size),\"ci\":466,\"cp\":\(other),\"cs\":\(size),"
                + "\"z\":\"C\",\"t\":\"\(bench.stamp)\"}]"
        }
        bench.receive(trade("126.55", 100), on: number)
        bench.pass(2 * AlpacaBench.second)
        let second = bench.now.wall
        bench.receive(trade("127.01", 40), on: number)
        bench.pass(2 * AlpacaBench.second)
        bench.receive(cancel("126.55", 100), on: number)
        #expect(bench.trades.last?.header.providerTime == first)
        bench.receive(cancel("127.01", 40), on: number)
        #expect(bench.trades.last?.header.providerTime == second)
        bench.receive(correction("127.01", 40, to: "127.5"), on: number)
        #expect(bench.trades.last?.header.providerTime == second)
        let numbers = bench.trades.map(\.header.providerID)
        #expect(numbers[0] != numbers[1], "operators find a trade by its number")
        #expect(numbers[2] == numbers[0] && numbers[3] == numbers[1] && numbers[4] == numbers[1])
        // A process that has not seen the trades names the same one.
        var other = AlpacaBench()
        let later = other.begin("AAPL")
        other.receive(cancel("127.01", 40), on: later)
        #expect(other.trades.map(\.header.providerID) == [numbers[1]])
        #expect(bench.engine.counters.changes.unknown == 0)
        // None has these values: nobody knows which one it was.
        bench.receive(cancel("126.55", 99), on: number)
        #expect(bench.trades.last?.header.providerTime == bench.now.wall)
        #expect(bench.engine.counters.changes.unknown == 1)
        // Nor does anybody if both have them.
        bench.receive(trade("126.55", 100), on: number)
        bench.pass(AlpacaBench.second)
        bench.receive(cancel("126.55", 100), on: number)
        #expect(bench.trades.last?.header.providerTime == bench.now.wall)
        #expect(bench.engine.counters.changes.unknown == 2)
        bench.pass(0)
        #expect(bench.repairs.count == 1)
    }

    @Test("a later change of a corrected trade has its new price and size")
    func corrected() {
        var bench = AlpacaBench()
        let number = bench.begin("AAPL")
        bench.receive("[\(bench.trade("AAPL", 7, exchange: "D"))]", on: number)
        let time = bench.now.wall
        bench.pass(2 * AlpacaBench.second)
        bench.receive(
            "[{\"T\":\"c\",\"S\":\"AAPL\",\"x\":\"D\",\"oi\":7,\"op\":126.55,"
                + "\"os\":100,\"ci\":9,\"cp\":130.5,\"cs\":40,\"t\":\"\(bench.stamp)\"}]",
            on: number)
        bench.pass(AlpacaBench.second)
        bench.receive(
            "[{\"T\":\"x\",\"S\":\"AAPL\",\"i\":9,\"x\":\"D\",\"p\":130.5,"
                + "\"s\":40,\"a\":\"C\",\"t\":\"\(bench.stamp)\"}]", on: number)
        #expect(bench.trades.allSatisfy { $0.header.providerTime == time })
        #expect(Set(bench.trades.map(\.header.providerID)).count == 1)
        #expect(bench.engine.counters.changes.unknown == 0)
    }

    // MARK: what does not fit

    @Test(
        "what the tape cannot hold is a gap with the text",
        arguments: [
            #""p":126.5500000001,"s":1"#, #""p":1e30,"s":1"#, #""p":"x","s":1"#, #""p":1"#,
        ])
    func misfit(numbers: String) throws {
        var bench = AlpacaBench()
        let number = bench.begin("AAPL")
        bench.receive(
            "[{\"T\":\"t\",\"S\":\"AAPL\",\"i\":1,\"x\":\"D\",\(numbers),"
                + "\"t\":\"\(bench.stamp)\"}]",
            on: number)
        let gap = try #require(bench.gaps.first)
        #expect(gap.reason == GapReason.scale.rawValue && gap.from == bench.now.wall)
        #expect(gap.detail.contains("AAPL") && bench.engine.counters.misfits == 1)
        #expect(bench.trades.isEmpty && bench.engine.status.state == .ready)
    }

    @Test("a record without its time is a gap, and what nobody knows is nothing")
    func noTime() {
        var bench = AlpacaBench()
        let number = bench.begin("AAPL")
        bench.receive(
            #"[{"T":"t","S":"AAPL","i":1,"p":1,"s":1,"t":"yesterday"},{"T":"o","S":"AAPL"},"#
                + #"{"T":7},{},{"T":"word"}]"#, on: number)
        #expect(bench.gaps.count == 1 && bench.engine.counters.skipped(.unknown) == 4)
    }

    @Test(
        "whatever comes, the engine goes on: changed and cut samples",
        arguments: 0..<4 as Range<UInt64>)
    func garbage(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var bench = AlpacaBench()
        bench.follow(["AAPL"], [.level1, .bars, .news])
        bench.connect()
        let samples = [
            AlpacaBench.connected, AlpacaBench.authenticated, AlpacaBench.error(406),
            "[\(bench.trade("AAPL", 1))]", "[\(bench.cancel("AAPL", 1))]",
            "[\(bench.correction("AAPL", 1, to: 2, price: "1.5"))]",
            #"[{"T":"subscription","trades":["AAPL"],"quotes":["AAPL"],"bars":[]}]"#,
            #"[{"T":"b","S":"AAPL","o":1,"h":1,"l":1,"c":1,"v":1,"n":1,"vw":1,"#
                + #""t":"2026-02-22T19:15:00Z"}]"#,
            #"[{"T":"u","S":"AAPL","o":1,"h":1,"l":1,"c":1,"v":1,"t":"2026-02-22T19:15:00Z"}]"#,
            #"[{"T":"n","id":-1,"headline":"h","created_at":"2026-01-05T22:00:37Z","#
                + #""symbols":["AAPL"],"source":"s"}]"#,
        ].map { Array($0.utf8) }
        for turn in 0..<20_000 {
            let bytes = random.damaged(samples[turn % samples.count])
            for link in bench.engine.machine.links where link.state != .closed {
                bench.receive(bytes, on: link.number)
            }
            bench.pass(100_000_000)
            for case .open(let number, _) in bench.takeWishes() { bench.opened(number) }
        }
        #expect(bench.engine.counters.messages > 0)
    }
}
