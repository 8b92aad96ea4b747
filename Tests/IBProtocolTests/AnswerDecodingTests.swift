import MarketModel
import Primitives
import Testing

@testable import IBProtocol

@Suite("Messages that answer one question")
struct AnswerDecodingTests {
    @Test("historical bars")
    func bars() throws {
        let bar = HistoricalBar(
            time: .day(20_458), open: price("1"), high: price("4"), low: price("0.5"),
            close: price("2"), vwap: price("1.75"), volume: 1_000_000_000_000, trades: 12)
        #expect(
            try message(
                "17|7|20260101 00:00:00|20260106 00:00:00|2|20260105|1|4|0.5|2|10000|1.75|12"
                    + "|1767605400|1|1|1|1|-1|-1|-1")
                == .history(
                    .bars(
                        HistoricalBars(
                            request: 7,
                            bars: [
                                bar,
                                HistoricalBar(
                                    time: .instant(seconds(1_767_605_400)), open: price("1"),
                                    high: price("1"), low: price("1"), close: price("1"),
                                    vwap: .undefined, volume: ProviderBar.undefinedVolume,
                                    trades: ProviderBar.undefinedCount),
                            ]))))
        guard case .history(.bars(let none)) = try message("17|7|||0") else { throw Unreadable() }
        #expect(none.bars.isEmpty)
    }

    @Test("historical ticks of the three kinds; the bits of quotes are the other way round")
    func ticks() throws {
        #expect(
            try message("96|7|2|1767605400|0|150.5|0|1767605401||151|0|0")
                == .history(
                    .midpoints(
                        HistoricalTicks(
                            request: 7,
                            ticks: [
                                MidpointTick(time: seconds(1_767_605_400), price: price("150.5")),
                                MidpointTick(time: seconds(1_767_605_401), price: price("151")),
                            ], isLast: false))))
        guard
            case .history(.quotes(let quotes)) = try message(
                "97|7|2|1767605400|1|150|151|10|20|1767605400|2|-1|151|0|20|1")
        else { throw Unreadable() }
        #expect(quotes.isLast)
        #expect(quotes.ticks[0].bidPrice == price("150") && quotes.ticks[0].askSize == size("20"))
        #expect(quotes.ticks[1].bidPrice == .undefined && quotes.ticks[1].bidSize == .undefined)
        guard
            case .history(.trades(let trades)) = try message("98|7|1|1767605400|3|150|10|NYSE|T|1")
        else { throw Unreadable() }
        #expect(
            trades.ticks == [
                TradeTick(
                    time: seconds(1_767_605_400), price: price("150"), size: size("10"),
                    exchange: word("NYSE"), conditions: word("T"),
                    attributes: [.pastLimit, .unreported])
            ])
    }

    @Test("head time stamps")
    func otherHistory() throws {
        #expect(
            try message("88|7|20040123-14:30:00")
                == .feed(
                    .headTimestamp(
                        HeadTimestamp(request: 7, time: .instant(seconds(1_074_868_200))))))
        #expect(
            try message("88|7|1074868200")
                == .feed(
                    .headTimestamp(
                        HeadTimestamp(request: 7, time: .instant(seconds(1_074_868_200))))))
    }

    @Test("notices with and without the field of 166; escapes are resolved")
    func notices() throws {
        guard
            case .notice(let old) = try message(
                #"4|2|-1|2104|Verbindung \u00fcber usfarm ist OK"#, version: 163)
        else { throw Unreadable() }
        #expect(old.isAboutConnection)
        #expect(old.code == 2_104)
        #expect(old.text == "Verbindung über usfarm ist OK")
        #expect(old.meaning == .farm(.marketData, .ok))
        guard case .notice(let new) = try message("4|2|7|200|No security|{}", version: 166) else {
            throw Unreadable()
        }
        #expect(new.detail == "{}")
        #expect(new.request == 7)
    }

    @Test("the connection's own messages")
    func connection() throws {
        #expect(try message("9|1|42") == .session(.nextValidID(42)))
        #expect(try message("15|1|DU123,DU456") == .session(.managedAccounts(["DU123", "DU456"])))
        #expect(try message("15|1|DU123,") == .session(.managedAccounts(["DU123"])))
        #expect(try message("49|1|1767605400") == .session(.currentTime(seconds(1_767_605_400))))
        var decoder = MessageDecoder(version: 176)
        #expect(decoder.decode(fields(of: "49|1|")) == .skipped(id: 49, .notATime))
    }

    @Test("news, bulletins and documents")
    func news() throws {
        #expect(
            try message("84|7|1767605400123|BRFG|BRFG$1|Apple up|K:1.00")
                == .feed(
                    .news(
                        TickNews(
                            request: 7, time: milliseconds(1_767_605_400_123), provider: "BRFG",
                            article: "BRFG$1", headline: "Apple up", extra: "K:1.00"))))
        #expect(
            try message("14|1|5|2|Exchange closed|NYSE")
                == .session(
                    .bulletin(
                        BulletinMessage(
                            id: 5, kind: .exchangeUnavailable, text: "Exchange closed",
                            exchange: "NYSE"))))
        #expect(
            try message("85|1|BRFG|Briefing.com")
                == .session(.newsProviders([NewsProvider(code: "BRFG", name: "Briefing.com")])))
        #expect(
            try message("86|7|2026-01-05 09:30:00.0|BRFG|BRFG$1|Apple up")
                == .feed(
                    .headline(
                        HistoricalHeadline(
                            request: 7,
                            time: .wall(WallTime(seconds: 20_458 * 86_400 + 34_200), zone: ""),
                            provider: "BRFG", article: "BRFG$1", headline: "Apple up"))))
        #expect(try message("87|7|1") == .feed(.headlinesEnd(request: 7, hasMore: true)))
        #expect(
            try message("51|1|7|<xml/>")
                == .feed(
                    .fundamentals(
                        FundamentalDocument(request: 7, content: Array("<xml/>".utf8)))))
    }
}

@Suite("Contract details by server version")
struct ContractDecodingTests {
    /// Returns the fields of section 4.1 of the protocol's description, in its order, as one
    /// version sends them.
    private static func contract(_ version: Int, kind: String = "STK") -> String {
        var all = ["10"]
        if version < 164 { all.append("8") }
        all += ["7", "AAPL", kind, "20260320-16:00:00-US/Eastern"]
        if version >= 182 { all.append("20260320") }
        all += ["0", "", "SMART", "USD", "AAPL", "NMS", "NMS", "265598", "0.01"]
        if version < 164 { all.append("100") }
        all += [
            "1", "LMT,MKT", "SMART,NYSE", "1", "0", #"APPL\u00c9 INC"#, "NASDAQ", "", "Technology",
        ]
        all += ["Computers", "Computers", "US/Eastern", "20260105:0400-2000", "20260105:0930-1600"]
        all += ["", "0", "1", "ISIN", "US0378331005", "1", "", "", "26,26", "", "COMMON"]
        if version == 163 { all.append("1") }
        if version >= 164 { all += ["0.0001", "0.0001", "100"] }
        if version >= 179, kind == "FUND" {
            all += ["Fund", "Family", "Type", "1", "2", "3", "4", "1", "0", "1", "5", "6", "7"]
            all += ["CA", "PR", "N", "Equity"]
        }
        if version >= 186 { all += ["1", "r1", "Not now"] }
        return all.joined(separator: "|")
    }

    @Test(
        "every version's fields stand where they belong",
        arguments: [157, 158, 162, 163, 164, 165, 176, 178, 179, 181, 182, 185, 186, 187])
    func versions(_ version: Int) throws {
        for kind in ["STK", "FUND"] {
            guard
                case .contract(.details(let details)) = try message(
                    Self.contract(version, kind: kind), version: version)
            else { throw Unreadable() }
            #expect(details.request == 7)
            #expect(details.contract.id == 265_598)
            #expect(details.contract.multiplier == "1")
            #expect(details.contract.primaryExchange == "NASDAQ")
            #expect(details.zone == "US/Eastern")
            #expect(details.tradingHours == "20260105:0400-2000")
            #expect(details.liquidHours == "20260105:0930-1600")
            #expect(details.contract.lastTradeDate == "20260320")
        }
    }

    @Test("what one version sends, another does not take for its own")
    func gates() {
        for (sent, read) in [(162, 164), (178, 186), (163, 164)] {
            var decoder = MessageDecoder(version: read)
            guard case .skipped(id: 10, _) = decoder.decode(fields(of: Self.contract(sent))) else {
                Issue.record("\(sent) was read as \(read)")
                continue
            }
        }
    }

    @Test(
        "a time that follows a date is split off at a dash, or at a blank",
        arguments: [
            ("20260320 08:30:00 US/Central", "20260320"), ("20260320-08:30:00", "20260320"),
            ("20260320", "20260320"), ("", ""),
        ])
    func expiries(text: String, date: String) throws {
        let sent = Self.contract(187).replacing("20260320-16:00:00-US/Eastern", with: text)
        guard case .contract(.details(let details)) = try message(sent) else { throw Unreadable() }
        #expect(details.contract.lastTradeDate == date)
    }

    @Test("bonds", arguments: [157, 163, 164, 187])
    func bonds(_ version: Int) throws {
        var all = ["18"]
        if version < 164 { all.append("6") }
        all += ["7", "US-T", "BOND", "912828C57", "2.375", "20301231 12:00:00", "20140331", "AAA"]
        all += ["GOVT", "FIXED", "0", "1", "0", "Treasury", "SMART", "USD", "US-T", "US-T", "145"]
        all += ["0.0078125"]
        if version < 164 { all.append("100") }
        all += ["LMT", "SMART", "", "", "0", "", "US Treasury", "", "0", "0", "1", "26"]
        if version >= 164 { all += ["1", "1", "1"] }
        guard
            case .contract(.details(let details)) = try message(
                all.joined(separator: "|"), version: version)
        else { throw Unreadable() }
        #expect(details.request == 7 && details.contract.id == 145)
        #expect(details.contract.kind == .bond && details.contract.exchange == "SMART")
        #expect(details.contract.lastTradeDate == "20301231")
        #expect(details.zone.isEmpty && details.tradingHours.isEmpty)
        #expect(try message("52|1|7") == .contract(.end(request: 7)))
    }
}
