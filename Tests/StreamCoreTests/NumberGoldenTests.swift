import Foundation
import MarketModel
import Primitives
import Testing

@testable import StreamCore

/// The checkpoints of the machines other than `BarMachine`: their bytes, and that damaged ones
/// never trap.
@Suite("Checkpoints of number, inactivity, resampling and breadth machines")
struct NumberGoldenTests {
    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().appendingPathComponent("Golden")

    /// Compares with the bytes in the file, and returns them.
    private func check(_ bytes: [UInt8], _ name: String) throws -> [UInt8] {
        let file = Self.folder.appendingPathComponent("\(name).hex")
        if !FileManager.default.fileExists(atPath: file.path) {
            try hexLines(bytes).write(to: file, atomically: true, encoding: .utf8)
            Issue.record("\(file.lastPathComponent) was missing and has been written: look at it")
        }
        let text = try String(contentsOf: file, encoding: .utf8)
        #expect(hexLines(bytes) == text)
        return text.split(whereSeparator: \.isWhitespace).compactMap { UInt8($0, radix: 16) }
    }

    // MARK: samples

    private func number() throws -> Alone<NumberMachine> {
        let series = try NumberSamples.series([.ticks(2), .volume(500_000_000)])
        var table = try MakerTable(
            NumberMachine(rule: BarRule(series: series), calendar: nil), since: -5)
        for time in 1...7 { try table.trade(Int64(time), Int64(time), 2) }
        table.exclude(6)
        _ = table.advance(6)
        try table.trade(1, 1)
        var machine = table.machine
        _ = machine.source(try sourceName("gamma"))
        machine.trade(
            Trade(
                header: TickHeader(
                    symbol: 0, providerTime: Timestamp(nanoseconds: 5), receiveTime: .undefined),
                price: Price(raw: 1), size: Quantity(raw: 1)),
            source: 0, ordinal: 99)
        return machine
    }

    private func inactivity() throws -> Alone<InactivityMachine> {
        let series = try BarSeries(
            name: try #require(SeriesName("gap")), window: .inactivity(gap: 10_000_000),
            lateness: 50_000_000)
        let rule = BarRule(series: try BarSeriesSet([series]))
        var table = try MakerTable(InactivityMachine(rule: rule, calendar: nil))
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
        let source = try #require(machine.source(try sourceName("alpha")))
        let symbol = try #require(machine.symbol(try subscription("A"), source: source))
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

    @Test("the state of a number machine has the bytes of its file, and is read")
    func numberBytes() throws {
        let machine = try number()
        let kept = try check(machine.snapshot, "number")
        let restored = try kept.withRawSpan { span throws(CheckpointError) in
            try Alone<NumberMachine>(rule: machine.rule, calendar: nil, restoring: span)
        }
        #expect(restored.snapshot == kept)
    }

    @Test("the state of an inactivity machine has the bytes of its file, and is read")
    func inactivityBytes() throws {
        let machine = try inactivity()
        let kept = try check(machine.snapshot, "inactivity")
        let restored = try kept.withRawSpan { span throws(CheckpointError) in
            try Alone<InactivityMachine>(rule: machine.rule, calendar: nil, restoring: span)
        }
        #expect(restored.snapshot == kept)
    }

    @Test("the state of a resampling machine has the bytes of its file, and is read")
    func resampleBytes() throws {
        let machine = try resample()
        let kept = try check(machine.snapshot, "resample")
        let restored = try kept.withRawSpan { span throws(CheckpointError) in
            try Alone<ResampleMachine>(rule: machine.rule, from: machine.from, restoring: span)
        }
        #expect(restored.snapshot == kept)
    }

    @Test("the state of a breadth machine has the bytes of its file, and is read")
    func breadthBytes() throws {
        let machine = try breadth()
        var bytes: [UInt8] = []
        machine.encode(into: &bytes)
        let kept = try check(bytes, "breadth")
        let restored = try kept.withRawSpan { span throws(CheckpointError) in
            try BreadthMachine(
                rule: machine.rule, series: machine.series, calendar: nil, partitions: 2,
                restoring: span)
        }
        var again: [UInt8] = []
        restored.encode(into: &again)
        #expect(again == kept)
    }

    @Test("a state of a version that is not known is refused with both numbers")
    func unknown() throws {
        let (number, inactivity) = (try number(), try inactivity())
        let (resample, breadth) = (try resample(), try breadth())
        expectRefusal(number.state) { span throws(CheckpointError) in
            _ = try NumberMachine(
                rule: number.rule, calendar: nil, restoring: span, number.tables)
        }
        expectRefusal(inactivity.state) { span throws(CheckpointError) in
            _ = try InactivityMachine(
                rule: inactivity.rule, calendar: nil, restoring: span, inactivity.tables)
        }
        expectRefusal(resample.state) { span throws(CheckpointError) in
            _ = try ResampleMachine(
                rule: resample.rule, from: resample.from, restoring: span, resample.tables)
        }
        var state: [UInt8] = []
        breadth.encode(into: &state)
        expectRefusal(state) { span throws(CheckpointError) in
            _ = try BreadthMachine(
                rule: breadth.rule, series: breadth.series, calendar: nil, partitions: 2,
                restoring: span)
        }
    }

    /// Expects that the state, as a made-up second release might write it, is refused.
    private func expectRefusal(
        _ state: [UInt8], _ restore: (RawSpan) throws(CheckpointError) -> Void
    ) {
        var state = state
        state[4] = 2
        let sealed = Fuzzing.sealed(state)
        #expect(throws: CheckpointError.version(found: 2, known: 1)) {
            try sealed.withRawSpan(restore)
        }
    }

    /// Changes one to three bytes of the body, under a correct checksum.
    private func damage(_ state: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        Fuzzing.inOnePiece(of: state, using: &random) { damagedPiece($0, &$1) }
    }

    private func damagedPiece(_ bytes: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        var damaged = bytes
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let place = Int.random(in: 16..<bytes.count - 8, using: &random)
            damaged[place] =
                [0, 1, 0x7f, 0x80, 0xff, UInt8.random(in: 0...255, using: &random)]
                .randomElement(using: &random) ?? 0
        }
        let checksum = damaged.withRawSpan { Checksum.of($0.extracting(0..<bytes.count - 8)) }
        for index in 0..<8 {
            damaged[bytes.count - 8 + index] = UInt8(
                truncatingIfNeeded: checksum >> UInt64(8 * index))
        }
        return damaged
    }

    private func use<Machine: BarMaker>(_ machine: Alone<Machine>, rule: BarRule) throws {
        var table = machine
        var bars: [Bar] = []
        var late: [LateTick] = []
        for source in 0..<table.sources.entries.count {
            for time in [Int64(0), 8_000_000, 100_000_000_000, 5_000_000_000_000_000] {
                let at = Timestamp(nanoseconds: time)
                table.trade(
                    Trade(
                        header: TickHeader(symbol: 0, providerTime: at, receiveTime: at),
                        price: Price(raw: 5), size: Quantity(raw: 5)),
                    source: source, ordinal: 1)
                table.advance(source: source, watermark: at, into: &bars)
            }
        }
        table.takeOpenBars(into: &bars)
        table.takeLateTicks(into: &late)
        var bytes: [UInt8] = []
        table.encode(into: &bytes)
    }

    @Test("no damaged checkpoint traps, when it is read or later", arguments: UInt64(1)...8)
    func damaged(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let number = try number()
        let inactivity = try inactivity()
        var refused = 0
        for _ in 0..<200 {
            let first = damage(number.snapshot, &random)
            let second = damage(inactivity.snapshot, &random)
            do {
                let restored = try first.withRawSpan { span throws(CheckpointError) in
                    try Alone<NumberMachine>(rule: number.rule, calendar: nil, restoring: span)
                }
                try use(restored, rule: number.rule)
            } catch is CheckpointError { refused += 1 }
            do {
                let restored = try second.withRawSpan { span throws(CheckpointError) in
                    try Alone<InactivityMachine>(
                        rule: inactivity.rule, calendar: nil, restoring: span)
                }
                try use(restored, rule: inactivity.rule)
            } catch is CheckpointError { refused += 1 }
        }
        #expect(refused > 50, "seed \(seed)")
    }

    @Test("no damaged checkpoint of derived bars traps", arguments: UInt64(1)...8)
    func damagedDerived(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let resample = try resample()
        let breadth = try breadth()
        var bytes: [UInt8] = []
        resample.encode(into: &bytes)
        var others: [UInt8] = []
        breadth.encode(into: &others)
        var bars: [Bar] = []
        var values: [BreadthValue] = []
        var refused = 0
        let end = Timestamp(nanoseconds: 900_000_000_000)
        for _ in 0..<200 {
            do {
                let damaged = damage(bytes, &random)
                var restored = try damaged.withRawSpan { span throws(CheckpointError) in
                    try Alone<ResampleMachine>(
                        rule: resample.rule, from: resample.from, restoring: span)
                }
                restored.advance(source: 0, watermark: end, into: &bars)
            } catch { refused += 1 }
            do {
                let damaged = damage(others, &random)
                var restored = try damaged.withRawSpan { span throws(CheckpointError) in
                    try BreadthMachine(
                        rule: breadth.rule, series: breadth.series, calendar: nil, partitions: 2,
                        restoring: span)
                }
                restored.advance(partition: 0, watermark: end, into: &values)
                restored.advance(partition: 1, watermark: end, into: &values)
            } catch { refused += 1 }
        }
        #expect(refused > 50, "seed \(seed)")
    }
}
