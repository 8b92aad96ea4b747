import MarketModel
import Primitives
import Seeds
import Testing

@testable import StreamCore

/// Late ticks and repairs: in every order, the final versions are those of all ticks, sorted and
/// folded in one pass.
@Suite struct LatenessPropertyTests {
    static let seeds = Seeds(fixed: 1...80)
    private static let second = RandomTape.second

    /// A final bar, whatever the reason of its publication.
    struct Standing: Hashable {
        var bar: NamedBar

        init(_ bar: NamedBar) {
            self.bar = bar
            self.bar.reason = 0
        }
    }

    /// Returns the last version of each bar, without withdrawn ones.
    private static func published(_ bars: [NamedBar]) -> Set<Standing> {
        var last: [String: NamedBar] = [:]
        for bar in bars { last["\(bar.symbol) \(bar.series) \(bar.openTime)"] = bar }
        return Set(last.values.filter { !$0.flags.contains(.withdrawn) }.map { Standing($0) })
    }

    private static func folded(_ tape: [NaiveEvent], _ rule: BarRule) -> Set<Standing> {
        let ticks = tape.filter {
            if case .watermark = $0 { return false }
            return true
        }
        var naive = NaiveBars(rule: rule)
        naive.run(ticks + [end])
        return published(naive.bars)
    }

    private static let end = NaiveEvent.watermark(
        SourceName("alpha") ?? .manual, Timestamp(nanoseconds: 10_000 * second))

    private static func rule(_ lateness: Int64) throws -> BarRule {
        func series(_ name: String, _ window: WindowRule) throws -> BarSeries {
            try BarSeries(
                name: try #require(SeriesName(name)), window: window, lateness: lateness)
        }
        return BarRule(
            series: try BarSeriesSet([
                try series("1s", .tumbling(width: second)),
                try series("10s", .tumbling(width: 10 * second)),
                try series("4s2s", .sliding(width: 4 * second, hop: 2 * second)),
            ]))
    }

    private static func trade(
        at time: Int64, id: UInt64, using random: inout SeededRandom
    ) -> Trade {
        Trade(
            header: TickHeader(
                symbol: 0, providerTime: Timestamp(nanoseconds: time),
                receiveTime: Timestamp(nanoseconds: time), providerID: id),
            price: Price(raw: Int64.random(in: -20...20, using: &random)),
            size: Quantity(raw: Int64.random(in: 0...9, using: &random)))
    }

    @Test(
        "ticks that arrive within the lateness, in any order, end in the same bars",
        arguments: seeds.all())
    func permutation(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let lateness = 7 * Self.second
        let rule = try Self.rule(lateness)
        let source = try sourceName("alpha")
        let names = try ["A", "B"].map { try symbolName($0) }
        let ticks = (1...200).map { number in
            let time = Int64.random(in: 0...60 * Self.second, using: &random)
            return NaiveEvent.trade(
                Self.trade(at: time, id: UInt64(number), using: &random),
                symbol: names[number % 2], source: source, ordinal: UInt64(number))
        }
        let definitions = try names.map {
            NaiveEvent.definition(try subscription($0.text), source: source)
        }
        let expected = Self.folded(definitions + ticks, rule)
        for _ in 0..<2 {
            var run = MachineRun(rule: rule)
            run.feed(definitions)
            let arrivals = ticks.map { tick -> (at: Int64, tick: NaiveEvent) in
                guard case .trade(let trade, _, _, _) = tick else { return (0, tick) }
                let delay = Int64.random(in: 0...lateness, using: &random)
                return (trade.header.providerTime.nanoseconds + delay, tick)
            }
            for (at, tick) in arrivals.sorted(by: { $0.at < $1.at }) {
                run.feed([.watermark(source, Timestamp(nanoseconds: at)), tick])
            }
            run.feed(Self.end)
            #expect(run.late.isEmpty, "TAPELINE_SEED=\(seed)")
            let isSame = Self.published(run.named) == expected
            #expect(isSame, "TAPELINE_SEED=\(seed)")
            #expect(run.machine.counters.isBalanced, "TAPELINE_SEED=\(seed)")
        }
    }

    /// Ticks in any order, some backfilled and some cancelled later.
    private struct Broken {
        var tape: [NaiveEvent] = []
        var cancelled: Set<UInt64> = []

        init(_ random: inout SeededRandom, source: SourceName, names: [Symbol]) throws {
            for name in names {
                tape.append(.definition(try subscription(name.text), source: source))
            }
            for number in 1...250 as ClosedRange<UInt64> {
                let time = Int64.random(in: 0...60 * second, using: &random)
                var trade = LatenessPropertyTests.trade(at: time, id: number, using: &random)
                if Int.random(in: 0..<5, using: &random) == 0 {
                    trade.header.flags.insert(.backfilled)
                }
                if Int.random(in: 0..<6, using: &random) == 0 { cancelled.insert(number) }
                tape.append(
                    .trade(
                        trade, symbol: names[Int(number) % names.count], source: source,
                        ordinal: number))
                tape.append(
                    .watermark(
                        source, Timestamp(nanoseconds: Int64(number) * second / 4)))
            }
        }

        /// The ticks that a second reading passes to a repair machine: without the cancelled ones,
        /// and however a tick came.
        var corrected: [NaiveEvent] {
            tape.map { event in
                guard case .trade(var trade, let symbol, let source, let ordinal) = event else {
                    return event
                }
                trade.header.flags.remove(.backfilled)
                return cancelled.contains(trade.header.providerID)
                    ? .excluded(trade.header, symbol: symbol, source: source)
                    : .trade(trade, symbol: symbol, source: source, ordinal: ordinal)
            }
        }
    }

    @Test(
        "any tape and a repair of all of it ends in the bars of all its ticks",
        arguments: seeds.all())
    func repair(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let rule = try Self.rule(Int64.random(in: 0...4, using: &random) * 5 * Self.second)
        let source = try sourceName("alpha")
        let names = try ["A", "B", "C"].map { try symbolName($0) }
        let broken = try Broken(&random, source: source, names: names)
        var run = MachineRun(rule: rule)
        run.feed(broken.tape)
        let ranges = names.indices.flatMap { symbol in
            // In two adjacent pieces, with different reasons.
            [(0, 31, BarReason.bust), (31, 70, BarReason.backfill)].map {
                DirtyRange(
                    symbol: UInt32(symbol), from: $0.0 * Self.second, to: $0.1 * Self.second,
                    reason: $0.2.rawValue)
            }
        }
        var second = run
        second.machine = run.machine.repairMachine(for: ranges)
        for event in broken.tape {
            // Backfilled ticks count there like others.
            guard case .trade(let trade, let symbol, let source, _) = event,
                broken.cancelled.contains(trade.header.providerID)
            else {
                second.feed(event)
                continue
            }
            second.feed(.excluded(trade.header, symbol: symbol, source: source))
        }
        #expect(second.closed.count == run.closed.count, "TAPELINE_SEED=\(seed)")
        var versions: [Bar] = []
        run.machine.absorb(
            second.machine, ranges, published: run.closed.lastVersions, into: &versions)
        let keys = versions.map { [$0.closeTime.nanoseconds, Int64($0.series), Int64($0.symbol)] }
        let isInOrder = zip(keys, keys.dropFirst()).allSatisfy { $0.lexicographicallyPrecedes($1) }
        #expect(isInOrder, "TAPELINE_SEED=\(seed)")
        let reasons = Set(versions.map(\.reason))
        #expect(reasons == [BarReason.bust.rawValue, BarReason.backfill.rawValue])
        #expect(run.machine.counters.isBalanced, "TAPELINE_SEED=\(seed)")
        // A checkpoint can carry the state.
        let bytes = run.machine.snapshot
        let restored = try Alone<BarMachine>.restored(bytes, rule.series)
        #expect(restored.snapshot == bytes, "TAPELINE_SEED=\(seed)")
        run.append(versions)
        run.feed(Self.end)
        let isSame = Self.published(run.named) == Self.folded(broken.corrected, rule)
        #expect(isSame, "TAPELINE_SEED=\(seed)")
    }
}
