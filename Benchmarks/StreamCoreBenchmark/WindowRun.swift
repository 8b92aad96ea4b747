import BenchmarkRows
import MarketModel
import Primitives
import StreamCore

/// Measures milliseconds of processor time of one window of many symbols: of a scan, beside
/// breadth of the same bars.
struct WindowRun {
    static let symbolCount = 5_000
    static let windows = 40
    static let repetitions = 5
    private static let width: Int64 = 60_000_000_000
    private static let start: Int64 = 19_700 * 86_400_000_000_000

    static func run() throws {
        guard let name = SeriesName("1m"), let source = SourceName("bench") else {
            throw StreamCoreBenchmark.Unusable()
        }
        let series = try BarSeries(
            name: name, window: .tumbling(width: width), lateness: 5_000_000_000)
        let symbols = (0..<symbolCount).compactMap { Symbol("S\($0)") }.map {
            SourceSymbol($0, of: source)
        }
        let bars = bars()
        let breadth = try best { try timeOfBreadth(series, symbols, bars) }
        let scan = try best { try timeOfScan(series, symbols, bars) }
        print(
            "a window of \(symbolCount) symbols: scan \(SnapshotRun.milliseconds(scan)) ms, "
                + "breadth \(SnapshotRun.milliseconds(breadth)) ms")
        BenchmarkRow("scan of \(symbolCount) symbols", scan / Duration.milliseconds(1), "ms/window")
            .beside("breadth of the same bars", breadth / Duration.milliseconds(1)).tell()
    }

    /// Returns the least time of a window.
    private static func best(_ measure: () throws -> Duration) throws -> Duration {
        var best = Duration.seconds(60)
        for _ in 0..<repetitions { best = min(best, try measure() / windows) }
        return best
    }

    /// Returns the bars of all windows, in order of time: half of them rise.
    private static func bars() -> [[Bar]] {
        var random = SeededRandom(seed: 3)
        return (0..<Int64(windows)).map { window in
            (0..<UInt32(symbolCount)).map { symbol in
                let open = start + window * width
                var bar = Bar(
                    symbol: symbol, series: 0, openTime: Timestamp(nanoseconds: open),
                    closeTime: Timestamp(nanoseconds: open + width))
                let prices = (0..<2).map { _ in Int64.random(in: 90...110, using: &random) }
                bar.open = Price(raw: prices[0] * 1_000_000_000)
                bar.close = Price(raw: prices[1] * 1_000_000_000)
                bar.high = max(bar.open, bar.close)
                bar.low = min(bar.open, bar.close)
                bar.volume = Int128(Int64.random(in: 1...1_000_000, using: &random))
                bar.trades = 9
                return bar
            }
        }
    }

    private static func timeOfBreadth(
        _ series: BarSeries, _ symbols: [SourceSymbol], _ bars: [[Bar]]
    ) throws -> Duration {
        let rule = BreadthRule(
            series: series.name, universe: [], measures: [.advanceDecline, .newHighs(days: 20)])
        var machine = BreadthMachine(rule: rule, series: series, calendar: nil, partitions: 1)
        for symbol in symbols { _ = machine.symbol(symbol) }
        var values: [BreadthValue] = []
        let began = processorTime()
        for window in bars {
            for bar in window { machine.bar(bar) }
            machine.advance(partition: 0, watermark: window[0].closeTime, into: &values)
        }
        let spent = processorTime() - began
        guard values.count == windows * 2 else { throw StreamCoreBenchmark.Unusable() }
        return spent
    }

    private static func timeOfScan(
        _ series: BarSeries, _ symbols: [SourceSymbol], _ bars: [[Bar]]
    ) throws -> Duration {
        let condition = TickExpression(
            text: "close > open and volume > 0",
            instructions: [
                .field(.close), .field(.open), .greater, .field(.volume), .number(0), .greater,
                .and,
            ])
        var machine = ScanMachine(
            rule: ScanRule(series: series.name, condition: condition, numbers: [.close, .volume]),
            series: series)
        for symbol in symbols { _ = machine.symbol(symbol) }
        var values: [ScanValue] = []
        let began = processorTime()
        for window in bars {
            for bar in window { machine.bar(bar) }
            machine.advance(to: window[0].closeTime, into: &values)
        }
        let spent = processorTime() - began
        guard values.count == windows * (2 + 2 * ScanRule.mostMax) else {
            throw StreamCoreBenchmark.Unusable()
        }
        return spent
    }
}
