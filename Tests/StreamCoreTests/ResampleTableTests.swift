import MarketModel
import Primitives
import Testing

@testable import StreamCore

/// Bars of one second made into bars of five seconds.
@Suite("Bars from bars, one by one") struct ResampleTableTests {
    static let second: Int64 = 1_000_000_000

    struct Table {
        var machine: Alone<ResampleMachine>
        var closed: [Bar] = []

        init(unsettledMax: Int = StreamLimits.unsettledBarsMax) throws {
            let from = try BarSeries("1s")
            machine = Alone(
                rule: ResampleRule(from: from.name, series: try BarSeriesSet([BarSeries("5s")])),
                from: from, unsettledMax: unsettledMax)
            _ = try machine.newSource("alpha")
            _ = try machine.newSymbol(try subscription("A"), source: 0)
        }

        mutating func bar(
            _ start: Int64, _ price: Int64, trades: UInt64 = 1, flags: BarFlags = [.final],
            reason: BarReason = .closed
        ) {
            var bar = Bar(
                symbol: 0, series: 0,
                openTime: Timestamp(nanoseconds: start * ResampleTableTests.second),
                closeTime: Timestamp(nanoseconds: (start + 1) * ResampleTableTests.second))
            bar.trades = trades
            bar.flags = flags
            bar.reason = reason.rawValue
            if trades > 0 {
                bar.open = Price(raw: price)
                bar.high = Price(raw: price + 1)
                bar.low = Price(raw: price - 1)
                bar.close = Price(raw: price)
                bar.volume = 10
                bar.notional = Int128(price) * 10
            }
            bar.excluded.filter = 1
            machine.bar(bar)
        }

        /// Returns open, high, low, close, trades, exclusions and reason of the bars that it
        /// closes.
        mutating func advance(_ time: Int64) -> [[Int64]] {
            let start = closed.count
            machine.advance(
                source: 0, watermark: Timestamp(nanoseconds: time * ResampleTableTests.second),
                into: &closed)
            return closed[start...].map { bar in
                guard !bar.flags.contains(.withdrawn) else { return [Int64(bar.reason)] }
                return [
                    bar.open.raw, bar.high.raw, bar.low.raw, bar.close.raw, Int64(bar.trades),
                    Int64(bar.excluded.filter), Int64(bar.reason),
                ]
            }
        }
    }

    @Test("what fills a window takes nothing from what was told of it, and makes no new version")
    func filled() throws {
        var table = try Table()
        table.bar(3, 10)
        table.bar(4, 0, trades: 0)
        #expect(table.advance(5) == [[10, 11, 9, 10, 1, 2, 0]])
        table.bar(4, 10, trades: 0, flags: [.final, .filled])
        #expect(table.advance(6) == [])
        table.bar(3, 20, reason: .late)
        #expect(table.advance(6) == [[20, 21, 19, 20, 1, 2, 1]])
    }

    @Test("a repair that could not make all finer bars of a symbol changes nothing, and is counted")
    func refused() throws {
        var table = try Table()
        table.bar(0, 10)
        #expect(table.advance(5).count == 1)
        let ranges = [
            DirtyRange(symbol: 0, from: 0, to: Self.second, reason: BarReason.backfill.rawValue)
        ]
        var repair = table.machine.repairMachine()
        repair.refuse([0])
        var closed: [Bar] = []
        table.machine.absorb(repair, ranges, published: [], into: &closed)
        #expect(closed.isEmpty)
        #expect(table.machine.counters.repairsRefused == 1)
        table.machine.absorb(table.machine.repairMachine(), ranges, published: [], into: &closed)
        #expect(closed.map(\.flags) == [[.final, .withdrawn]])
    }

    @Test("beyond the limit the oldest bar is settled, and nothing of it is lost")
    func limit() throws {
        var table = try Table(unsettledMax: 2)
        for start in 0..<4 { table.bar(Int64(start), 10 * Int64(start + 1)) }
        #expect(table.machine.counters.settledEarly == 2)
        table.bar(0, 99, reason: .late)
        #expect(table.machine.counters.late == 1)
        #expect(table.advance(5) == [[10, 41, 9, 40, 4, 4, 0]])
    }
}
