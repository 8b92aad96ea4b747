import Foundation
import MarketModel
import OperatorGraph
import Seeds
import StreamCore
import TestSupport
import Testing

/// Compares our bars with those of two engines that share no code with ours, from the same million
/// trades. docs/scale.md lists where their rules differ.
@Suite("Bars beside those of polars and nautilus_trader")
struct ForeignEngineTests {
    private static let trades = 1_048_576
    /// The number of trades for tests that need fewer.
    private static let fewerTrades = 262_144

    /// A series, and how the script is told to make it.
    private struct Compared {
        var series: BarSeries
        var kind: String

        static func time(_ text: String) throws -> Compared {
            let series = try BarSeries(text)
            let width = series.widthNanoseconds
            return Compared(series: series, kind: "time:\(width):\(width):0")
        }
    }

    @Test("time bars of polars and nautilus_trader are ours, in every field that they have")
    func timeBars() throws {
        try compare(["1s", "1m", "15m", "1h", "1d"].map(Compared.time))
    }

    @Test("sliding and session windows and runs without a pause are those of polars")
    func otherTimeBars() throws {
        let minute: Int64 = 60_000_000_000
        let open = MarketTape.start - 10 * minute
        let calendar = try #require(
            SessionCalendar(
                name: "night",
                sessions: [
                    SessionCalendar.Session(
                        open: open, close: open + 1_200 * minute, day: 20_231_114)
                ]))
        try compare(
            [
                Compared(
                    series: try named("sliding", .sliding(width: 5 * minute, hop: minute)),
                    kind: "time:\(5 * minute):\(minute):0"),
                Compared(
                    series: try named("session", .session(width: 7 * minute)),
                    kind: "time:\(7 * minute):\(7 * minute):\(open % (7 * minute))"),
                Compared(
                    series: try named("runs", .inactivity(gap: 700_000_000)),
                    kind: "gap:700000000"),
            ], trades: Self.fewerTrades, calendar: calendar)
    }

    @Test("bars of so many trades are those of polars and nautilus_trader")
    func tickBars() throws {
        try compare(
            [
                Compared(series: try named("t100", .ticks(100)), kind: "ticks:100"),
                Compared(series: try named("t7", .ticks(7)), kind: "ticks:7"),
            ])
    }

    @Test("bars of so much volume are those of nautilus_trader, where no trade has to be split")
    func volumeBars() throws {
        let units: Int64 = 250
        try compare(
            [
                Compared(
                    series: try named("v250", .volume(units * 100_000_000)),
                    kind: "volume:\(units)")
            ], trades: Self.fewerTrades, unitSizes: true)
    }

    private func named(_ name: String, _ window: WindowRule) throws -> BarSeries {
        try BarSeries(name: try #require(SeriesName(name)), window: window)
    }

    private func compare(
        _ compared: [Compared], trades: Int = Self.trades, unitSizes: Bool = false,
        calendar: SessionCalendar? = nil
    ) throws {
        let seed = Seeds.one()
        print("TAPELINE_SEED=\(seed)")
        let tape = MarketTape(seed: seed, count: trades, unitSizes: unitSizes)
        let rule = BarRule(series: try BarSeriesSet(compared.map(\.series)))
        let graph = GraphDefinition(
            name: "compared",
            nodes: [
                GraphNode(
                    name: "bars", input: .ticks(.trade),
                    operation: .bars(rule, calendar: calendar?.name))
            ], calendars: calendar.map { [$0] } ?? [])
        let (bars, symbols) = try tape.bars(of: graph)
        let folder = try TemporaryFolder("engines")
        try tape.write(to: folder.file("ticks"))
        try MarketTape.write(bars, symbols: symbols, to: folder.file("bars"))
        let series = GraphProgram(graph).series
        let described = try compared.map { one in
            let place = series.firstIndex { $0.name == one.series.name }
            let index = try #require(place)
            return "\(index):\(one.kind)"
        }
        let told = try ForeignEngines.compare(
            [folder.file("ticks"), folder.file("bars")] + described)
        guard let told else { return }
        print(told)
        for index in series.indices {
            #expect(told.contains(" \(index): equal "), "no line says how series \(index) compares")
        }
    }
}
