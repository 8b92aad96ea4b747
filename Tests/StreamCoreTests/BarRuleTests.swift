import MarketModel
import Primitives
import Testing

@testable import StreamCore

/// Sessions, sliding windows, fills, conditions, odd lots and quotes, one case at a time. Times are
/// in units of 100 ms.
@Suite struct BarRuleTests {
    private static let second: Int64 = 1_000_000_000
    private static let hour: Int64 = 3_600 * second

    private static func series(
        _ name: String, _ window: WindowRule, lateness: Int64 = 0, fill: FillRule = .none
    ) throws -> BarSeries {
        try BarSeries(
            name: try #require(SeriesName(name)), window: window, lateness: lateness, fill: fill)
    }

    private static func rule(_ series: BarSeries...) throws -> BarRule {
        BarRule(series: try BarSeriesSet(series))
    }

    private static func seconds(_ bars: [Bar]) -> [[Int64]] {
        bars.map { [$0.openTime.nanoseconds / second, $0.closeTime.nanoseconds / second] }
    }

    // MARK: sessions

    private static func calendar(_ sessions: [(Int64, Int64)]) throws -> SessionCalendar {
        try #require(
            SessionCalendar(
                name: "test",
                sessions: sessions.map {
                    SessionCalendar.Session(
                        open: $0.0 * second, close: $0.1 * second, day: 20_240_102)
                }))
    }

    @Test("windows are counted from the opening, and the last one ends with the session")
    func sessionWindows() throws {
        let rule = try Self.rule(
            Self.series("4s", .session(width: 4 * Self.second)),
            Self.series("day", .session(width: nil)))
        var run = try SmallRun(
            rule: rule, calendar: try Self.calendar([(3, 13), (20, 25)]))
        for time in [29, 30, 69, 70, 129, 130, 200, 249, 250] as [Int64] { run.trade(at: time) }
        run.advance(to: 1_000)
        #expect(
            Self.seconds(run.closed) == [
                [3, 7], [7, 11], [11, 13], [3, 13], [20, 24], [24, 25], [20, 25],
            ])
        #expect(run.closed.map(\.trades) == [2, 1, 1, 4, 1, 1, 2])
        #expect(run.machine.counters.series.map(\.outsideSession) == [3, 3])
        #expect(run.machine.counters.isBalanced)
        #expect(run.late.isEmpty)
    }

    @Test("after hours nothing is published, filled or listed")
    func afterHours() throws {
        let rule = try Self.rule(
            Self.series("2s", .session(width: 2 * Self.second), fill: .previousClose(max: 50)))
        var run = try SmallRun(rule: rule, calendar: try Self.calendar([(0, 6), (100, 104)]))
        run.trade(at: 5, 9)
        run.trade(at: 70, 1)
        run.advance(to: 2_000)
        #expect(Self.seconds(run.closed) == [[0, 2], [2, 4], [4, 6], [100, 102], [102, 104]])
        #expect(run.closed.map { $0.flags.contains(.filled) } == [false, true, true, true, true])
        #expect(run.closed.allSatisfy { $0.close.raw == 9 })
        #expect(run.late.isEmpty)
    }

    /// New York opens at 14:30 UTC in winter and at 13:30 in summer. A session over the night of a
    /// change is an hour shorter or longer than its clock times suggest.
    @Test("sessions of days on which clocks change have the windows of their own lengths")
    func clockChange() throws {
        let day = 24 * Self.hour
        let winter = (14 * 2 + 1) * Self.hour / 2
        let sessions: [SessionCalendar.Session] = [
            .init(open: winter, close: winter + 13 * Self.hour / 2, day: 20_240_308),
            .init(
                open: day + winter - Self.hour, close: day + winter + 11 * Self.hour / 2,
                day: 20_240_311),
            // From 18:00 to 17:00, over the night in which an hour is skipped.
            .init(open: 2 * day, close: 2 * day + 22 * Self.hour, day: 20_240_312),
        ]
        let calendar = try #require(SessionCalendar(name: "NY", sessions: sessions))
        let rule = try Self.rule(
            Self.series("1h", .session(width: Self.hour)), Self.series("day", .session(width: nil)))
        var run = try SmallRun(rule: rule, calendar: calendar)
        for session in sessions {
            for hour in stride(from: session.open, to: session.close, by: Int.Stride(Self.hour)) {
                run.trade(at: hour / SmallRun.unit)
            }
        }
        run.advance(to: 3 * day / SmallRun.unit)
        let counts = sessions.map { session in
            run.closed.count {
                $0.series == 0 && $0.openTime.nanoseconds >= session.open
                    && $0.closeTime.nanoseconds <= session.close
            }
        }
        #expect(counts == [7, 7, 22])
        let days = run.closed.filter { $0.series == 1 }
        #expect(days.map(\.openTime.nanoseconds) == sessions.map(\.open))
        #expect(days.map(\.closeTime.nanoseconds) == sessions.map(\.close))
    }

    // MARK: sliding windows and fills

    @Test("a tick is in every sliding window that holds it")
    func sliding() throws {
        let window = WindowRule.sliding(width: 4 * Self.second, hop: 2 * Self.second)
        var run = try SmallRun(rule: try Self.rule(Self.series("s", window)))
        for time in [20, 39, 40] as [Int64] { run.trade(at: time, time) }
        run.advance(to: 100)
        #expect(Self.seconds(run.closed) == [[0, 4], [2, 6], [4, 8]])
        #expect(run.closed.map(\.trades) == [2, 3, 1])
        #expect(run.closed.map(\.open.raw) == [20, 20, 40])
        #expect(run.machine.counters.series[0].counted == 6)
        #expect(run.machine.counters.isBalanced)
    }

    @Test("a tick may be late for one sliding window and in time for the next")
    func slidingLate() throws {
        let window = WindowRule.sliding(width: 4 * Self.second, hop: 2 * Self.second)
        var run = try SmallRun(rule: try Self.rule(Self.series("s", window)))
        run.advance(to: 40)
        run.trade(at: 30)
        run.advance(to: 100)
        #expect(Self.seconds(run.closed) == [[2, 6]])
        #expect(run.late.map(\.openTime.nanoseconds) == [0])
        #expect(run.machine.counters.isBalanced)
    }

    @Test("empty windows have the close before them, up to the number that is allowed")
    func fill() throws {
        let series = try Self.series(
            "1s", .tumbling(width: Self.second), fill: .previousClose(max: 3))
        var run = try SmallRun(rule: try Self.rule(series))
        run.advance(to: 50)
        run.trade(at: 55, 7)
        run.advance(to: 75)
        // A jump of a day fills only as many bars as allowed.
        run.advance(to: 864_000)
        #expect(Self.seconds(run.closed) == [[5, 6], [6, 7], [7, 8], [8, 9]])
        #expect(
            run.closed.map(\.flags) == [.final]
                + [BarFlags](repeating: [.final, .filled], count: 3))
        #expect(
            run.closed.dropFirst().allSatisfy {
                [$0.open, $0.high, $0.low, $0.close].map(\.raw) == [7, 7, 7, 7] && $0.trades == 0
                    && $0.volume == 0 && $0.vwap == .undefined
            })
        #expect(run.machine.counters.series[0].filled == 3)
    }

    @Test("an empty window is filled when nothing can come into it or before it any more")
    func lateFill() throws {
        let series = try Self.series(
            "1s", .tumbling(width: Self.second), lateness: Self.second,
            fill: .previousClose(max: 10))
        var run = try SmallRun(rule: try Self.rule(series))
        run.trade(at: 5, 7)
        run.advance(to: 29)
        #expect(Self.seconds(run.closed) == [[0, 1]])
        // Neither [0, 1) nor [1, 2) is settled: both may still get ticks.
        run.trade(at: 15, 8)
        run.advance(to: 30)
        run.trade(at: 25, 9)
        run.advance(to: 39)
        #expect(Self.seconds(run.closed) == [[0, 1], [1, 2], [2, 3]])
        run.advance(to: 50)
        #expect(Self.seconds(run.closed).last == [3, 4])
        #expect(run.closed.map(\.close.raw) == [7, 8, 9, 9])
        #expect(run.closed.map { $0.flags.contains(.filled) } == [false, false, false, true])
    }

    // MARK: rules for trades

    @Test(
        "what a condition allows decides open and close, high and low, and volume",
        arguments: [
            ("", [5, 9, 5, 9, 2], 0), ("L", [5, 9, 5, 9, 1], 0), ("R", [5, 9, 5, 5, 1], 0),
            ("V", [5, 5, 5, 5, 2], 1), ("N", [5, 5, 5, 5, 1], 1), ("LR", [5, 5, 5, 5, 1], 1),
            ("?", [5, 9, 5, 9, 2], 0),
        ] as [(String, [Int64], UInt32)])
    func conditions(code: String, expected: [Int64], excluded: UInt32) throws {
        var rule = BarRule(series: try barSeries(["1s"]))
        rule.conditions = ConditionRules(
            name: "test", [("L", .last), ("R", .range), ("V", .volume), ("N", [])])
        var run = try SmallRun(rule: rule)
        // In both orders of arrival.
        for (first, start) in [(true, 0), (false, 10)] as [(Bool, Int64)] {
            let plain = { (run: inout SmallRun) in run.trade(at: start + 1, 5, size: 1) }
            if first { plain(&run) }
            run.trade(at: start + 2, 9, size: 1) { $0.conditions = ShortText(code) ?? .empty }
            if !first { plain(&run) }
        }
        run.advance(to: 20)
        for bar in run.closed {
            let found = [bar.open, bar.high, bar.low, bar.close].map(\.raw) + [Int64(bar.volume)]
            #expect(found == expected)
            #expect(bar.excluded.condition == excluded)
        }
        #expect(run.closed.count == 2 && run.machine.counters.isBalanced)
    }

    @Test("a bar of trades that may set the range alone has their first and last as its ends")
    func rangeOnly() throws {
        var rule = BarRule(series: try barSeries(["1s"]))
        rule.conditions = ConditionRules(name: "test", [("R", .range)])
        for addsPlain in [false, true] {
            var run = try SmallRun(rule: rule)
            for (time, price) in [(3, 30), (1, 10), (5, 50)] as [(Int64, Int64)] {
                run.trade(at: time, price) { $0.conditions = ShortText("R") ?? .empty }
            }
            if addsPlain { run.trade(at: 4, 20) }
            run.advance(to: 10)
            let bar = try #require(run.closed.first)
            let ends: [Int64] = addsPlain ? [20, 20] : [10, 50]
            #expect([bar.open, bar.close].map(\.raw) == ends)
            #expect([bar.high, bar.low].map(\.raw) == [50, 10])
        }
    }

    @Test("trades below a round lot count as the rule says", arguments: [false, true])
    func oddLots(isExcluded: Bool) throws {
        var rule = BarRule(series: try barSeries(["1s"]))
        let lot = OddLotLimit.size(Quantity(raw: 100))
        rule.oddLots = isExcluded ? .exclude(below: lot) : .volumeOnly(below: lot)
        var run = try SmallRun(rule: rule)
        run.trade(at: 1, 5, size: 100)
        run.trade(at: 2, 9, size: 99)
        run.trade(at: 15, 9, size: 99)
        run.advance(to: 20)
        #expect(run.closed.map(\.close.raw) == [5])
        #expect(run.closed.map(\.volume) == [isExcluded ? 100 : 199])
        #expect(run.closed.map(\.excluded.oddLot) == [1])
        #expect(run.machine.counters.series[0].leftOut == 2)
        #expect(run.machine.counters.isBalanced)
    }

    @Test("prices of zero and below are prices")
    func negative() throws {
        var run = try SmallRun()
        for price in [0, -37, -2] as [Int64] { run.trade(at: 5, price, size: 2) }
        run.advance(to: 10)
        let bar = try #require(run.closed.first)
        #expect(
            [bar.open, bar.high, bar.low, bar.close, bar.vwap].map(\.raw) == [0, 0, -37, -2, -13])
    }

    // MARK: quotes

    @Test(
        "a quote gives the value of the field, crossed or not",
        arguments: [
            (.bid, 10, 13, 10), (.ask, 10, 13, 13), (.middle, 10, 13, 11), (.spread, 10, 13, 3),
            (.middle, -10, -13, -12), (.spread, 13, 10, -3), (.middle, 13, 10, 11),
            (.bid, 10, nil, 10), (.ask, 10, nil, nil), (.middle, 10, nil, nil),
            (.spread, nil, 10, nil), (.bid, nil, 10, nil), (.spread, Int64.min, Int64.max - 1, nil),
            (.middle, Int64.min, Int64.max - 1, -1), (.spread, -1, Int64.max - 1, nil),
        ] as [(InputField, Int64?, Int64?, Int64?)])
    func quotes(field: InputField, bid: Int64?, ask: Int64?, expected: Int64?) throws {
        var run = try SmallRun(rule: BarRule(series: try barSeries(["1s"]), field: field))
        let time = Timestamp(nanoseconds: 5)
        let quote = Quote(
            header: TickHeader(symbol: run.symbol, providerTime: time, receiveTime: time),
            bidPrice: Price(raw: bid ?? Int64.max), bidSize: Quantity(raw: 5),
            askPrice: Price(raw: ask ?? Int64.max), askSize: .undefined)
        run.machine.quote(quote, source: run.source, ordinal: 1)
        // The series does not take trades.
        run.trade(at: 5, 99)
        run.advance(to: 10)
        #expect(run.closed.map(\.close.raw) == (expected.map { [$0] } ?? []))
        #expect(run.closed.allSatisfy { $0.volume == 0 && $0.vwap == .undefined && $0.trades == 1 })
        #expect(run.machine.counters.undefined == (expected == nil ? 1 : 0))
        #expect(run.machine.counters.received == 1 && run.machine.counters.isBalanced)
    }

    @Test("a late quote is listed with both of its sides")
    func lateQuote() throws {
        var run = try SmallRun(rule: BarRule(series: try barSeries(["1s"]), field: .ask))
        run.advance(to: 10)
        let time = Timestamp(nanoseconds: 5)
        let quote = Quote(
            header: TickHeader(symbol: run.symbol, providerTime: time, receiveTime: time),
            bidPrice: Price(raw: 1), bidSize: Quantity(raw: 2), askPrice: Price(raw: 3),
            askSize: Quantity(raw: 4))
        run.machine.quote(quote, source: run.source, ordinal: 8)
        run.advance(to: 10)
        let record = try #require(run.late.first).record(source: try sourceName("test"))
        #expect(record.kind == DataKind.quote.rawValue)
        #expect([record.price, record.askPrice].map(\.raw) == [1, 3])
        #expect([record.size, record.askSize].map(\.raw) == [2, 4])
        #expect(record.ordinal == 8 && record.source.text == "test")
    }

    // MARK: limits

    @Test("a series whose closed windows would fill all its room is refused")
    func latenessLimit() throws {
        let allowed = StreamLimits.keptWindowsMax * Self.second
        _ = try Self.series("1s", .tumbling(width: Self.second), lateness: allowed)
        #expect(throws: StreamCoreError.seriesLateness("1s")) {
            try Self.series(
                "1s", .tumbling(width: Self.second), lateness: allowed + Self.second)
        }
        _ = try Self.series(
            "day", .session(width: nil), lateness: StreamLimits.latenessMax)
    }
}
