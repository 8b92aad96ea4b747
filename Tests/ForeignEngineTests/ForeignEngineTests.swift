import Foundation
import MarketModel
import StreamCore
import TestSupport
import Testing

/// What two engines that share no line with ours make of the same million trades. Where their rules
/// are not ours, docs/engines.md says so.
@Suite("Bars beside those of polars and nautilus_trader")
struct ForeignEngineTests {
    private static let trades = 1_048_576

    /// A series, and how the script is told of it.
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
        try compare(["1s", "1m", "15m", "1h", "1d"].map(Compared.time), unitSizes: false)
    }

    private func compare(_ compared: [Compared], unitSizes: Bool) throws {
        let seed = UInt64.random(in: 1..<1_000_000)
        print("seed \(seed)")
        let tape = MarketTape(seed: seed, count: Self.trades, unitSizes: unitSizes)
        let series = try BarSeriesSet(compared.map(\.series))
        let (bars, symbols) = try tape.bars(of: series)
        let folder = try TemporaryFolder("engines")
        try tape.write(to: folder.file("ticks"))
        try MarketTape.write(bars, symbols: symbols, to: folder.file("bars"))
        let described = try compared.map { one in
            let index = try #require(series.all.firstIndex(of: one.series))
            return "\(index):\(one.kind)"
        }
        let told = try ForeignEngines.compare(
            [folder.file("ticks"), folder.file("bars")] + described)
        guard let told else { return }
        print(told)
        for index in series.all.indices {
            #expect(told.contains(" \(index): equal "), "no line says how series \(index) compares")
        }
    }
}
