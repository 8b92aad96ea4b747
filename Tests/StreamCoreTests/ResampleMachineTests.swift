import MarketModel
import Primitives
import Seeds
import Testing

@testable import StreamCore

/// A finer series, the series that is resampled from it, and the same series made from ticks.
private struct ResampleRun {
    var fine: Alone<BarMachine>
    var coarse: Alone<ResampleMachine>
    var direct: Alone<BarMachine>
    var resampled: [Bar] = []
    var expected: [Bar] = []
    /// Restores the machine from its bytes before every nth event.
    var restoresEvery = Int.max
    private var events = 0

    static let lateness = 200 * RandomTape.second

    init(_ windows: [WindowRule], lateness: Int64 = Self.lateness) throws {
        let from = try series(
            "fine", .tumbling(width: RandomTape.second), lateness: lateness)
        let set = try BarSeriesSet(
            windows.enumerated().map { try series("c\($0)", $1, lateness: lateness) })
        fine = Alone(series: try BarSeriesSet([from]))
        fine.publishesEmptyWindows = true
        coarse = Alone(rule: ResampleRule(from: from.name, series: set), from: from)
        direct = Alone(series: set)
    }

    static func mixed(lateness: Int64 = Self.lateness) throws -> ResampleRun {
        let second = RandomTape.second
        return try ResampleRun(
            [
                .tumbling(width: 5 * second), .tumbling(width: 60 * second),
                .sliding(width: 12 * second, hop: 4 * second),
            ], lateness: lateness)
    }

    mutating func feed(_ tape: some Sequence<NaiveEvent>) throws {
        for event in tape {
            events += 1
            if events.isMultiple(of: restoresEvery) { coarse = try coarse.restored() }
            feed(event)
        }
    }

    private mutating func index(of source: SourceName) -> Int {
        _ = fine.source(source)
        _ = direct.source(source)
        return coarse.source(source) ?? BarMachine.noSource
    }

    mutating func feed(_ event: NaiveEvent) {
        switch event {
        case .source(let name): _ = index(of: name)
        case .definition(let subscription, let source):
            let source = index(of: source)
            _ = fine.symbol(subscription, source: source)
            _ = direct.symbol(subscription, source: source)
            _ = coarse.symbol(subscription, source: source)
        case .trade(var trade, let symbol, let source, let ordinal):
            trade.header.symbol = fine.symbols.indexes(of: symbol).first ?? BarMachine.noSymbol
            fine.trade(trade, source: index(of: source), ordinal: ordinal)
            direct.trade(trade, source: index(of: source), ordinal: ordinal)
        case .quote, .excluded: break
        case .watermark(let source, let time):
            let source = index(of: source)
            var bars: [Bar] = []
            fine.advance(source: source, watermark: time, into: &bars)
            for bar in bars { coarse.bar(bar) }
            coarse.advance(source: source, watermark: time, into: &resampled)
            direct.advance(source: source, watermark: time, into: &expected)
        }
    }

    /// Returns the last version of each bar. The provider of a finer bar is known only by its time.
    func last(_ bars: [Bar]) -> [NamedBar] {
        bars.map { NamedBar($0, fine.symbols, coarse.rule.series).without(.mixedProviders) }
            .lastVersions
    }

    /// Repairs like an owner that reads the tape again: ticks go into a repair machine of the finer
    /// series, and all of its bars in the extents into one of the coarser series.
    mutating func repair(_ tape: [NaiveEvent], _ ranges: [DirtyRange]) {
        let extents = ranges.map { range in
            let (from, to) = coarse.extent(of: range)
            return DirtyRange(symbol: range.symbol, from: from, to: to, reason: range.reason)
        }
        var fineRepair = fine.repairMachine(for: extents)
        var directRepair = direct.repairMachine(for: extents)
        for event in tape {
            switch event {
            case .source, .quote, .excluded, .watermark: break
            case .definition(let subscription, let source):
                let source = index(of: source)
                _ = fineRepair.symbol(subscription, source: source)
                _ = directRepair.symbol(subscription, source: source)
            case .trade(var trade, let symbol, let source, let ordinal):
                trade.header.symbol = fine.symbols.indexes(of: symbol).first ?? BarMachine.noSymbol
                fineRepair.trade(trade, source: index(of: source), ordinal: ordinal)
                directRepair.trade(trade, source: index(of: source), ordinal: ordinal)
            }
        }
        var published: [Bar] = []
        fine.absorb(fineRepair, extents, into: &published)
        var coarseRepair = coarse.repairMachine()
        for bar in published { coarseRepair.bar(bar) }
        coarse.absorb(coarseRepair, ranges, into: &resampled)
        direct.absorb(directRepair, extents, into: &expected)
    }
}

@Suite("Bars from bars by seed") struct ResampleMachinePropertyTests {
    static let seeds = Seeds(fixed: 1...40)

    @Test("bars from bars are the bars from ticks", arguments: seeds.all())
    func equal(seed: UInt64) throws {
        var run = try ResampleRun.mixed()
        if seed.isMultiple(of: 3) { run.restoresEvery = 37 }
        try run.feed(RandomTape(seed: seed).events)
        #expect(
            difference(run.last(run.resampled), run.last(run.expected)) == "",
            "TAPELINE_SEED=\(seed)")
        #expect(run.coarse.counters.late == 0, "TAPELINE_SEED=\(seed)")
    }

    @Test("restored at any point, a run goes on with the same output", arguments: seeds.all())
    func restored(seed: UInt64) throws {
        let tape = RandomTape(seed: seed).events
        var plain = try ResampleRun.mixed(lateness: 5 * RandomTape.second)
        var restored = plain
        restored.restoresEvery = 11
        try plain.feed(tape)
        try restored.feed(tape)
        let isSame = plain.resampled == restored.resampled
        #expect(isSame, "TAPELINE_SEED=\(seed)")
        #expect(plain.coarse.snapshot == restored.coarse.snapshot, "TAPELINE_SEED=\(seed)")
    }

    @Test("a repair gives the bars that a repair from ticks gives", arguments: seeds.all())
    func repaired(seed: UInt64) throws {
        var random = SeededRandom(seed: seed ^ 0x4e9a)
        let tape = RandomTape(seed: seed).events
        var run = try ResampleRun([
            .tumbling(width: 5 * RandomTape.second), .tumbling(width: 60 * RandomTape.second),
        ])
        let at = Int.random(in: tape.count / 2...tape.count, using: &random)
        try run.feed(tape[..<at])
        var ranges: [DirtyRange] = []
        for symbol in 0..<run.fine.symbols.count {
            for event in tape[..<at] {
                guard case .trade(let trade, _, _, _) = event,
                    Int.random(in: 0..<40, using: &random) == 0
                else { continue }
                let from = trade.header.eventTime.nanoseconds
                let length = Int64.random(in: 1...9, using: &random) * RandomTape.second
                ranges.append(
                    DirtyRange(
                        symbol: UInt32(symbol), from: from, to: from + length,
                        reason: BarReason.backfill.rawValue))
            }
        }
        run.repair(Array(tape[..<at]), ranges)
        try run.feed(tape[at...])
        let resampled = run.last(run.resampled).map { $0.without(.partial) }
        let expected = run.last(run.expected).map { $0.without(.partial) }
        #expect(difference(resampled, expected) == "", "TAPELINE_SEED=\(seed)")
    }
}
