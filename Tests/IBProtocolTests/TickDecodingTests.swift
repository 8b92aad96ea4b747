import MarketModel
import Primitives
import Testing

@testable import IBProtocol

@Suite("Messages of running subscriptions")
struct TickDecodingTests {
    @Test("tickPrice: the size belongs to bid, ask and last alone")
    func tickPrice() throws {
        #expect(
            try message("1|6|7|1|150.25|300|3")
                == .tick(
                    .price(
                        TickPrice(
                            request: 7, type: 1, price: price("150.25"), size: size("300")))))
        #expect(
            try message("1|6|7|68|150.25|0.5|4")
                == .tick(
                    .price(
                        TickPrice(
                            request: 7, type: 68, price: price("150.25"), size: size("0.5")))))
        #expect(
            try message("1|6|7|9|149|0|0")
                == .tick(
                    .price(
                        TickPrice(
                            request: 7, type: 9, price: price("149"), size: .undefined))))
    }

    @Test("a bid or ask of -1 is none with the size 0; others have this price")
    func noQuote() throws {
        for (text, expected) in [
            ("1|6|7|1|-1|0|0", nil), ("1|6|7|2|-1.0|0|0", nil), ("1|6|7|1|-1||0", nil),
            ("1|6|7|66|-1|0|0", nil), ("1|6|7|67|-1|0|0", nil),
            ("1|6|7|6|-1|0|0", price("-1")), ("1|6|7|4|-1|0|0", price("-1")),
            ("1|6|7|68|-1|0|0", price("-1")), ("1|6|7|1|-1|5|0", price("-1")),
            ("1|6|7|1||0|0", nil),
            ("1|6|7|1|-2|0|0", price("-2")),
        ] as [(String, Price?)] {
            guard case .tick(.price(let tick)) = try message(text) else {
                Issue.record("\(text)")
                continue
            }
            #expect(tick.price == expected ?? .undefined, "\(text)")
        }
    }

    @Test("tickSize, tickGeneric, and strings that stay strings")
    func values() throws {
        #expect(
            try message("2|6|7|8|12345678")
                == .tick(.size(TickSize(request: 7, type: 8, size: size("12345678")))))
        #expect(
            try message("45|6|7|24|0.2345678912345")
                == .tick(.generic(TickGeneric(request: 7, type: 24, value: ratio("0.234567891")))))
        #expect(
            try message("46|6|7|59|0.83,0.92,20260219,0.23")
                == .feed(
                    .text(
                        TickString(request: 7, type: 59, text: "0.83,0.92,20260219,0.23"))))
        #expect(
            try message("46|6|7|84|Q")
                == .tick(.exchange(TickExchange(request: 7, type: 84, exchange: word("Q")))))
        #expect(
            try message("46|6|7|45|1767623401")
                == .tick(.time(TickTime(request: 7, type: 45, time: seconds(1_767_623_401)))))
    }

    @Test("RTVolume is a trade with milliseconds; its price may be missing")
    func realTimeVolume() throws {
        let trade = RealTimeVolume(
            request: 7, type: 48, price: price("150.25"), size: size("100"),
            time: milliseconds(1_767_623_401_123))
        #expect(
            try message("46|6|7|48|150.25;100;1767623401123;2500000;150.1234567891;true")
                == .tick(.realTimeVolume(trade)))
        guard
            case .tick(.realTimeVolume(let silent)) = try message(
                "46|6|7|77|;0;1767623401123;2500000;150.12;false")
        else { throw Unreadable() }
        #expect(silent.price == .undefined)
        #expect(silent.type == 77)
        var decoder = MessageDecoder(version: 176)
        #expect(
            decoder.decode(fields(of: "46|6|7|48|150.25;100;1767623401123;2500000;150.12"))
                == .skipped(id: 46, .missing))
        #expect(
            decoder.decode(fields(of: "46|6|7|48|150.25;100;soon;1;1;true"))
                == .skipped(id: 46, .notATime))
        #expect(
            decoder.decode(fields(of: "46|6|7|48|many;100;1;1;1;true"))
                == .skipped(id: 46, .notANumber))
        #expect(decoder.counters.skippedByID[46] == 3)
    }

    @Test("greeks: what was not computed is undefined")
    func options() throws {
        guard
            case .tick(.option(let tick)) = try message(
                "21|7|13|1|0.25|0.5|3.1|0|0.05|0.1|-0.02|150.5")
        else { throw Unreadable() }
        #expect(tick.basis == .prices)
        #expect(tick.impliedVolatility == ratio("0.25"))
        #expect(tick.delta == ratio("0.5"))
        #expect(tick.optionPrice == price("3.1"))
        #expect(tick.dividends == price("0"))
        #expect(tick.gamma == ratio("0.05"))
        #expect(tick.vega == ratio("0.1"))
        #expect(tick.theta == ratio("-0.02"))
        #expect(tick.underlyingPrice == price("150.5"))
        guard case .tick(.option(let none)) = try message("21|7|10|0|-1|-2|-1|-1|-2|-2|-2|-1")
        else {
            throw Unreadable()
        }
        #expect(none.basis == .returns)
        #expect(
            [none.impliedVolatility, none.delta, none.gamma, none.vega, none.theta]
                .allSatisfy { !$0.isDefined })
        #expect(
            [none.optionPrice, none.dividends, none.underlyingPrice].allSatisfy { !$0.isDefined })
    }

    @Test("depth without and with market makers")
    func depth() throws {
        #expect(
            try message("12|1|7|0|0|1|150.2|400")
                == .tick(
                    .depth(
                        DepthMessage(
                            request: 7, position: 0, side: .bid, operation: .insert,
                            price: price("150.2"), size: size("400"), marketMaker: .none, flags: [])
                    )))
        #expect(
            try message("13|1|7|3|ISLAND|1|0|150.3|200|1")
                == .tick(
                    .depth(
                        DepthMessage(
                            request: 7, position: 3, side: .ask, operation: .update,
                            price: price("150.3"), size: size("200"),
                            marketMaker: MarketMaker("ISLAND") ?? .none, flags: [.level2, .smart])))
        )
        guard case .tick(.depth(let delete)) = try message("13|1|7|3|NITE|2|0|0|0|0") else {
            throw Unreadable()
        }
        #expect(delete.price == .undefined && delete.size == .undefined)
        #expect(delete.flags == .level2)
        var decoder = MessageDecoder(version: 176)
        #expect(
            decoder.decode(fields(of: "12|1|7|0|3|1|150.2|400")) == .skipped(id: 12, .outOfRange))
        #expect(
            decoder.decode(fields(of: "12|1|7|0|0|2|150.2|400")) == .skipped(id: 12, .outOfRange))
    }

    @Test("tick by tick, by kind")
    func tickByTick() throws {
        let trade = TradeTick(
            time: seconds(1_767_623_401), price: price("150.25"), size: size("0.0001"),
            exchange: word("FINRA"), conditions: word(" TI"), attributes: .unreported)
        #expect(
            try message("99|7|2|1767623401|150.25|0.0001|2|FINRA| TI")
                == .tick(.trade(request: 7, all: true, trade)))
        #expect(
            try message("99|7|1|1767623401|150.25|0.0001|2|FINRA| TI")
                == .tick(.trade(request: 7, all: false, trade)))
        guard
            case .tick(.quote(7, let quote)) = try message(
                "99|7|3|1767623401|150.2|150.3|100|200|1")
        else { throw Unreadable() }
        #expect(quote.bidPrice == price("150.2") && quote.askPrice == price("150.3"))
        #expect(quote.bidSize == size("100") && quote.askSize == size("200"))
        #expect(
            try message("99|7|4|1767623401|150.255")
                == .tick(
                    .midpoint(
                        request: 7,
                        MidpointTick(time: seconds(1_767_623_401), price: price("150.255")))))
        var decoder = MessageDecoder(version: 176)
        #expect(decoder.decode(fields(of: "99|7|5|1|1")) == .skipped(id: 99, .outOfRange))
    }

    @Test("bars of 5 seconds, of trades and of quotes")
    func realTimeBars() throws {
        #expect(
            try message("50|3|7|1767623400|150|151|149.5|150.5|1200|150.33333333333|42")
                == .tick(
                    .bar(
                        RealTimeBar(
                            request: 7, time: seconds(1_767_623_400), open: price("150"),
                            high: price("151"), low: price("149.5"), close: price("150.5"),
                            vwap: price("150.333333333"), volume: 120_000_000_000, trades: 42))))
        guard case .tick(.bar(let bar)) = try message("50|3|7|1767623400|1|1|1|1|-1|-1|-1") else {
            throw Unreadable()
        }
        #expect(bar.volume == ProviderBar.undefinedVolume)
        #expect(bar.trades == ProviderBar.undefinedCount)
        #expect(bar.vwap == .undefined)
    }

    @Test("what is said about a subscription")
    func aboutSubscriptions() throws {
        #expect(try message("58|1|7|3") == .feed(.mode(request: 7, .delayed)))
        #expect(try message("58|1|7|5") == .feed(.mode(request: 7, .unknown)))
        #expect(
            try message("91|7|43645865|SMART")
                == .feed(
                    .rerouteMarketData(
                        Reroute(request: 7, contract: 43_645_865, exchange: "SMART"))))
        #expect(
            try message("92|7|43645865|SMART")
                == .feed(
                    .rerouteDepth(Reroute(request: 7, contract: 43_645_865, exchange: "SMART"))))
        #expect(try message("81|7|0.01|9c0001|3") == .feed(.parameters(request: 7)))
    }

    @Test("unknown messages and extra fields are let pass; those that end too soon are skipped")
    func tolerance() throws {
        var decoder = MessageDecoder(version: 176)
        #expect(decoder.decode(fields(of: "777|1|2")) == .unknown(id: 777))
        #expect(decoder.decode(fields(of: "1|6|7")) == .skipped(id: 1, .missing))
        #expect(decoder.decode([]) == .skipped(id: -1, .missing))
        #expect(decoder.decode(fields(of: "x|6|7")) == .skipped(id: -1, .notANumber))
        #expect(decoder.decode(fields(of: "-4|6|7")) == .skipped(id: -1, .outOfRange))
        #expect(decoder.counters.unknown == 1)
        #expect(decoder.counters.skippedByID[1] == 1)
        #expect(decoder.counters.skippedWithoutID == 3)
        #expect(decoder.counters.skipped == 4)
        #expect(
            try message("2|6|7|0|5|new|fields")
                == .tick(.size(TickSize(request: 7, type: 0, size: size("5")))))
        #expect(
            decoder.decode(fields(of: "2|6|7|0|0.123456789123"))
                == .message(.tick(.size(TickSize(request: 7, type: 0, size: size("0.12345679"))))))
        #expect(decoder.counters.lostNumbers == 1)
    }
}
