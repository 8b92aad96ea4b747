import MarketModel
import Primitives
import Testing

@testable import StreamCore

@Suite("Days that a provider tells of") struct DailyHistoryTests {
    private static let hour: Int64 = 3_600_000_000_000
    private static let day = 24 * hour

    private func day(_ days: BreadthDays, _ from: Int64, _ to: Int64) -> Int32? {
        days.day(from: Timestamp(nanoseconds: from), to: Timestamp(nanoseconds: to))
    }

    @Test("without a calendar a day is as long as one, and that of its middle")
    func days() {
        let days = BreadthDays(calendar: nil)
        #expect(day(days, 0, Self.day) == 19_700_101)
        // Midnight to midnight in New York, in Tokyo, and when the clocks change.
        #expect(day(days, 5 * Self.hour, 29 * Self.hour) == 19_700_101)
        #expect(day(days, -9 * Self.hour, 15 * Self.hour) == 19_700_101)
        #expect(day(days, 5 * Self.hour, 28 * Self.hour) == 19_700_101)
        for width in [1, 4, 8, 19, 27, 48, 7 * 24] as [Int64] {
            #expect(day(days, 0, width * Self.hour) == nil, "\(width) hours")
        }
        #expect(day(days, Self.day, 0) == nil)
        #expect(
            days.day(from: .undefined, to: Timestamp(nanoseconds: 0)) == nil)
    }

    /// Returns a calendar: two sessions on the second day, from 9 to 11 and from 12 to 15; one on
    /// the third; and one from the evening of the third past midnight.
    private func calendar() throws -> SessionCalendar {
        let hours: [(from: Int64, to: Int64, day: Int32)] = [
            (33, 35, 19_700_102), (36, 39, 19_700_102), (57, 63, 19_700_103),
            (65, 88, 19_700_104),
        ]
        return try #require(
            SessionCalendar(
                name: "test",
                sessions: hours.map {
                    SessionCalendar.Session(
                        open: $0.from * Self.hour, close: $0.to * Self.hour, day: $0.day)
                }))
    }

    @Test("of a calendar it is the day of which a long window holds most, or a short one all")
    func sessions() throws {
        let days = BreadthDays(calendar: try calendar())
        func dayOfHours(_ from: Int64, _ to: Int64) -> Int32? {
            day(days, from * Self.hour, to * Self.hour)
        }
        #expect(dayOfHours(24, 48) == 19_700_102)
        #expect(dayOfHours(33, 39) == 19_700_102)
        #expect(dayOfHours(32, 40) == 19_700_102)
        #expect(dayOfHours(33, 35) == nil, "the morning alone")
        #expect(dayOfHours(36, 39) == nil, "the afternoon alone")
        #expect(dayOfHours(57, 63) == 19_700_103)
        #expect(dayOfHours(57, 62) == nil, "not to its end")
        #expect(dayOfHours(57, 66) == nil, "a part of the next day")
        #expect(dayOfHours(48, 72) == 19_700_104, "seven hours of it, six of the other")
        #expect(dayOfHours(66, 90) == 19_700_104)
        #expect(dayOfHours(0, 24) == nil, "no session")
        #expect(dayOfHours(33, 33 + 7 * 24) == nil, "a week")
    }

    // MARK: what is passed on

    private func rule(_ universe: [String] = []) throws -> BreadthRule {
        BreadthRule(
            series: try #require(SeriesName("1m")), universe: universe.compactMap { Symbol($0) },
            measures: [.newHighs(days: 2)], warmsUp: true)
    }

    private func bar(
        _ day: Int64, _ close: Int64, kind: ProviderBarKind = .trades, width: Int64 = day
    ) -> ProviderBar {
        var bar = ProviderBar(
            header: TickHeader(
                symbol: 0, providerTime: Timestamp(nanoseconds: day * Self.day),
                receiveTime: .undefined),
            openTime: Timestamp(nanoseconds: day * Self.day),
            closeTime: Timestamp(nanoseconds: day * Self.day + width), kind: kind)
        (bar.high, bar.low, bar.close) = (
            Price(raw: close + 1), Price(raw: close - 1), Price(raw: close)
        )
        return bar
    }

    /// Returns symbol, day, close, and whether it is the first version.
    private func published(_ history: inout DailyHistory) -> [[Int64]] {
        var published: [DailyHistory.PublishedDay] = []
        history.publish(into: &published)
        return published.map {
            [
                Int64($0.symbol), $0.bar.openTime.nanoseconds / Self.day, $0.bar.close.raw,
                $0.isFirst ? 1 : 0,
            ]
        }
    }

    @Test("each day is passed on once, and again when it changes")
    func once() throws {
        let name = try symbolName("A")
        var history = DailyHistory(rule: try rule(), calendar: nil)
        for day in [3, 1, 2] as [Int64] { history.take(bar(day, 10 * day), symbol: 4, named: name) }
        #expect(published(&history) == [[4, 1, 10, 1], [4, 2, 20, 1], [4, 3, 30, 1]])
        for day in [1, 2, 3] as [Int64] { history.take(bar(day, 10 * day), symbol: 4, named: name) }
        #expect(published(&history).isEmpty)
        history.take(bar(2, 21), symbol: 4, named: name)
        history.take(bar(2, 22), symbol: 4, named: name)
        #expect(published(&history) == [[4, 2, 22, 0]])
    }

    @Test("what is no day of trades that is over, or of no symbol that counts, is left out")
    func others() throws {
        var history = DailyHistory(rule: try rule(["A"]), calendar: nil)
        let name = try symbolName("A")
        var open = bar(1, 10)
        open.flags = .inProgress
        var empty = bar(1, 10)
        empty.low = .undefined
        let others = [
            open, empty, bar(1, 10, kind: .midpoint), bar(1, 10, width: Self.hour),
            bar(1, 10, width: 7 * Self.day),
        ]
        for other in others { history.take(other, symbol: 0, named: name) }
        history.take(bar(1, 10), symbol: 1, named: try symbolName("B"))
        #expect(published(&history).isEmpty)
        #expect(history.count == 0)
    }

    @Test("of more days than any measure asks for the newest are kept")
    func bounded() throws {
        let name = try symbolName("A")
        var history = DailyHistory(rule: try rule(), calendar: nil)
        for day in 1...40 as ClosedRange<Int64> {
            history.take(bar(day, day), symbol: 0, named: name)
        }
        #expect(history.count == 10)
        history.take(bar(5, 5), symbol: 0, named: name)
        #expect(published(&history).map { $0[1] } == Array(31...40))
    }

    @Test("a long past is passed on in turns, and goes on behind a restart")
    func turns() throws {
        let name = try symbolName("A")
        var history = DailyHistory(rule: try rule(), calendar: nil)
        for symbol in 0..<60 as Range<UInt32> {
            for day in 1...10 as ClosedRange<Int64> {
                history.take(bar(day, day), symbol: symbol, named: name)
            }
        }
        var all: [[Int64]] = []
        for count in [256, 256, 88, 0] {
            let bytes = history.state
            history = try restored(bytes)
            #expect(history.state == bytes)
            let turn = published(&history)
            #expect(turn.count == count)
            all += turn
        }
        #expect(Set(all).count == 600)
        history.publishAgain()
        #expect(published(&history).count == 256)
    }

    @Test("bytes that are cut or changed are refused or read, and never trap", arguments: 1...4)
    func damaged(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        var history = DailyHistory(rule: try rule(), calendar: nil)
        for day in 1...9 as ClosedRange<Int64> {
            history.take(bar(day, day), symbol: 1, named: try symbolName("A"))
        }
        for _ in 0..<200 {
            var other = history.state
            other[Int.random(in: 0..<other.count, using: &random)] ^= 0x11
            #expect(throws: CheckpointError.self) { try restored(other) }
        }
    }

    private func restored(_ bytes: [UInt8]) throws -> DailyHistory {
        let rule = try rule()
        return try bytes.read { try DailyHistory(rule: rule, calendar: nil, restoring: $0) }
    }
}
