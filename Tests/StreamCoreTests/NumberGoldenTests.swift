import MarketModel
import Primitives
import Testing

@testable import StreamCore

/// The checkpoints of the machines other than `BarMachine`: their bytes, and that damaged ones
/// never trap.
@Suite("Checkpoints of number, inactivity, resampling and breadth machines")
struct NumberGoldenTests {
    // MARK: samples

    private func number() throws -> Alone<NumberMachine> {
        let series = try NumberSamples.series([.ticks(2), .volume(500_000_000)])
        var table = try MakerTable<NumberMachine>(rule: BarRule(series: series), since: -5)
        for time in 1...7 { try table.trade(Int64(time), Int64(time), 2) }
        table.exclude(6)
        _ = table.advance(6)
        try table.trade(1, 1)
        var machine = table.machine
        _ = machine.source(try sourceName("gamma"))
        var late = Trade.at(5)
        late.header.receiveTime = .undefined
        machine.trade(late, source: 0, ordinal: 99)
        return machine
    }

    private func inactivity() throws -> Alone<InactivityMachine> {
        let series = try series("gap", .inactivity(gap: 10_000_000), lateness: 50_000_000)
        var table = try MakerTable<InactivityMachine>(
            rule: BarRule(series: try BarSeriesSet([series])))
        for time in [0, 5, 20, 60, 90] { try table.trade(Int64(time), Int64(time)) }
        table.exclude(200)
        _ = table.advance(75)
        try table.trade(31, 7)
        try table.trade(12, 7)
        return table.machine
    }

    private func resample() throws -> Alone<ResampleMachine> {
        let second: Int64 = 1_000_000_000
        let from = try BarSeries("1s")
        let series = try BarSeriesSet([
            BarSeries("5s"),
            BarSeries(
                name: try #require(SeriesName("6s2s")),
                window: .sliding(width: 6 * second, hop: 2 * second)),
        ])
        var machine = Alone<ResampleMachine>(
            rule: ResampleRule(from: from.name, series: series), from: from)
        let source = try machine.newSource("alpha")
        let symbol = try machine.newSymbol(try subscription("A"), source: source)
        var closed: [Bar] = []
        for step in 0..<9 {
            var bar = Bar(
                symbol: symbol, series: 0, openTime: Timestamp(nanoseconds: Int64(step) * second),
                closeTime: Timestamp(nanoseconds: Int64(step + 1) * second))
            bar.open = Price(raw: Int64(step))
            bar.high = Price(raw: Int64(step) + 3)
            bar.low = Price(raw: Int64(step) - 3)
            bar.close = Price(raw: Int64(step) + 1)
            bar.trades = 2
            bar.volume = 10
            bar.notional = 100
            machine.bar(bar)
            machine.advance(
                source: source, watermark: Timestamp(nanoseconds: Int64(step + 1) * second),
                into: &closed)
        }
        return machine
    }

    private func breadth() throws -> BreadthMachine {
        let series = try BarSeries("1m")
        var machine = BreadthMachine(
            rule: BreadthRule(
                series: series.name, universe: [],
                measures: [.advanceDecline, .newHighs(days: 2), .aboveAverage(days: 1)]),
            series: series, calendar: nil, partitions: 2)
        let symbol = try #require(machine.symbol(try ofTest("A")))
        machine.warm(
            symbol,
            DailyBar(
                openTime: Timestamp(nanoseconds: -StreamLimits.dayNanoseconds),
                closeTime: Timestamp(nanoseconds: 0), high: Price(raw: 7), low: Price(raw: 2),
                close: Price(raw: 5)))
        var values: [BreadthValue] = []
        for step in 0..<4 {
            let width = series.widthNanoseconds
            var bar = Bar(
                symbol: symbol, series: 0, openTime: Timestamp(nanoseconds: Int64(step) * width),
                closeTime: Timestamp(nanoseconds: Int64(step + 1) * width))
            bar.high = Price(raw: Int64(step) + 6)
            bar.low = Price(raw: 4)
            bar.close = Price(raw: 6)
            bar.trades = 1
            machine.bar(bar)
        }
        for partition in 0..<2 {
            machine.advance(
                partition: partition, watermark: Timestamp(nanoseconds: 125_000_000_000),
                into: &values)
        }
        #expect(values.count == 6)
        return machine
    }

    // MARK: tests

    @Test("a state has the bytes of its file, and is read")
    func bytes() throws {
        let number = try number()
        let inactivity = try inactivity()
        let resample = try resample()
        let breadth = try breadth()
        try Golden.expect(number.expectRestored().snapshot, "number")
        try Golden.expect(inactivity.expectRestored().snapshot, "inactivity")
        try Golden.expect(resample.expectRestored().snapshot, "resample")
        try Golden.expect(breadth.expectRestored().state, "breadth")
    }

    @Test("a state of a version that is not known is refused with both numbers")
    func unknown() throws {
        let (number, inactivity) = (try number(), try inactivity())
        let (resample, breadth) = (try resample(), try breadth())
        expectRefusal(number.state) {
            _ = try NumberMachine(rule: number.rule, calendar: nil, restoring: $0, number.tables)
        }
        expectRefusal(inactivity.state) {
            _ = try InactivityMachine(
                rule: inactivity.rule, calendar: nil, restoring: $0, inactivity.tables)
        }
        expectRefusal(resample.state) {
            _ = try ResampleMachine(
                rule: resample.rule, from: resample.from, restoring: $0, resample.tables)
        }
        expectRefusal(breadth.state) { _ = try breadth.restored($0) }
    }

    /// Expects that the state, as a made-up second release might write it, is refused.
    private func expectRefusal(_ state: [UInt8], _ restore: (RawSpan) throws -> Void) {
        var state = state
        state[4] = 2
        #expect(throws: CheckpointError.version(found: 2, known: 1)) {
            try Fuzzing.sealed(state).read(restore)
        }
    }

    /// Reads damaged states, and uses those that are accepted. In each, one to three bytes of one
    /// piece are changed, under a correct checksum.
    private func expectNoTrap(
        _ state: [UInt8], _ random: inout SeededRandom, _ use: ([UInt8]) throws -> Void
    ) throws {
        var refused = 0
        for _ in 0..<200 {
            let damaged = Fuzzing.inOnePiece(of: state, using: &random) { piece, random in
                var damaged = piece
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    let place = Int.random(in: 16..<piece.count - 8, using: &random)
                    damaged[place] =
                        [0, 1, 0x7f, 0x80, 0xff, UInt8.random(in: 0...255, using: &random)]
                        .randomElement(using: &random) ?? 0
                }
                return Fuzzing.sealed(damaged)
            }
            do { try use(damaged) } catch is CheckpointError { refused += 1 }
        }
        #expect(refused > 10)
    }

    private func use<Machine: BarMaker>(_ machine: Alone<Machine>) {
        var machine = machine
        var bars: [Bar] = []
        var late: [LateTick] = []
        for source in 0..<machine.sources.entries.count {
            for time in [Int64(0), 8_000_000, 100_000_000_000, 5_000_000_000_000_000] {
                machine.trade(.at(time, 5, size: 5), source: source, ordinal: 1)
                machine.advance(
                    source: source, watermark: Timestamp(nanoseconds: time), into: &bars)
            }
        }
        machine.takeOpenBars(into: &bars)
        machine.takeLateTicks(into: &late)
        _ = machine.snapshot
    }

    @Test("no damaged checkpoint traps, when it is read or later", arguments: UInt64(1)...8)
    func damaged(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let (number, inactivity) = (try number(), try inactivity())
        let (resample, breadth) = (try resample(), try breadth())
        let end = Timestamp(nanoseconds: 900_000_000_000)
        var bars: [Bar] = []
        var values: [BreadthValue] = []
        try expectNoTrap(number.snapshot, &random) {
            use(try Alone<NumberMachine>(rule: number.rule, restoring: $0))
        }
        try expectNoTrap(inactivity.snapshot, &random) {
            use(try Alone<InactivityMachine>(rule: inactivity.rule, restoring: $0))
        }
        try expectNoTrap(resample.snapshot, &random) {
            var restored = try Alone(rule: resample.rule, from: resample.from, restoring: $0)
            restored.advance(source: 0, watermark: end, into: &bars)
        }
        try expectNoTrap(breadth.state, &random) {
            var restored = try $0.read { try breadth.restored($0) }
            for partition in 0..<2 {
                restored.advance(partition: partition, watermark: end, into: &values)
            }
        }
    }
}
