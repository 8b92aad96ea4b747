import MarketModel
import OperatorGraph
import Primitives
import Seeds
import SimulationKit
import StreamCore
import TapeCodec
import Testing

@testable import TapelineTool

/// Bars of a simulated market behind a join, repaired as their owner does it, and proven from the
/// ticks as the tables give them. To run one seed: `TAPELINE_SEED=7`.
@Suite("Proofs of joined markets") struct ProofMarketTests {
    @Test("bars behind a join are proven, after repairs for missed quotes as well")
    func joined() throws {
        var (equal, repaired) = (0, 0)
        for seed in Seeds(fixed: 1...100, weight: 0.1).all() {
            var random = SeededRandom(seed: seed)
            var weather = MarketWeather(using: &random, withRepairs: true)
            weather.addQuotes()
            // Everything that came later is in a range that was repaired for it. A tick that comes
            // twice would be late the second time: the tables have a list of these, this test none.
            (weather.strayQuotes, weather.partFills, weather.late, weather.ties) = (0, 0, 0, 0)
            (weather.delay, weather.busts, weather.changes, weather.repeats) = (0, 0, 0, 0)
            (weather.switches, weather.restarts) = (0, 0)
            // The tables have the clock of one symbol.
            (weather.sources, weather.symbols) = (1, 1)
            let market = SimulatedInput(weather, using: &random)
            let definition = try SimulatedGraphs.joined(using: &random)
            let owner = MarketOwner(definition, market.packets)
            var slice = ProofSlice(
                owner.machine.program, series: owner.series, symbols: [try symbol(owner)],
                Partition(0), SimulatedInput.start - 1_000_000_000_000..<Int64.max / 4,
                until: Int64.max / 4)
            slice.stored = owner.stored
            let ticks = try ticks(market.packets, definition.groups)
            for tick in ticks { slice.records.note(tick) }
            let computed = try computed(slice, ticks)
            let chosen = slice.chosen(computed.live, computed.mended)
            // A trade that came after the fill of a quote before it was paired without that quote.
            let unsure = trades(after: ticks, within: definition.quoteAgeMax)
            func isSure(_ bar: Bar) -> Bool {
                let window = bar.openTime.nanoseconds..<bar.closeTime.nanoseconds
                return !unsure.contains { window.contains($0) }
            }
            let stored = owner.stored.values.filter { isSure($0.bar) }
            var comparison = ProofComparison()
            comparison.compare(
                stored, with: chosen.filter { isSure($0.value) },
                ProofComparison.Rule(looksAtFlags: false, keptBack: Set(owner.series))
            ) { _, _ in false }
            equal += comparison.equal
            repaired += stored.count(where: \.isRepaired)
            guard comparison.isClean else {
                Issue.record("TAPELINE_SEED=\(seed): \(comparison.differences.prefix(3))")
                return
            }
        }
        // Otherwise it was not tested.
        #expect(equal >= Seeds.least(1_000) && repaired >= Seeds.least(100))
    }

    /// Returns the times of trades that came after a fetched quote, and not long after its time.
    private func trades(after ticks: [ProofTick], within age: Int64) -> [Int64] {
        let quotes = ticks.filter { $0.isFetched && $0.quote != nil }
        return ticks.filter { $0.trade != nil && !$0.isFetched }.compactMap { trade in
            guard let time = trade.header?.eventTime.nanoseconds else { return nil }
            let isAfter = quotes.contains { quote in
                guard let filled = quote.header?.eventTime.nanoseconds else { return false }
                return quote.ordinal < trade.ordinal && (filled...filled + age).contains(time)
            }
            return isAfter ? time : nil
        }
    }

    private func symbol(_ owner: MarketOwner) throws -> Symbol {
        #expect(owner.machine.symbols.count == 1)
        return owner.machine.symbols.pair(at: 0).symbol
    }

    /// Returns the ticks in the order of the tape.
    private func ticks(
        _ packets: [SimulatedPacket], _ groups: SourceGroups
    ) throws -> [ProofTick] {
        var ticks: [ProofTick] = []
        for packet in packets where packet.header.kind == .ticks {
            try packet.bytes.withRawSpan { span throws(ToolError) in
                try ProofTape.ticks(packet.header, span, groups) { tick throws(ToolError) in
                    ticks.append(tick)
                }
            }
        }
        return ticks
    }

    /// Computes the bars again. The fetched ticks are read kind by kind.
    private func computed(
        _ slice: ProofSlice, _ ticks: [ProofTick]
    ) throws -> ProofRecount.Outcome {
        let fetched = ticks.filter(\.isFetched)
        let read = fetched.filter { $0.trade != nil } + fetched.filter { $0.quote != nil }
        var recount = ProofRecount(
            slice,
            scope: ProofMachine.Scope(
                series: Set(slice.series), from: slice.from, to: slice.to),
            symbols: Set(slice.symbols), fetched: ProofPlaces.inOrder(read))
        for tick in ticks { try recount.take(tick, slice.records) }
        return try recount.finish(slice.records)
    }
}

/// The owner of a partition, who repairs as soon as time is dirty.
private struct MarketOwner {
    private(set) var machine: GraphMachine
    /// The last versions on the tape of bars, but for those that were withdrawn.
    private var versions: [ProofKey: StoredBar] = [:]
    private var revision: UInt64 = 0
    private var output = GraphOutput()

    init(_ definition: GraphDefinition, _ packets: [SimulatedPacket]) {
        machine = GraphMachine(GraphProgram(definition))
        for (place, packet) in packets.enumerated() {
            packet.bytes.withRawSpan { _ = machine.take(packet.header, $0, into: &output) }
            let dirty = output.dirty
            store()
            if !dirty.isEmpty { mend(dirty, packets[...place]) }
        }
    }

    /// The series of trades.
    var series: [SeriesName] {
        machine.program.series.map(\.name).filter { !$0.text.hasPrefix("q") }
    }

    /// The bars of trades.
    var stored: [ProofKey: StoredBar] {
        let series = Set(series)
        return versions.filter { series.contains($0.key.series) }
    }

    private mutating func mend(_ dirty: [DirtyRange], _ packets: ArraySlice<SimulatedPacket>) {
        guard var repair = GraphRepair(machine, dirty) else { return }
        for packet in packets { packet.bytes.withRawSpan { repair.note(packet.header, $0) } }
        if repair.endFirstPass() {
            for packet in packets { packet.bytes.withRawSpan { repair.take(packet.header, $0) } }
        }
        let needs = machine.publishedRanges(of: repair)
        let published = versions.values.map(\.bar).filter { bar in
            needs.contains {
                $0.symbol == bar.symbol && $0.series == bar.series
                    && bar.openTime.nanoseconds < $0.to && bar.closeTime.nanoseconds > $0.from
            }
        }
        machine.absorb(repair, published: published, into: &output)
        store()
    }

    private mutating func store() {
        for bar in output.bars {
            revision += 1
            let key = ProofKey(
                symbol: machine.symbols.pair(at: bar.symbol),
                series: machine.program.series[Int(bar.series)].name,
                openTime: bar.openTime.nanoseconds, number: bar.number)
            versions[key] =
                bar.flags.contains(.withdrawn)
                ? nil : StoredBar(key: key, bar: bar, revision: revision)
        }
        output.removeAll()
    }
}
