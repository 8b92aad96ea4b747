import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives
import Testing

@testable import MassiveEngine

/// What becomes of messages. The samples are those of Massive's documentation: `/stocks/T`,
/// `/stocks/Q`, `/stocks/AM` and `/stocks/A` of the description of its WebSockets in its Python
/// client (481e5c2). Fields that this description lacks (`ds`, `dv`, `dav`, `pt`, `trfi`, `trft`)
/// are from the client's models and from captures of others.
@Suite struct MassiveRecordTests {
    private func live(
        _ symbol: String, _ feeds: Instrument.Feeds, _ feed: MassiveFeedName = .realTime,
        _ change: (inout MassiveSettings) -> Void = { _ in }
    ) -> (MassiveBench, UInt32) {
        var bench = MassiveBench(feed, change)
        bench.follow([symbol], feeds)
        let number = bench.connect()
        bench.confirm(on: number)
        return (bench, number)
    }

    private static let trade =
        #"{"ev":"T","sym":"MSFT","x":4,"i":"12345","z":3,"p":114.125,"s":100,"c":[0,12],"#
        + #""t":1536036818784,"q":3681328}"#

    @Test("a trade of the documentation")
    func trade() throws {
        var (bench, number) = live("MSFT", .trades)
        bench.receive("[\(Self.trade)]", on: number)
        let trade = try #require(bench.trades.first)
        #expect(trade.price.description == "114.125" && trade.size.description == "100")
        #expect(trade.exchange.text == "D" && trade.conditions.text == "@T")
        #expect(trade.header.providerTime == ISOTime.parse("2018-09-04T04:53:38.784Z"))
        #expect(trade.header.resolution == TimeResolution.millisecond.rawValue)
        #expect(trade.header.providerID & (1 << 38 - 1) == 3_681_328)
        #expect(trade.header.receiveTime == bench.now.wall && trade.header.flags == [])
    }

    @Test(
        "the size is the text with its fraction, where there is one",
        arguments: [
            (#""s":100,"ds":"100.5""#, Int64(10_050_000_000)),
            (#""s":0,"ds":"0.243177""#, 24_317_700), (#""s":7"#, 700_000_000),
            (#""ds":"12""#, 1_200_000_000), (#""ds":"0.00000001","s":0"#, 1),
            (#""s":1e2"#, 10_000_000_000),
        ])
    func sizes(text: String, raw: Int64) throws {
        var (bench, number) = live("MSFT", .trades)
        bench.receive(
            "[\(Self.trade.replacing(#""s":100"#, with: text))]", on: number)
        #expect(try #require(bench.trades.first).size.raw == raw)
    }

    @Test(
        "what the tape cannot hold exactly is a gap with the text, at the trade's time",
        arguments: [
            #""s":1,"ds":"1.000000001""#, #""s":1,"ds":"""#, #""s":1,"ds":"x""#, #""z0":1"#,
            #""s":"#, #""s":1,"ds":null"#, #""s":1,"ds":"99999999999999""#,
        ])
    func misfit(text: String) throws {
        var (bench, number) = live("MSFT", .trades)
        let isBroken = text == #""s":"#
        bench.receive(
            "[\(Self.trade.replacing(#""s":100"#, with: text))]", on: number)
        #expect(bench.trades.isEmpty)
        let gap = try #require(bench.gaps.first)
        guard !isBroken else {
            #expect(gap.reason == GapReason.disconnected.rawValue)
            return
        }
        #expect(gap.reason == GapReason.scale.rawValue && gap.detail.contains("MSFT"))
        #expect(gap.from == ISOTime.parse("2018-09-04T04:53:38.784Z"))
        #expect(gap.to == gap.from.advanced(byNanoseconds: 1))
        #expect(bench.engine.counters.misfits == 1)
    }

    @Test("a trade without a time is a gap, and one with fields that nobody knows is a trade")
    func odd() throws {
        var (bench, number) = live("MSFT", .trades)
        bench.receive(
            "[\(Self.trade.replacing("1536036818784", with: "18446744073709551615"))]",
            on: number)
        #expect(bench.gaps.count == 1 && bench.gaps[0].from == bench.now.wall)
        let more =
            #""x":4,"pt":1536036818101,"trfi":202,"trft":1536036818120,"new":{"a":[1]}"#
        bench.receive("[\(Self.trade.replacing(#""x":4"#, with: more))]", on: number)
        #expect(bench.trades.count == 1)
    }

    @Test("a trade without a number comes, and has none on the tape")
    func unnumbered() throws {
        var (bench, number) = live("MSFT", .trades)
        let text = Self.trade.replacing(#","q":3681328"#, with: "")
        bench.receive("[\(text),\(text)]", on: number)
        #expect(bench.trades.map(\.header.providerID) == [0, 0])
    }

    @Test("a quote of the documentation, and one without a side")
    func quote() throws {
        var (bench, number) = live("MSFT", .quotes)
        bench.receive(
            #"[{"ev":"Q","sym":"MSFT","bx":4,"bp":114.125,"bs":100,"ax":7,"ap":114.128,"as":160,"#
                + #""c":0,"i":[604],"t":1536036818784,"q":50385480,"z":3},"#
                + #"{"ev":"Q","sym":"MSFT","bx":4,"bp":0,"bs":0,"ax":62,"ap":114.128,"as":160,"#
                + #""t":1536036818785,"q":50385481,"z":3},"#
                + #"{"ev":"Q","sym":"MSFT","bx":4,"bp":114.1,"bs":2,"t":1536036818786,"#
                + #""q":50385482}]"#,
            on: number)
        let quotes = bench.quotes
        try #require(quotes.count == 3)
        #expect(
            quotes[0].bidPrice.description == "114.125" && quotes[0].bidSize.description == "100")
        #expect(quotes[0].bidExchange.text == "D" && quotes[0].askExchange.text == "J")
        #expect(quotes[0].header.providerID & (1 << 46 - 1) == 50_385_480)
        #expect(!quotes[1].bidPrice.isDefined && quotes[1].askPrice.isDefined)
        #expect(quotes[1].askExchange.text == "62")
        #expect(quotes[2].bidPrice.isDefined && !quotes[2].askPrice.isDefined)
    }

    private static let minute =
        #"{"ev":"AM","sym":"GTE","v":4110,"av":9470157,"op":0.4372,"vw":0.4488,"o":0.4488,"#
        + #""c":0.4486,"h":0.4489,"l":0.4486,"a":0.4352,"z":685,"s":1610144640000,"#
        + #""e":1610144700000}"#

    @Test("a minute of the documentation; sent again it is another record of the same window")
    func minute() throws {
        // The minute has just ended.
        let end = Timestamp(nanoseconds: 1_610_144_702_000_000_000)
        var bench = MassiveBench(at: end.nanoseconds(since: MassiveBench.origin))
        bench.follow(["GTE"], .bars)
        let number = bench.connect()
        bench.confirm(on: number)
        bench.receive("[\(Self.minute)]", on: number)
        bench.receive(
            "[\(Self.minute.replacing(#""v":4110"#, with: #""v":4210,"dv":"4210.243177""#))]",
            on: number)
        try #require(bench.bars.count == 2)
        let bar = bench.bars[0]
        #expect(bar.openTime == ISOTime.parse("2021-01-08T22:24:00Z"))
        #expect(bar.closeTime == ISOTime.parse("2021-01-08T22:25:00Z"))
        #expect(bar.open.description == "0.4488" && bar.close.description == "0.4486")
        #expect(bar.high.description == "0.4489" && bar.low.description == "0.4486")
        #expect(bar.vwap.description == "0.4488" && bar.volume == 411_000_000_000)
        #expect(bar.trades == ProviderBar.undefinedCount && bar.kind == 1)
        #expect(bench.bars[1].openTime == bar.openTime && bench.bars[1].volume == 421_024_317_700)
        #expect(bar.flags == [] && bench.bars[1].flags == .revised)
        #expect(bench.engine.counters.bars == 2 && bench.engine.counters.revisions == 1)
        // A gateway that has just begun knows it by the time.
        bench.receive("[\(Self.minute.replacing("10144640000", with: "10144580000"))]", on: number)
        #expect(bench.bars.last?.flags == .revised)
        var (later, other) = live("GTE", .bars)
        later.receive("[\(Self.minute)]", on: other)
        #expect(later.bars.map(\.flags) == [.revised])
    }

    @Test("a second of the documentation, of a gateway that wants them")
    func second() throws {
        var (bench, number) = live("SPCE", .bars, .realTime) { $0.bars = .second }
        bench.receive(
            #"[{"ev":"A","sym":"SPCE","v":200,"av":8642007,"op":25.66,"vw":25.3981,"o":25.39,"#
                + #""c":25.39,"h":25.39,"l":25.39,"a":25.3714,"z":50,"s":1610144868000,"#
                + #""e":1610144869000}]"#, on: number)
        let bar = try #require(bench.bars.first)
        #expect(bar.closeTime.nanoseconds(since: bar.openTime) == MassiveBench.second)
        // Nobody asked for minutes.
        bench.receive("[\(Self.minute.replacing("GTE", with: "SPCE"))]", on: number)
        #expect(bench.bars.count == 1 && bench.engine.counters.skipped(.stray) == 1)
    }

    @Test("a bar with a number that does not fit is a gap at its end")
    func misfitBar() throws {
        var (bench, number) = live("GTE", .bars)
        bench.receive("[\(Self.minute.replacing("4110", with: #""x""#))]", on: number)
        let gap = try #require(bench.gaps.first)
        #expect(gap.kind == DataKind.providerBar.rawValue)
        #expect(gap.from == ISOTime.parse("2021-01-08T22:25:00Z"))
    }

    @Test("records of the delayed feed say so")
    func delayed() throws {
        var (bench, number) = live("MSFT", [.trades, .bars], .delayed)
        bench.receive("[\(Self.trade),\(Self.minute.replacing("GTE", with: "MSFT"))]", on: number)
        #expect(try #require(bench.trades.first).header.flags == .delayed)
        #expect(try #require(bench.bars.first).header.flags == .delayed)
    }

    @Test(
        "conditions and exchanges are the letters of the tapes",
        arguments: [
            ("[14,37]", 3, "FI"), ("[2]", 1, "B"), ("[2]", 3, "W"), ("[4,6]", 3, "??"),
            ("[52,53,38,32]", 2, "V79Z"), ("[999,41]", 1, "??"), ("[]", 1, ""), ("0", 1, ""),
            ("[1,3,5,7,8,9,10,11,12]", 1, "AEGC6X4D"), ("[12345678901234567890]", 1, "?"),
        ])
    func conditions(list: String, tape: Int, letters: String) throws {
        var (bench, number) = live("MSFT", .trades)
        let text = Self.trade.replacing("[0,12]", with: list).replacing(
            #""z":3"#, with: "\"z\":\(tape)")
        bench.receive("[\(text)]", on: number)
        #expect(try #require(bench.trades.first).conditions.text == letters)
    }

    @Test("exchanges have the letters of the service's list, others their numbers")
    func exchanges() {
        let codes = MassiveCodes()
        let letters = (0...23 as ClosedRange<UInt64>).map { codes.exchange($0) }
        #expect(letters == [0] + Array("ABCDEIJKMNPTSLVWXYZHU".utf8) + [0, 0])
    }

    @Test("a trade that comes twice is on the tape once; a number that falls is counted")
    func doubles() {
        var (bench, number) = live("MSFT", .trades)
        bench.receive("[\(bench.trade("MSFT", 7)),\(bench.trade("MSFT", 9))]", on: number)
        let time = bench.stamp
        bench.pass(MassiveBench.second)
        bench.receive(
            "[\(bench.trade("MSFT", 7, at: time)),\(bench.trade("MSFT", 8, at: time))]", on: number)
        #expect(bench.trades.map { $0.header.providerID & 0xff } == [7, 9, 8])
        #expect(bench.engine.counters.skipped(.double) == 1)
        #expect(bench.engine.counters.ids.unordered == 1)
    }

    /// Messages of Massive as others have reported them (polygon-io/issues 241): two trades with
    /// one number in one millisecond, twice.
    private static let twins = [
        #"{"ev":"T","sym":"VWAGY","x":62,"i":"00220725","z":3,"p":16.7,"s":10,"c":[12],"#
            + #""t":1679590840534,"q":130924}"#,
        #"{"ev":"T","sym":"VWAGY","x":62,"i":"00220726","z":3,"p":16.7,"s":10,"c":[12],"#
            + #""t":1679590840534,"q":130924}"#,
        #"{"ev":"T","sym":"VWAGY","x":62,"i":"00241707","z":3,"p":16.695,"s":30,"c":[],"#
            + #""t":1679592040534,"q":143015}"#,
        #"{"ev":"T","sym":"VWAGY","x":62,"i":"00241708","z":3,"p":16.70,"s":1,"c":[37],"#
            + #""t":1679592040534,"q":143015}"#,
    ]

    @Test("trades of one number and one time are others if their own ids are")
    func twinTrades() throws {
        var (bench, number) = live("VWAGY", .trades)
        let frame = "[\(Self.twins.joined(separator: ","))]"
        bench.receive(frame, on: number)
        try #require(bench.trades.count == 4)
        // Each has a number, and what is sent again is none.
        #expect(Set(bench.trades.map(\.header.providerID)).count == 4)
        bench.receive(frame, on: number)
        #expect(bench.trades.count == 4 && bench.engine.counters.skipped(.double) == 4)
        #expect(
            bench.trades[0].size.description == "10" && bench.trades[3].price.raw == 16_700_000_000)
    }

    @Test("without ids, trades of one number and one time are others by price, size or conditions")
    func twinsWithoutIDs() throws {
        var (bench, number) = live("VWAGY", .trades)
        func text(_ price: String, _ size: Int, _ condition: Int) -> String {
            "{\"ev\":\"T\",\"sym\":\"VWAGY\",\"x\":62,\"z\":3,\"p\":\(price),\"s\":\(size),"
                + "\"c\":[\(condition)],\"t\":1679590840534,\"q\":130924}"
        }
        let all = [
            text("1.5", 10, 12), text("1.6", 10, 12), text("1.5", 11, 12), text("1.5", 10, 37),
        ]
        bench.receive("[\((all + all).joined(separator: ","))]", on: number)
        #expect(bench.trades.count == 4 && bench.engine.counters.skipped(.double) == 4)
    }

    @Test("a quote that comes twice is on the tape once, and another one of its number too")
    func quoteTwins() {
        var (bench, number) = live("MSFT", .quotes)
        func quote(_ bid: String) -> String {
            "{\"ev\":\"Q\",\"sym\":\"MSFT\",\"bx\":4,\"bp\":\(bid),\"bs\":1,\"ax\":7,"
                + "\"ap\":114.2,\"as\":2,\"t\":1536036818784,\"q\":50385480}"
        }
        bench.receive("[\(quote("114.1")),\(quote("114.1")),\(quote("114.15"))]", on: number)
        #expect(bench.quotes.map(\.bidPrice.description) == ["114.1", "114.15"])
        #expect(bench.engine.counters.skipped(.double) == 1)
    }

    @Test("every frame that is cut somewhere is read up to there, and nothing traps")
    func cuts() {
        let frame = Array("[\(Self.trade),\(Self.minute)]".utf8)
        for length in frame.indices {
            var (bench, number) = live("MSFT", [.trades, .bars])
            bench.receive(String(decoding: frame.prefix(length), as: UTF8.self), on: number)
            #expect(bench.engine.counters.broken == 1 && bench.trades.count <= 1)
        }
    }
}
