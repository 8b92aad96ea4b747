import MarketModel
import Primitives
import Testing

@testable import IBProtocol

@Suite("Requests")
struct RequestTests {
    private static let apple: Contract = {
        var contract = Contract(.stock, "AAPL")
        contract.id = 265_598
        contract.primaryExchange = "NASDAQ"
        return contract
    }()
    private static let appleFields = "265598|AAPL|STK|||||SMART|NASDAQ|USD||"

    private static let option: Contract = {
        var contract = Contract(.option, "AAPL")
        contract.lastTradeDate = "20260116"
        contract.strike = price("147.5")
        contract.right = "C"
        contract.multiplier = "100"
        contract.localSymbol = "AAPL  260116C00147500"
        contract.tradingClass = "AAPL"
        return contract
    }()
    private static let optionFields =
        "0|AAPL|OPT|20260116|147.5|C|100|SMART||USD|AAPL  260116C00147500|AAPL"

    /// Expects the bytes of a request to be those of these fields.
    private func expect(
        _ request: IBRequest, _ expected: String, version: Int = 176,
        _ place: SourceLocation = #_sourceLocation
    ) throws {
        let bytes = try request.encoded(version: version)
        let wanted = framed(fields(of: expected))
        #expect(bytes == wanted, "\(String(decoding: bytes, as: UTF8.self))", sourceLocation: place)
    }

    @Test("the length stands in front, every field has its end")
    func bytes() throws {
        #expect(
            try IBRequest.currentTime.encoded(version: 157)
                == [0, 0, 0, 5, 0x34, 0x39, 0, 0x31, 0])
        try expect(.startAPI(client: 10), "71|2|10|")
        try expect(.marketDataType(3), "59|1|3")
    }

    @Test("running subscriptions")
    func streams() throws {
        try expect(
            .marketData(id: 7, Self.apple, MarketDataRequest(genericTicks: ["233", "292:BRFG"])),
            "1|11|7|\(Self.appleFields)|0|233,292:BRFG|0|0|")
        try expect(
            .marketData(id: 7, Self.option, MarketDataRequest()),
            "1|11|7|\(Self.optionFields)|0||0|0|")
        try expect(.cancelMarketData(id: 7), "2|2|7")
        try expect(
            .depth(id: 8, Self.apple, rows: 10, isSmart: true),
            "10|5|8|\(Self.appleFields)|10|1|")
        try expect(.cancelDepth(id: 8, isSmart: true), "11|1|8|1")
        try expect(.tickByTick(id: 9, Self.option, .bidAsk), "97|9|\(Self.optionFields)|BidAsk|0|0")
        try expect(.tickByTick(id: 9, Self.apple, .allLast), "97|9|\(Self.appleFields)|AllLast|0|0")
        try expect(.cancelTickByTick(id: 9), "98|9")
        try expect(
            .realTimeBars(id: 10, Self.apple, .trades, regularHoursOnly: false),
            "50|3|10|\(Self.appleFields)|5|TRADES|0|")
        try expect(.cancelRealTimeBars(id: 10), "51|1|10")
    }

    @Test("history")
    func history() throws {
        var bars = HistoryRequest(duration: "1 D", barSize: "1 min")
        bars.end = .at(seconds(1_767_605_400))
        try expect(
            .history(id: 7, Self.apple, bars),
            "20|7|\(Self.appleFields)|0|20260105-09:30:00|1 min|1 D|0|TRADES|2|0|")
        bars.end = .open
        bars.kind = .midpoint
        bars.regularHoursOnly = true
        bars.includeExpired = true
        try expect(
            .history(id: 7, Self.option, bars),
            "20|7|\(Self.optionFields)|1||1 min|1 D|1|MIDPOINT|2|0|")
        try expect(.cancelHistory(id: 7), "25|1|7")
        var ticks = HistoryTicksRequest()
        ticks.start = .at(seconds(1_767_605_400))
        ticks.kind = .bidAsk
        try expect(
            .historyTicks(id: 7, Self.apple, ticks),
            "96|7|\(Self.appleFields)|0|20260105-09:30:00||1000|BID_ASK|0|0|")
        try expect(
            .headTimestamp(id: 7, Self.apple, .trades, regularHoursOnly: true),
            "87|7|\(Self.appleFields)|0|1|TRADES|2")
        try expect(.cancelHeadTimestamp(id: 7), "90|7")
    }

    @Test("contracts and what belongs to them, by version")
    func reference() throws {
        let details = IBRequest.contractDetails(id: 7, Self.apple)
        try expect(details, "9|8|7|\(Self.appleFields)|0||", version: 175)
        try expect(details, "9|8|7|\(Self.appleFields)|0|||", version: 176)
        try expect(
            .contractDetails(id: 7, Self.apple, includeExpired: true),
            "9|8|7|\(Self.appleFields)|1|||")
    }

    @Test("news and documents")
    func news() throws {
        try expect(.bulletins(all: true), "12|1|1")
        try expect(.newsProviders, "85")
        var news = HistoricalNewsRequest(contract: 265_598, providers: ["BRFG", "DJNL"], count: 10)
        news.start = .at(seconds(1_767_605_400))
        try expect(.historicalNews(id: 7, news), "86|7|265598|BRFG+DJNL|20260105-09:30:00||10|")
        try expect(
            .fundamentals(id: 7, Self.apple, report: "ReportSnapshot"),
            "52|2|7|265598|AAPL|STK|SMART|NASDAQ|USD||ReportSnapshot|0|")
        try expect(.cancelFundamentals(id: 7), "53|1|7")
    }

    @Test("what a server could misread is an error, and nothing comes out")
    func refusals() {
        for text in ["Münch", "A\0B", "A\u{1b}", "A\u{7f}"] {
            #expect(throws: RequestError.notASCII(field: "symbol")) {
                try IBRequest.marketData(id: 7, Contract(.stock, text), MarketDataRequest())
                    .encoded(version: 176)
            }
        }
        var forever = HistoryTicksRequest()
        forever.start = .at(.undefined)
        #expect(throws: RequestError.number(field: "time")) {
            try IBRequest.historyTicks(id: 7, Self.apple, forever).encoded(version: 176)
        }
        let endless = Contract(.stock, String(repeating: "A", count: 70_000))
        #expect(throws: RequestError.tooLong) {
            try IBRequest.marketData(id: 7, endless, MarketDataRequest()).encoded(version: 176)
        }
    }

    @Test("times around 1970 are written as they are")
    func times() throws {
        for (time, text) in [
            (seconds(-1), "19691231-23:59:59"),
            (Timestamp(nanoseconds: Int64.min), "16770921-00:12:43"),
        ] {
            var ticks = HistoryTicksRequest()
            ticks.start = .at(time)
            try expect(
                .historyTicks(id: 7, Self.apple, ticks),
                "96|7|\(Self.appleFields)|0|\(text)||1000|TRADES|0|0|")
        }
    }
}

@Suite("Notices")
struct NoticeTests {
    private func meaning(_ code: Int32, _ text: String = "") -> NoticeMeaning {
        IBNotice(request: 7, code: code, text: text).meaning
    }

    @Test("codes mean one thing each")
    func codes() {
        for (code, expected) in [
            (326, .clientIDInUse), (1_100, .connectionLost),
            (1_101, .connectionRestored(subscriptionsLost: true)),
            (1_102, .connectionRestored(subscriptionsLost: false)), (1_300, .portChanged),
            (2_110, .platformDisconnected), (2_103, .farm(.marketData, .broken)),
            (2_104, .farm(.marketData, .ok)), (2_105, .farm(.history, .broken)),
            (2_106, .farm(.history, .ok)), (2_107, .farm(.history, .inactive)),
            (2_108, .farm(.marketData, .inactive)), (2_119, .farm(.marketData, .connecting)),
            (2_157, .farm(.definitions, .broken)), (2_158, .farm(.definitions, .ok)),
            (100, .pacingViolation), (101, .tooManyLines(.marketData)),
            (309, .tooManyLines(.depth)), (10_190, .tooManyLines(.tickByTick)),
            (200, .noSuchContract), (320, .invalidRequest), (321, .invalidRequest),
            (322, .duplicateRequest), (300, .nothingToCancel), (310, .nothingToCancel),
            (366, .nothingToCancel), (354, .notSubscribed), (10_168, .notSubscribed),
            (10_089, .subscriptionMissing), (10_090, .partlyNotSubscribed),
            (10_091, .partlyNotSubscribed), (10_186, .notSubscribed),
            (10_167, .delayedDataFollow), (10_197, .competingSession), (316, .depthHalted),
            (317, .depthReset), (420, .realTimeBarsRefused), (10_225, .realTimeBarsEnded),
            (10_189, .tickByTickRefused), (430, .noFundamentals), (12_345, .unknown(code: 12_345)),
        ] as [(Int32, NoticeMeaning)] {
            #expect(meaning(code) == expected, "\(code)")
        }
    }

    @Test("162 is told by its text")
    func history() {
        for (text, expected) in [
            ("Historical Market Data Service error message:Pacing violation", .pacingViolation),
            ("API historical data query cancelled: 7", .historyCancelled),
            ("HMDS query returned no data: AAPL@SMART Trades", .historyEmpty),
            ("No market data permissions for NYSE STK", .historyNotPermitted),
            (
                "Historical Market Data Service error message:Trading TWS session is connected "
                    + "from a different IP address", .competingSession
            ),
            ("something else", .historyRefused),
        ] as [(String, NoticeMeaning)] {
            #expect(meaning(162, text) == expected, "\(text)")
        }
        #expect(meaning(10_187, "Failed to request historical ticks:No data") == .historyEmpty)
    }

    @Test("what concerns everybody, and what will not get better by itself")
    func scopes() {
        #expect(NoticeMeaning.connectionLost.scope == .connection)
        #expect(NoticeMeaning.farm(.history, .broken).scope == .connection)
        #expect(NoticeMeaning.pacingViolation.scope == .byRequest)
        #expect(NoticeMeaning.competingSession.scope == .request)
        #expect(NoticeMeaning.noSuchContract.outlook == .permanent)
        #expect(NoticeMeaning.tooManyLines(.marketData).outlook == .temporary)
        #expect(NoticeMeaning.connectionRestored(subscriptionsLost: true).outlook == .temporary)
        #expect(NoticeMeaning.connectionRestored(subscriptionsLost: false).outlook == .fine)
        #expect(NoticeMeaning.farm(.marketData, .inactive).outlook == .fine)
        #expect(NoticeMeaning.farm(.marketData, .broken).outlook == .temporary)
        #expect(NoticeMeaning.delayedDataFollow.outlook == .fine)
    }
}
