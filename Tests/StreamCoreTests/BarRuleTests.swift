import MarketModel
import Primitives
import Testing

@testable import StreamCore

/// Fills, conditions and quotes, one case at a time. Times are in units of 100 ms.
@Suite struct BarRuleTests {
    private static let second: Int64 = 1_000_000_000

    private static func rule(_ series: BarSeries...) throws -> BarRule {
        BarRule(series: try BarSeriesSet(series))
    }

    private static func seconds(_ bars: [Bar]) -> [[Int64]] {
        bars.map { [$0.openTime.nanoseconds / second, $0.closeTime.nanoseconds / second] }
    }

    // MARK: fills

    @Test("empty windows have the close before them, up to the number that is allowed")
    func fill() throws {
        let series = try series(
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
        let quote = Quote.at(5, bid: bid ?? Int64.max, 5, ask: ask ?? Int64.max, Int64.max)
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
        run.machine.quote(
            .at(5, bid: 1, 2, ask: 3, 4), source: run.source, ordinal: 8)
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
        _ = try series("1s", .tumbling(width: Self.second), lateness: allowed)
        #expect(throws: StreamCoreError.seriesLateness("1s")) {
            try series(
                "1s", .tumbling(width: Self.second), lateness: allowed + Self.second)
        }
        _ = try series(
            "day", .session(width: nil), lateness: StreamLimits.latenessMax)
    }
}
