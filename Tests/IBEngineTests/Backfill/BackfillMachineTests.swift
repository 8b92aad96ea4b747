import IBEngine
import IBProtocol
import MarketModel
import Primitives
import Testing

private func start(_ request: IBRequest) -> RequestTime? {
    switch request {
    case .historyTicks(_, _, let ticks): ticks.start
    case .history(_, _, let bars): bars.end
    default: nil
    }
}

private let unknown = "what arrived in this part is not known"

@Suite("Filling outages in from history")
struct BackfillMachineTests {
    @Test("what did not arrive is added, as often as it is missing, and flagged")
    func difference() throws {
        var bench = BackfillBench()
        bench.add(.trade, 10.5, 12.25, BackfillBench.arrivals)
        let requests = bench.next()
        #expect(requests.count == 1 && requests.first.flatMap(start) == .at(wallSeconds(8)))
        var page = [9, 10, 10, 10, 11, 12, 13].map { MarketTick($0, $0 == 13 ? 5 : 1) }
        page.append(MarketTick(13, 6))
        // A tick long after the outage is ignored.
        page.append(MarketTick(40, 7))
        bench.took(try HistoryAnswers.trades(1, page))
        #expect(bench.added == [page[3], page[4], page[5], page[7]])
        #expect(bench.records.compactMap(\.header).filter { $0.flags == .backfilled }.count == 4)
        #expect(bench.gaps() == ["filling 10.5 - 12.25", "filled 10.0 - 14.0: 4 ticks added"])
        #expect(bench.machine.waiting == 0 && bench.machine.counters.filled == 1)
    }

    @Test("a gap without a whole second is given up, and one of a feed that was ahead is shorter")
    func unknownArrivals() {
        var bench = BackfillBench()
        bench.add(.trade, 10.5, 10.75, .unknown)
        #expect(bench.gaps() == ["abandoned 10.5 - 10.75: shorter than history's seconds"])
        // Half a second of the gap may have arrived before it, by a feed that was ahead.
        for feeds in [Instrument.Feeds.level1, .trades] {
            bench.add(.trade, 10.75, 15.25, .unknown, feeds: feeds)
            #expect(bench.next().last.flatMap(start) == .at(wallSeconds(12)))
        }
    }

    /// What is filled in where not all that arrived is known, or can be compared.
    struct Filling: CustomTestStringConvertible {
        let testDescription: String
        var kind = DataKind.trade
        var feeds: Instrument.Feeds = .level1
        let gap: (from: Double, to: Double)
        let arrivals: Arrivals
        /// From where history is requested.
        var start: Double?
        /// The seconds of the market's ticks, and of those that are added.
        let market: [Int64]
        let added: [Int64]
        let gaps: [String]
    }

    private static let fillings = [
        Filling(
            testDescription: "nobody knows what arrived: whole seconds", feeds: .trades,
            gap: (10.5, 14.25), arrivals: .unknown, start: 11, market: [10, 11, 12], added: [11],
            gaps: [
                "filling 10.5 - 14.25", "abandoned 10.5 - 11.0: \(unknown)",
                "filled 11.0 - 12.0: 1 tick added", "abandoned 12.0 - 14.25: \(unknown)",
            ]),
        Filling(
            testDescription: "a straggler in the middle is left out", gap: (10.9, 20.5),
            arrivals: Arrivals(
                [10, 12].map { MarketTick($0, 1).arrived(.trade, isConflated: true) },
                since: wallSeconds(5), until: wallSeconds(25)),
            start: 11, market: Array(11...20), added: [11, 13, 14, 15, 16, 17, 18, 19],
            gaps: [
                "filling 10.9 - 20.5", "abandoned 10.9 - 11.0: \(unknown)",
                "filled 11.0 - 12.0: 8 ticks added",
                "abandoned 12.0 - 13.0: something arrived in this second, and cannot be compared",
                "filled 13.0 - 20.0: 8 ticks added", "abandoned 20.0 - 20.5: \(unknown)",
            ]),
        // The first quote after the gap may belong to the second before it by history's clock.
        Filling(
            testDescription: "quotes of level 1, where none came", kind: .quote, gap: (10.9, 13.1),
            arrivals: Arrivals(
                [MarketTick(20, 1).arrived(.quote)], since: wallSeconds(5), until: wallSeconds(25)),
            market: Array(10...14), added: [11],
            gaps: [
                "filling 10.9 - 13.1", "abandoned 10.9 - 11.0: \(unknown)",
                "filled 11.0 - 12.0: 1 tick added", "abandoned 12.0 - 13.1: \(unknown)",
            ]),
        conflated("level 1 puts trades together", .level1),
        conflated("level 1 in place of a feed that waits for a line", [.level1, .trades]),
    ]

    /// The feed reports two trades of the last second before the gap as one, and one trade late.
    private static func conflated(_ name: String, _ feeds: Instrument.Feeds) -> Filling {
        let ticks = [(9, 100, 9.5), (10, 300, 10.25), (13, 100, 14.5)].map { second, size, time in
            MarketTick(Int64(second), 1, size)
                .arrived(.trade, isConflated: true, at: wallSeconds(time))
        }
        return Filling(
            testDescription: name, feeds: feeds, gap: (10.5, 14.25),
            arrivals: Arrivals(ticks, since: wallSeconds(8), until: wallSeconds(20)),
            market: [9, 10, 10, 11, 12, 13], added: [11, 12],
            gaps: [
                "filling 10.5 - 14.25", "abandoned 10.5 - 11.0: \(unknown)",
                "filled 11.0 - 13.0: 2 ticks added", "abandoned 13.0 - 14.25: \(unknown)",
            ])
    }

    @Test("only what certainly did not arrive is filled in, and the rest told", arguments: fillings)
    func filling(_ row: Filling) throws {
        var bench = BackfillBench()
        bench.add(row.kind, row.gap.from, row.gap.to, row.arrivals, feeds: row.feeds)
        let request = bench.next().first.flatMap(start)
        if let first = row.start { #expect(request == .at(wallSeconds(first))) }
        let ticks = row.market.map { MarketTick($0, 1) }
        bench.took(
            row.kind == .trade
                ? try HistoryAnswers.trades(1, ticks) : try HistoryAnswers.quotes(1, ticks))
        #expect(bench.added.map(\.second) == row.added)
        #expect(bench.gaps() == row.gaps)
    }

    @Test("a full page leaves its last second to the next one")
    func pages() throws {
        var bench = BackfillBench { $0.pageTicks = 3 }
        bench.add(.trade, 10, 14)
        _ = bench.next()
        try bench.tookTrades(1, [10, 10, 11])
        #expect(bench.added.count == 2)
        #expect(bench.gaps().last == "filled 10.0 - 11.0: 2 ticks added")
        #expect(bench.next().first.flatMap(start) == .at(wallSeconds(11)))
        // One second is larger than a page, and continues in the same answer.
        bench.took(try HistoryAnswers.trades(2, [11, 11].map { MarketTick($0, 2) }, isLast: false))
        #expect(bench.added.isEmpty)
        bench.took(try HistoryAnswers.trades(2, [11, 11].map { MarketTick($0, 3) }))
        #expect(bench.gaps() == ["filled 11.0 - 12.0: 6 ticks added"])
        // This second may continue, and its rest cannot be requested.
        _ = bench.next()
        bench.took(try HistoryAnswers.trades(3, [12, 12, 12].map { MarketTick($0, 4) }))
        #expect(
            bench.gaps() == [
                "abandoned 12.0 - 13.0: more ticks in this second than an answer holds"
            ])
        #expect(bench.next().first.flatMap(start) == .at(wallSeconds(13)))
        try bench.tookTrades(4, [14])
        #expect(bench.gaps() == ["filled 13.0 - 14.0: 9 ticks added"])
    }

    @Test("a page that is not full ends a gap when something lies behind that, and no other does")
    func shortPages() throws {
        for (last, isDone) in [(Int64(2_999), false), (3_000, true), (9_000, true)] {
            var bench = BackfillBench()
            bench.now = 20_000
            bench.add(.trade, 10, 3_000)
            _ = bench.next()
            bench.took(try HistoryAnswers.trades(1, [10, 11, last].map { MarketTick($0, 1) }))
            #expect(bench.machine.counters.filled == (isDone ? 1 : 0))
            #expect(bench.machine.waiting == (isDone ? 0 : 1))
        }
    }

    @Test("history is asked for what there is: no trades of a currency pair, no quotes of an index")
    func kindsOfSecurities() throws {
        let table: [(SecurityKind, DataKind, String?)] = [
            (.stock, .trade, "TRADES"), (.stock, .quote, "BID_ASK"),
            (.crypto, .trade, "AGGTRADES"), (.crypto, .providerBar, "MIDPOINT"),
            (.forex, .trade, nil), (.forex, .quote, "BID_ASK"), (.forex, .providerBar, "MIDPOINT"),
            (.index, .trade, "TRADES"), (.index, .quote, nil), (.cfd, .trade, nil),
        ]
        for (security, kind, expected) in table {
            var bench = BackfillBench()
            bench.add(
                kind, 10, 40, .unknown, feeds: [.level1, .bars], contract: Contract(security, "A"))
            let asked = bench.next().first.flatMap { request -> String? in
                switch request {
                case .historyTicks(_, _, let ticks): ticks.kind.rawValue
                case .history(_, _, let bars): bars.kind.rawValue
                default: nil
                }
            }
            #expect(asked == expected, "\(security) \(kind)")
        }
    }

    @Test("gaps that lie close together do not add the same tick")
    func neighbours() throws {
        var bench = BackfillBench()
        let arrivals = Arrivals([], since: wallSeconds(5), until: wallSeconds(30))
        bench.add(.trade, 10.5, 12.5, arrivals)
        bench.add(.trade, 13.5, 14.5, arrivals)
        #expect(bench.next().count == 2)
        let market = (Int64(9)...19).map { MarketTick($0, 1) }
        bench.took(try HistoryAnswers.trades(2, market))
        bench.took(try HistoryAnswers.trades(1, market))
        bench.add(.trade, 15.5, 16.5, arrivals)
        _ = bench.next()
        bench.took(try HistoryAnswers.trades(3, market))
        #expect(bench.added.sorted { $0.second < $1.second } == Array(market.dropLast()))
    }

    @Test("a page that was cut off by the connection leaves nothing, and is asked for again")
    func disconnect() throws {
        var bench = BackfillBench { $0.pageTicks = 3 }
        bench.add(.trade, 10, 14)
        _ = bench.next()
        try bench.tookTrades(1, [10, 10, 11])
        _ = bench.next()
        bench.took(try HistoryAnswers.trades(2, [MarketTick(11, 1)], isLast: false))
        _ = bench.gaps()
        bench.machine.disconnected(now: bench.moment.monotonic)
        let late = try HistoryAnswers.trades(2, [MarketTick(11, 1)])
        let isTaken = bench.machine.took(late, now: bench.moment, into: &bench.records)
        #expect(!isTaken && bench.records.isEmpty)
        #expect(bench.next().first.flatMap(start) == .at(wallSeconds(11)))
        bench.took(try HistoryAnswers.trades(3, [MarketTick(11, 1), MarketTick(14, 1)]))
        #expect(bench.added == [MarketTick(11, 1)])
        #expect(bench.gaps() == ["filled 11.0 - 14.0: 3 ticks added"])
    }

    @Test("where ticks are refused bars of a second stand in, and the gap is abandoned for ticks")
    func bars() throws {
        var bench = BackfillBench()
        bench.add(.quote, 10.5, 14.5, BackfillBench.arrivals)
        _ = bench.next()
        bench.refused(1, 10_187, "Failed to request historical ticks: No market data permissions")
        let request = try #require(bench.next().first)
        guard case .history(_, _, let bars) = request else {
            Issue.record("\(request)")
            return
        }
        #expect(bars.kind == .bidAsk && bars.barSize == "1 secs" && bars.duration == "30 S")
        #expect(bars.end == .at(wallSeconds(14)))
        bench.took(try HistoryAnswers.bars(2, [9, 10, 11, 13, 14]))
        let found = bench.records.compactMap { record -> ProviderBar? in
            if case .tape(.providerBar(let bar)) = record { bar } else { nil }
        }
        #expect(found.map(\.openTime) == [wallSeconds(11), wallSeconds(13)])
        #expect(found.allSatisfy { $0.kind == ProviderBarKind.bidAsk.rawValue })
        let why = "Failed to request historical ticks: No market data permissions (10187)"
        #expect(
            bench.gaps() == [
                "filling 10.5 - 14.5", "abandoned 10.5 - 14.5: bars only: no permission: \(why)",
            ])
    }

    @Test(
        "a refusal is repeated, answered by bars or final",
        arguments: [
            (200, "No security definition", "abandoned 10.0 - 12.0: refused: ")
        ])
    func final(code: Int, text: String, expected: String) {
        var bench = BackfillBench()
        bench.add(.trade, 10, 12)
        _ = bench.next()
        bench.refused(1, Int32(code), text)
        #expect(bench.gaps() == ["filling 10.0 - 12.0", "\(expected)\(text) (\(code))"])
        #expect(bench.machine.waiting == 0)
    }

    @Test("of a process that was lost the second behind the gap's first one may have come")
    func gatewayLost() {
        for (reason, second) in [(GapReason.disconnected, 11), (.gatewayLost, 12)] {
            var bench = BackfillBench()
            bench.add(.trade, 10, 40, .unknown, feeds: .trades) { $0.reason = reason }
            #expect(bench.next().first.flatMap(start) == .at(wallSeconds(Double(second))))
        }
    }

    @Test("quotes beyond their pages are given up, with how many requests were made for them")
    func manyQuotes() throws {
        var bench = BackfillBench { $0.pageTicks = 2 }
        bench.add(.quote, 10, 100)
        for page in Int32(1)...20 {
            #expect(bench.next().map(\.isOfTicks) == [true])
            let second = Int64(page) + 9
            let ticks = [second, second, second + 1].map { MarketTick($0, 1) }
            bench.took(try HistoryAnswers.quotes(page, ticks))
        }
        #expect(bench.next().map(\.isOfTicks) == [false])
        #expect(bench.machine.status.map(\.barsBecause) == ["more than 20 requests"])
        bench.took(try HistoryAnswers.bars(21, [31]))
        #expect(bench.gaps().last == "abandoned 30.0 - 100.0: bars only: more than 20 requests")
    }

    @Test("a complaint about pacing costs no attempt; warnings change nothing")
    func postponed() throws {
        var bench = BackfillBench()
        bench.add(.trade, 10, 12)
        for attempt in Int32(1)...20 {
            #expect(bench.next().count == 1)
            bench.refused(attempt, 162, "Historical data request pacing violation")
            #expect(!bench.machine.isOpen(attempt) && bench.next().isEmpty)
            #expect(bench.machine.nextDue == bench.moment.monotonic + 20_000_000_000)
            bench.now += 20
        }
        _ = bench.next()
        bench.refused(21, 2_174, "Warning: time zone")
        #expect(bench.machine.isOpen(21))
        try bench.tookTrades(21, [12])
        #expect(bench.machine.counters.filled == 1)
    }

    @Test("one refusal does not prove that a contract is gone that the provider has told of")
    func knownContract() throws {
        var bench = BackfillBench()
        var contract = Contract(.stock, "A")
        contract.id = 7
        bench.add(.trade, 10, 12, contract: contract)
        _ = bench.next()
        bench.refused(1, 200, "No security definition")
        #expect(bench.machine.waiting == 1)
        bench.now += 20
        #expect(bench.next().count == 1)
        try bench.tookTrades(2, [12])
        #expect(bench.machine.counters.filled == 1 && bench.machine.counters.abandoned == 0)
    }

    @Test(
        "refusals while the vendor's history is down cost no attempt",
        arguments: [
            (162, "Historical Market Data Service error: not connected"),
            (162, "HMDS query returned no data"), (162, "No market data permissions"),
            (200, "No security definition"), (321, "Error validating request"),
            (10_197, "No market data during competing live session"),
        ])
    func historyDown(code: Int, text: String) throws {
        var bench = BackfillBench()
        bench.add(.trade, 10, 12)
        bench.machine.isHistoryDown = true
        for attempt in 0..<Int32(20) {
            let requests = bench.next()
            try #require(requests.count == 1, "attempt \(attempt)")
            bench.refused(attempt + 1, Int32(code), text)
            bench.now += 20
        }
        #expect(bench.gaps() == ["filling 10.0 - 12.0"] && bench.machine.waiting == 1)
    }

    @Test("without an answer it is asked again, longer each time, then by bars, then given up")
    func unanswered() {
        var bench = BackfillBench { $0.attemptsMax = 2 }
        bench.add(.trade, 10, 12)
        var sent: [IBRequest] = []
        for _ in 0..<40 {
            let requests = bench.next()
            sent += requests
            for id in Int32(1)...200 { bench.machine.sent(id, now: bench.moment.monotonic) }
            bench.now += 91
        }
        let asked = sent.filter { start($0) != nil }
        #expect(asked.count == 4 && asked.map(\.isOfTicks) == [true, true, false, false])
        let cancels = sent.count { if case .cancelHistory = $0 { true } else { false } }
        #expect(cancels == 4)
        #expect(
            bench.gaps().last
                == "abandoned 10.0 - 12.0: no answer, 2 times; no ticks: no answer, 2 times")
        #expect(bench.machine.waiting == 0 && bench.machine.nextDue == .never)
    }

    @Test("more pages than a gap may have: the rest is fetched as bars")
    func manyPages() throws {
        var bench = BackfillBench {
            $0.pageTicks = 2
            $0.pagesMax.trades = 2
        }
        bench.add(.trade, 10, 20)
        _ = bench.next()
        try bench.tookTrades(1, [10, 11, 11])
        _ = bench.next()
        try bench.tookTrades(2, [11, 11, 12])
        #expect(bench.gaps().last == "filled 11.0 - 12.0: 3 ticks added")
        #expect(bench.next().map(\.isOfTicks) == [false])
        bench.took(try HistoryAnswers.bars(3, [11, 12, 19, 20]))
        #expect(bench.machine.counters.barsAdded == 2)
        #expect(bench.gaps() == ["abandoned 12.0 - 20.0: bars only: more than 2 requests"])
    }

    @Test("the bar that ended a gap of another process came, and is not added")
    func lastBarUnknown() throws {
        var bench = BackfillBench()
        bench.add(.providerBar, 8.25, 20.25, .unknown)
        _ = bench.next()
        bench.took(try HistoryAnswers.bars(1, [5, 10, 15]))
        #expect(bench.bars == [wallSeconds(5), wallSeconds(10)])
        #expect(
            bench.gaps() == [
                "filling 8.25 - 20.25", "filled 8.25 - 17.75: 0 ticks added",
                "abandoned 17.75 - 20.25: \(unknown)",
            ])
    }

    @Test("bars of five seconds are filled in by bars; depth by nothing; the old is not asked for")
    func kinds() throws {
        var bench = BackfillBench {
            $0.ageMax = .seconds(100)
            $0.lag.triesMax = 0
        }
        bench.now = 100
        bench.add(.providerBar, 11, 24)
        let request = try #require(bench.next().first)
        #expect(start(request) == .at(wallSeconds(24)))
        bench.took(try HistoryAnswers.bars(1, [5, 10, 15, 20]))
        #expect(bench.bars == [wallSeconds(10), wallSeconds(15)])
        #expect(bench.gaps().last?.hasPrefix("filled 11.0 - 24.0") == true)
        bench.add(.depth, 10, 12)
        #expect(bench.gaps() == ["abandoned 10.0 - 12.0: history has none of this kind"])
        bench.add(.indicator, 10, 12, feeds: .midpoints)
        #expect(bench.gaps() == ["abandoned 10.0 - 12.0: midpoints are not fetched"])
        bench.now = 111
        bench.add(.trade, 10, 12)
        _ = bench.next()
        try bench.tookTrades(2, [12])
        #expect(
            bench.gaps() == [
                "filling 10.0 - 12.0", "abandoned 10.0 - 11.0: too old",
                "filled 11.0 - 12.0: 0 ticks added",
            ])
        bench.now = 200
        bench.add(.trade, 10, 12)
        #expect(bench.gaps() == ["abandoned 10.0 - 12.0: too old"])
    }

    @Test("of too many gaps the oldest is given up; a dropped instrument's are told; one lasts")
    func bounds() {
        var bench = BackfillBench { $0.gapsMax = 2 }
        for index in 0..<3 {
            bench.add(.trade, 10 + Double(index), 15) { $0.instrument = UInt32(index) }
        }
        #expect(bench.gaps() == ["abandoned 10.0 - 15.0: more than 2 gaps wait"])
        #expect(bench.next().count == 2)
        bench.requests = []
        bench.machine.drop(
            instrument: 2, now: bench.moment, into: &bench.requests, into: &bench.records)
        #expect(bench.requests == [.cancelHistory(id: 2)] && bench.machine.waiting == 1)
        #expect(bench.gaps().last == "abandoned 12.0 - 15.0: not followed any more")
        bench.add(.trade, 10, 12, .unknown, feeds: .trades) {
            ($0.instrument, $0.to) = (3, .undefined)
        }
        #expect(bench.machine.waiting == 1 && bench.records.isEmpty)
        #expect(bench.machine.status.map(\.state) == [.asked])
    }

    @Test("a request that cannot be queued is made again later; sizes in lots become shares")
    func queue() throws {
        var bench = BackfillBench()
        bench.machine.historySizesAreLots = true
        bench.add(.trade, 10, 12)
        _ = bench.next()
        bench.machine.notSent(1, now: bench.moment.monotonic)
        #expect(bench.next().isEmpty && bench.machine.waiting == 1)
        bench.now += 20
        #expect(bench.next().count == 1)
        bench.took(try HistoryAnswers.trades(2, [MarketTick(10, 1, 3), MarketTick(12, 1)]))
        #expect(bench.added.map(\.size) == [300])
    }

    @Test("trades that do not count for the last price are added only where they are wanted")
    func unreported() throws {
        var tick = MarketTick(10, 1)
        tick.isUnreported = true
        for (feeds, count) in [(Instrument.Feeds.trades, 0), (.allTrades, 1), (.level1, 1)] {
            var bench = BackfillBench()
            bench.add(.trade, 9.5, 12, feeds: feeds)
            _ = bench.next()
            bench.took(try HistoryAnswers.trades(1, [tick, MarketTick(12, 1)]))
            #expect(bench.added.count == count)
        }
    }
}

extension IBRequest {
    fileprivate var isOfTicks: Bool {
        if case .historyTicks = self { true } else { false }
    }
}
