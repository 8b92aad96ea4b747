import MarketModel
import Primitives
import Testing

@testable import IBProtocol

@Suite("Market data of one request")
struct MarketDataAssemblerTests {
    private static let start = seconds(1_767_623_400)

    /// Feeds messages a millisecond apart. Returns the events.
    private static func events(
        _ texts: [String], trades: MarketDataAssembler.TradeSource = .last,
        isIndex: Bool = false
    ) throws -> (events: [MarketDataEvent], assembler: MarketDataAssembler) {
        var assembler = MarketDataAssembler(
            symbol: 3, trades: trades, since: start, isIndex: isIndex)
        var events: [MarketDataEvent] = []
        var time = start
        for text in texts {
            if text.hasPrefix("wait ") {
                let milliseconds = Int64(text.dropFirst(5)) ?? 0
                time = time.advanced(byNanoseconds: milliseconds * 1_000_000)
            } else {
                let event = assembler.take(try message(text), at: time)
                if event != .none { events.append(event) }
                time = time.advanced(byNanoseconds: 1_000_000)
            }
            while let trade = assembler.nextTrade(at: time) { events.append(.trade(trade)) }
        }
        return (events, assembler)
    }

    private static func quotes(_ events: [MarketDataEvent]) -> [Quote] {
        events.compactMap { if case .quote(let quote) = $0 { quote } else { nil } }
    }

    private static func trades(_ events: [MarketDataEvent]) -> [Trade] {
        events.compactMap { if case .trade(let trade) = $0 { trade } else { nil } }
    }

    /// Which of the trades have a flag.
    private static func marks(_ flag: TickFlags, _ events: [MarketDataEvent]) -> [Bool] {
        trades(events).map { $0.header.flags.contains(flag) }
    }

    @Test("a price and the size that repeats it are one quote")
    func quotes() throws {
        let (events, assembler) = try Self.events([
            "1|6|7|1|150.2|3|0", "2|6|7|0|3", "1|6|7|2|150.3|5|0", "2|6|7|3|5",
            // A new size alone, sent twice; then a new price with the same size.
            "2|6|7|0|4", "2|6|7|0|4", "1|6|7|1|150.1|4|0", "2|6|7|0|4",
            // The repeated size may already be another one.
            "1|6|7|1|150.0|6|0", "2|6|7|0|7",
            // The same price and size again.
            "1|6|7|2|150.3|5|0", "2|6|7|3|5",
        ])
        let quotes = Self.quotes(events)
        #expect(
            quotes.map { [$0.bidPrice, $0.askPrice].map(\.description).joined(separator: "/") } == [
                "150.2/undefined", "150.2/150.3", "150.2/150.3", "150.1/150.3", "150/150.3",
                "150/150.3",
            ])
        #expect(quotes.map(\.bidSize) == ["3", "3", "4", "4", "6", "7"].map(size))
        #expect(events.count == quotes.count)
        #expect(assembler.counters.repeatedSizes == 4)
        #expect(
            quotes.map { $0.header.flags.contains(.snapshot) } == [true, true] + [
                false, false, false, false,
            ])
        #expect(quotes.allSatisfy { $0.header.flags.contains(.conflated) })
        #expect(quotes.allSatisfy { $0.header.symbol == 3 && !$0.header.providerTime.isDefined })
        #expect(quotes[2].header.receiveTime == Self.start.advanced(byNanoseconds: 4_000_000))
    }

    @Test("a side that has no quote is undefined, and its sizes mean nothing")
    func emptySide() throws {
        let (events, _) = try Self.events([
            "1|6|7|1|150.2|3|0", "1|6|7|1|-1|0|0", "2|6|7|0|0", "1|6|7|2|150.3|1|0",
            "1|6|7|1|150.2|3|0",
        ])
        let quotes = Self.quotes(events)
        #expect(quotes.map(\.bidPrice) == [price("150.2"), .undefined, .undefined, price("150.2")])
        #expect(quotes.map(\.bidSize) == [size("3"), .undefined, .undefined, size("3")])
    }

    @Test("without RTVolume, last price and size are trades; the first is the state before")
    func lastTrades() throws {
        let (events, assembler) = try Self.events([
            "1|6|7|4|150.2|100|0", "2|6|7|5|100", "46|6|7|84|Q", "1|6|7|4|150.3|200|0",
            "2|6|7|5|200", "2|6|7|5|300", "2|6|7|5|300", "1|6|7|4|150.3|300|0", "2|6|7|5|300",
        ])
        let trades = Self.trades(events)
        #expect(trades.map(\.size) == ["100", "200", "300", "300", "300"].map(size))
        #expect(trades.map(\.price) == ["150.2", "150.3", "150.3", "150.3", "150.3"].map(price))
        #expect(Self.marks(.snapshot, events) == [true, false, false, false, false])
        #expect(trades[1].exchange == word("Q"))
        #expect(assembler.counters.repeatedSizes == 3)
    }

    @Test("with RTVolume, it alone makes trades")
    func realTimeVolume() throws {
        let (events, assembler) = try Self.events(
            [
                "1|6|7|4|150.2|100|0", "2|6|7|5|100", "46|6|7|84|Q",
                "46|6|7|48|150.2;100;1767623399999;1000;150.1;true",
                "46|6|7|48|150.3;50;1767623400500;1050;150.1;false", "1|6|7|4|150.3|50|0",
                "2|6|7|5|50", "2|6|7|5|60", "46|6|7|77|150.3;50;1767623400500;1050;150.1;false",
                "46|6|7|48|;0;1767623400600;1100;150.1;false",
            ], trades: .realTimeVolume)
        let trades = Self.trades(events)
        #expect(trades.map(\.size) == ["100", "100", "50"].map(size))
        #expect(Self.marks(.snapshot, events) == [true, true, false])
        #expect(trades[2].header.providerTime == milliseconds(1_767_623_400_500))
        // The letter belonged to another trade.
        #expect(trades.dropFirst().allSatisfy { $0.exchange == .empty })
        #expect(trades[2].header.resolution == TimeResolution.millisecond.rawValue)
        #expect(assembler.counters.otherTrades == 3)
        #expect(assembler.counters.incomplete == 1)
    }

    @Test("only the first print of a request is the state before it, however slow its clock is")
    func state() throws {
        // The market's clock is two seconds slower than ours: all prints seem to be older.
        let old = try Self.events(
            ["58|1|7|1"] + [-2_000, -1_900, -1_800].map { Self.print(48, $0, 3) },
            trades: .realTimeVolume)
        #expect(Self.marks(.snapshot, old.events) == [true, false, false])
        // The report about the mode may come after the state. A state without a price is one too.
        for first in [Self.print(48, -2_000, 3), "46|6|7|48|;0;1767623398000;0;0;true"] {
            let new = try Self.events(
                [first, "58|1|7|1"] + [-1_900, -1_800].map { Self.print(48, $0, 3) },
                trades: .realTimeVolume)
            #expect(
                Self.trades(new.events).suffix(2).allSatisfy {
                    !$0.header.flags.contains(.snapshot)
                })
        }
    }

    /// Returns a print as both messages report it. The second argument is its thousandths of a
    /// second.
    private static func print(_ type: Int, _ milliseconds: Int, _ size: Int) -> String {
        "46|6|7|\(type)|150.2;\(size);\(1_767_623_400_000 + milliseconds);9;150;true"
    }

    @Test(
        "what RTVolume has and RT trade volume has not is unreported, whichever comes first",
        arguments: [
            // 48 comes first, and 77 leaves one out. Then two in a row are left out, and one at the
            // end.
            (
                [48, 1, 77, 1, 48, 2, 48, 3, 77, 3, 48, 4, 48, 5, 48, 6, 77, 6, 48, 7],
                [2, 4, 5, 7]
            ),
            // 77 comes first.
            (
                [77, 1, 48, 1, 48, 2, 77, 3, 48, 3, 48, 4, 48, 5, 77, 6, 48, 6, 48, 7],
                [2, 4, 5, 7]
            ),
            // First all of one, then all of the other.
            ([77, 1, 77, 3, 48, 1, 48, 2, 48, 3], [2]),
            ([77, 0, 48, 1, 48, 2, 48, 3, 77, 1, 77, 3], [2]),
            // Nothing is known before the first 77.
            ([48, 1, 48, 2, 77, 2, 48, 3], [3]),
        ])
    func unreported(_ messages: [Int], _ unreported: [Int]) throws {
        var texts = stride(from: 0, to: messages.count, by: 2).map { place in
            Self.print(messages[place], messages[place + 1], messages[place + 1])
        }
        texts.append("wait 250")
        let (events, assembler) = try Self.events(texts, trades: .realTimeVolume)
        let trades = Self.trades(events)
        let sizes = stride(from: 0, to: messages.count, by: 2)
            .filter { messages[$0] == 48 }.map { messages[$0 + 1] }
        // Each trade once, and in the order of arrival.
        #expect(trades.map(\.size) == sizes.map { size("\($0)") })
        let flagged = trades.filter { $0.header.flags.contains(.unreported) }.map(\.size)
        #expect(flagged == unreported.map { size("\($0)") })
        #expect(!assembler.holdsTrades && !assembler.earliestHeldTrade.isDefined)
    }

    @Test("equal prints are told as often as they came, with as many reported as were")
    func equalPrints() throws {
        let (first, second) = (Self.print(48, 5, 100), Self.print(77, 5, 100))
        let (events, _) = try Self.events(
            [Self.print(77, 0, 1), first, first, second, first, second, "wait 250"],
            trades: .realTimeVolume)
        let trades = Self.trades(events)
        #expect(trades.count == 3)
        #expect(trades.count { $0.header.flags.contains(.unreported) } == 1)
    }

    @Test("of equal prints the reported one is the one with the time of the report")
    func equalPrintsApart() throws {
        let (events, _) = try Self.events(
            [
                Self.print(77, 0, 1), Self.print(48, 5, 100), Self.print(48, 147, 100),
                Self.print(77, 147, 100), "wait 250",
            ], trades: .realTimeVolume)
        #expect(Self.marks(.unreported, events) == [true, false])
    }

    @Test("a print waits for its word for a quarter of a second, and no longer at the end")
    func waiting() throws {
        let texts = [Self.print(77, 0, 1), Self.print(48, 7, 3)]
        let (early, assembler) = try Self.events(texts + ["wait 248"], trades: .realTimeVolume)
        #expect(early.isEmpty && assembler.holdsTrades)
        #expect(assembler.earliestHeldTrade == milliseconds(1_767_623_400_007))
        var ended = assembler
        // Nothing is known about an instrument whose subscription has ended.
        let last = ended.nextHeldTrade()
        #expect(last?.size == size("3") && last?.header.flags.contains(.unreported) == false)
        #expect(ended.nextHeldTrade() == nil)
        let (late, _) = try Self.events(texts + ["wait 250"], trades: .realTimeVolume)
        #expect(Self.marks(.unreported, late) == [true])
    }

    @Test("of prints without end of which no word comes, the oldest wait no longer")
    func bounded() throws {
        let (events, assembler) = try Self.events(
            [Self.print(77, 0, 1)] + (1...200).map { Self.print(48, $0, $0) },
            trades: .realTimeVolume)
        #expect(Self.trades(events).count >= 200 - 64 && assembler.holdsTrades)
        // Reports for which no print comes are forgotten.
        let (words, _) = try Self.events(
            (1...200).map { Self.print(77, $0, $0) } + [Self.print(48, 200, 200)],
            trades: .realTimeVolume)
        #expect(Self.marks(.unreported, words) == [false])
    }

    @Test(
        "a last price of -1 or 0 without a size is no trade, but the value of an index around 0",
        arguments: [
            (false, ["1|6|7|4|0.0|0|0"], []), (false, ["1|6|7|4|-1|0|0"], []),
            (false, ["1|6|7|4|-1|5|0"], ["-1"]), (true, ["1|6|7|4|-1|0|0"], ["-1"]),
            // These prices are always above 0.
            (true, ["1|6|7|4|5000.5|0|0", "1|6|7|4|-1|0|0", "1|6|7|4|0|0|0"], ["5000.5"]),
            (true, ["1|6|7|4|0.0|0|0", "2|6|7|5|0"], []),
            // The low of the day shows which prices are possible.
            (
                true,
                ["1|6|7|4|120|0|0", "1|6|7|7|-640|0|0", "1|6|7|4|-1|0|0", "1|6|7|4|0|0|0"],
                ["120", "-1", "0"]
            ),
        ] as [(Bool, [String], [String])])
    func aroundZero(_ isIndex: Bool, _ texts: [String], _ prices: [String]) throws {
        let (events, _) = try Self.events(texts, isIndex: isIndex)
        #expect(Self.trades(events).map(\.price) == prices.map(price))
    }

    @Test("no size that a price without a value repeats is a trade of the price before")
    func noLast() throws {
        let (events, _) = try Self.events([
            "1|6|7|4|150.2|100|0", "2|6|7|5|100", "1|6|7|4|0.0|0|0", "2|6|7|5|0",
        ])
        #expect(Self.trades(events).map(\.size) == [size("100")])
    }

    @Test(
        "a delayed trade has the time that is told with it, before it or behind it",
        arguments: [
            (
                [
                    "46|6|7|88|1767622500", "1|6|7|68|150.1|1|0", "46|6|7|88|1767622501",
                    "1|6|7|68|150.2|2|0", "1|6|7|68|150.3|3|0",
                ], [500, 501, 501]
            ),
            (
                [
                    "1|6|7|68|150.1|1|0", "46|6|7|88|1767622500", "1|6|7|68|150.2|2|0",
                    "46|6|7|88|1767622501", "1|6|7|68|150.3|3|0",
                ], [500, 501, 501]
            ),
            (["1|6|7|68|150.1|1|0"], [nil]),
        ] as [([String], [Int64?])])
    func delayedTimes(_ texts: [String], _ times: [Int64?]) throws {
        let (events, _) = try Self.events(["58|1|7|3"] + texts + ["wait 250"])
        let trades = Self.trades(events)
        let expected = times.map { $0.map { seconds(1_767_622_000 + $0) } ?? .undefined }
        #expect(trades.map(\.header.providerTime) == expected)
        #expect(trades.allSatisfy { $0.header.flags.contains(.delayed) })
        let resolutions = times.map { ($0 == nil ? TimeResolution.unknown : .second).rawValue }
        #expect(trades.map(\.header.resolution) == resolutions)
    }

    @Test("the order of a delayed trade and its time is learned again and again")
    func delayedOrder() throws {
        let trade = ["1|6|7|68|150.1|1|0", "2|6|7|71|1"]
        func time(_ number: Int) -> String { "46|6|7|88|\(1_767_622_500 + number)" }
        // The first ones come in another order than all others.
        let before = trade + [time(0)] + (2...4).flatMap { ["wait 190", time($0)] + trade }
        let after = [time(0)] + trade + (2...4).flatMap { ["wait 190"] + trade + [time($0)] }
        for (texts, times) in [(before, [0, 2, 3, 4]), (after, [0, 2, 3, 4])] {
            let (events, _) = try Self.events(["58|1|7|3"] + texts + ["wait 250"])
            #expect(
                Self.trades(events).map(\.header.providerTime)
                    == times.map { seconds(1_767_622_500 + Int64($0)) })
        }
    }

    @Test("delayed trades come of RTVolume where it comes, each once")
    func delayedVolume() throws {
        let (events, _) = try Self.events(
            [
                "58|1|7|3", "1|6|7|68|150.1|1|0", "46|6|7|88|1767622500",
                // Reported by the last price, and by the first RTVolume after it.
                "1|6|7|68|150.2|2|0", "46|6|7|88|1767622501",
                "46|6|7|48|150.2;2;1767622501250;9;150;true",
                "46|6|7|48|150.3;3;1767622502250;9;150;true", "1|6|7|68|150.3|3|0",
                "46|6|7|88|1767622502", "wait 250",
            ], trades: .realTimeVolume)
        let trades = Self.trades(events)
        #expect(trades.map(\.size) == ["1", "2", "3"].map(size))
        #expect(trades.last?.header.providerTime == milliseconds(1_767_622_502_250))
        #expect(trades.allSatisfy { $0.header.flags.contains(.delayed) })
    }

    @Test(
        "the state before a request is known for delayed trades, though all of them are older",
        arguments: [
            // As RTVolume reports it; after an RTVolume without a print; as the last price reports
            // it.
            (["48 1", "48 2"], [true, false]), (["48 ", "48 1", "48 2"], [false, false]),
            (["68 1", "48 1", "48 2"], [true, false, true]), (["68 1", "68 2"], [true, false]),
        ])
    func delayedState(_ texts: [String], _ states: [Bool]) throws {
        let messages = texts.map { text in
            let number = text.dropFirst(3)
            return text.hasPrefix("48")
                ? "46|6|7|48|\(number);\(number);1767622501250;9;150;true"
                : "1|6|7|68|\(number)|\(number)|0"
        }
        let (events, _) = try Self.events(
            ["58|1|7|3"] + messages + ["wait 250"], trades: .realTimeVolume)
        #expect(Self.marks(.snapshot, events) == states)
    }

    @Test("live ticks of a request that may be delayed are not marked")
    func live() throws {
        let (events, _) = try Self.events(
            ["58|1|7|1", "1|6|7|1|150.2|3|0", "46|6|7|48|150.2;2;1767623401250;9;150;true"],
            trades: .realTimeVolume)
        #expect(events.count == 2)
        #expect(Self.quotes(events).allSatisfy { !$0.header.flags.contains(.delayed) })
        #expect(Self.trades(events).allSatisfy { !$0.header.flags.contains(.delayed) })
    }

    @Test("delayed ticks are those of the live kind, and marked")
    func delayed() throws {
        let (events, assembler) = try Self.events([
            "58|1|7|3", "1|6|7|66|150.2|3|0", "2|6|7|69|3", "1|6|7|67|150.3|3|0",
            "1|6|7|68|150.2|100|0", "1|6|7|72|151|0|0", "2|6|7|74|1000", "46|6|7|88|1767620000",
            "45|6|7|90|0",
        ])
        #expect(assembler.mode == .delayed)
        #expect(assembler.lastTradeTime == seconds(1_767_620_000))
        #expect(Self.quotes(events).count == 2 && Self.trades(events).count == 1)
        let flags = events.map { event -> TickFlags in
            switch event {
            case .quote(let quote): quote.header.flags
            case .trade(let trade): trade.header.flags
            case .indicator(let value): value.header.flags
            case .option(let option): option.header.flags
            case .none: []
            }
        }
        #expect(flags.count == 6 && flags.allSatisfy { $0.contains(.delayed) })
    }

    @Test(
        "after a change between live and delayed no old price is in a quote",
        arguments: [("1", "3", "1", "66"), ("3", "1", "66", "1")])
    func changedMode(_ before: String, _ after: String, _ oldBid: String, _ newBid: String)
        throws
    {
        let oldAsk = oldBid == "1" ? "2" : "67"
        let (events, _) = try Self.events([
            "58|1|7|\(before)", "1|6|7|\(oldBid)|150.2|3|0", "1|6|7|\(oldAsk)|150.3|5|0",
            "58|1|7|\(after)", "1|6|7|\(newBid)|151.2|4|0",
        ])
        let quotes = Self.quotes(events)
        #expect(quotes.count == 3)
        #expect(quotes[1].askPrice.isDefined && !quotes[2].askPrice.isDefined)
        #expect(quotes[2].bidSize == size("4"))
        #expect(quotes[2].header.flags.contains(.delayed) == (after == "3"))
    }

    @Test("other values become indicators under a name, exact in 1e-9")
    func indicators() throws {
        let (events, assembler) = try Self.events([
            "1|6|7|6|151.5|0|0", "1|6|7|9|-1|0|0", "2|6|7|8|12345.5", "45|6|7|24|0.25",
            "45|6|7|49|2", "45|6|7|49|-1", "45|6|7|46|2.5", "2|6|7|89|50000", "45|6|7|999|1",
            "2|6|7|86|",
        ])
        let values = events.map { event -> String in
            guard case .indicator(let value) = event else { return "?" }
            return "\(value.name)=\(value.value)"
        }
        #expect(
            values == [
                "ib.high=151500000000", "ib.volume=12345500000000",
                "ib.option-implied-volatility=250000000", "ib.halted=2000000000",
                "ib.shortable=2500000000", "ib.shortable-shares=50000000000000",
            ])
        #expect(assembler.counters.ignored == 1)
    }

    @Test("greeks keep their kind and basis")
    func options() throws {
        let (events, _) = try Self.events([
            "21|7|13|0|0.25|0.5|3.1|0|0.05|0.1|-0.02|150.5", "21|7|81|1|-1|-2|-1|-1|-2|-2|-2|-1",
        ])
        guard case .option(let model) = events[0], case .option(let ask) = events[1] else {
            throw Unreadable()
        }
        #expect(model.kind == OptionComputationKind.model.rawValue)
        #expect(model.basis == OptionComputationBasis.returns.rawValue)
        #expect(model.delta == ratio("0.5") && model.theta == ratio("-0.02"))
        #expect(ask.kind == OptionComputationKind.ask.rawValue)
        #expect(ask.header.flags.contains(.delayed))
        #expect(!ask.delta.isDefined && !ask.underlyingPrice.isDefined)
    }

    @Test("exchanges of a quote belong to it")
    func exchanges() throws {
        let (events, _) = try Self.events([
            "46|6|7|32|KQ", "1|6|7|1|150.2|3|0", "46|6|7|33|P", "46|6|7|33|P",
        ])
        let quotes = Self.quotes(events)
        #expect(quotes.map(\.bidExchange) == [word("KQ"), word("KQ")])
        #expect(quotes.map(\.askExchange) == [.empty, word("P")])
    }

    @Test(
        "a trade says on the tape what the broker says of it",
        arguments: [(0, []), (1, .pastLimit), (2, .unreported), (3, [.pastLimit, .unreported])]
            as [(Int, TickFlags)])
    func tradeAttributes(_ mask: Int, _ flags: TickFlags) throws {
        guard
            case .tick(.trade(_, _, let trade)) = try message(
                "99|7|2|1767623401|150.25|100|\(mask)|NYSE|T")
        else { throw Unreadable() }
        let record = trade.trade(symbol: 3, receivedAt: Self.start, flags: .delayed)
        #expect(record.header.flags == flags.union(.delayed))
    }

    @Test("ticks with a time of their own keep it")
    func records() throws {
        guard
            case .tick(.trade(_, _, let trade)) = try message(
                "99|7|1|1767623401|150.25|100|0|NYSE|T"),
            case .tick(.bar(let bar)) = try message("50|3|7|1767623400|1|2|0.5|1.5|10|1.2|4"),
            case .tick(.depth(let row)) = try message("13|1|7|3|NITE|0|1|150|5|0"),
            case .tick(.depth(let wild)) = try message("13|1|7|-3|NITE|0|1|150|5|0")
        else { throw Unreadable() }
        let record = trade.trade(symbol: 3, receivedAt: Self.start)
        #expect(record.header.eventTime == seconds(1_767_623_401))
        #expect(record.header.resolution == TimeResolution.second.rawValue)
        #expect(record.exchange == word("NYSE") && record.conditions == word("T"))
        let closed = bar.bar(symbol: 3, receivedAt: Self.start, kind: .trades)
        #expect(closed.header.eventTime == seconds(1_767_623_405))
        #expect(closed.closeTime == seconds(1_767_623_405) && closed.trades == 4)
        #expect(row.update(symbol: 3, receivedAt: Self.start)?.marketMaker.text == "NITE")
        #expect(wild.update(symbol: 3, receivedAt: Self.start) == nil)
    }
}
