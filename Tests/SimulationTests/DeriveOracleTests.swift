import MarketModel
import OperatorGraph
import Primitives
import Seeds
import SimulationKit
import StreamCore
import TapeCodec
import Testing

/// Numbers of several symbols and of providers' values over two or three partitions, whose packets
/// come in any order. Ticks come late, partitions repair their bars, and owners of partitions and
/// of the share over all of them begin again. What is published after each packet is compared with
/// `OracleDerive`. To run one world: `TAPELINE_SEED=7`.
@Suite("Numbers of several symbols and the oracle") struct DeriveOracleTests {
    @Test("after each packet, what stands is what the oracle says of all that came")
    func worlds() throws {
        var seen = DeriveWorld.Seen()
        for seed in Seeds(fixed: 1...60, weight: 0.5).all() {
            var world = try DeriveWorld(seed: seed)
            guard try world.run(&seen) else { return }
        }
        #expect(
            seen.windows >= Seeds.least(500) && seen.revised >= Seeds.least(20), "\(seen)")
        #expect(seen.late >= Seeds.least(5) && seen.aged >= Seeds.least(100), "\(seen)")
        #expect(
            seen.repairs >= Seeds.least(50) && seen.passedOn >= Seeds.least(500), "\(seen)")
    }
}

private struct DeriveWorld {
    /// How often things happened, so that no world is empty.
    struct Seen {
        var windows = 0
        /// Numbers that were published again.
        var revised = 0
        /// Bars that came after their window was settled.
        var late = 0
        /// Closes of earlier windows that were taken.
        var aged = 0
        var repairs = 0
        /// Providers' values that partitions passed on.
        var passedOn = 0
    }

    private static let second: Int64 = 1_000_000_000

    private let seed: UInt64
    private var random: SeededRandom
    private var markets: [SimulatedInput] = []
    private let series: BarSeries
    private var graph: GraphDefinition
    private var oracles: [OracleDerive] = []
    /// By node and start of a window, the number that stands, and how often one was published.
    private var found: [[Int64: Int128]] = []
    private var publications: [[Int64: UInt64]] = []

    init(seed: UInt64) throws {
        self.seed = seed
        random = SeededRandom(seed: seed)
        let width = ([1, 5] as [Int64]).randomElement(using: &random) ?? 1
        series = try BarSeries(
            name: SimulatedGraphs.name("fine"), window: .tumbling(width: width * Self.second),
            lateness: SimulatedGraphs.lateness(using: &random),
            fill: Bool.random(using: &random) ? .previousClose(max: 3) : .none)
        graph = GraphDefinition.simple(try BarSeriesSet([series]))
        // `BreadthSourcesOracleTests` has silent sources.
        graph.silentAfter = 2 * SimulatedInput.silence
        var symbols: [Symbol] = []
        for partition in 0..<Int.random(in: 2...3, using: &random) {
            symbols += try addMarket(of: partition)
        }
        // A few, so that most windows have several of them.
        symbols = Array(symbols.shuffled(using: &random).prefix(3))
        for node in 0..<Int.random(in: 1...3, using: &random) { try addNode(node, symbols) }
    }

    /// Makes the market of a partition, and returns its symbols.
    private mutating func addMarket(of partition: Int) throws -> [Symbol] {
        var weather = MarketWeather(using: &random, withRepairs: true)
        weather.prefix = "\(partition)-"
        weather.symbols = Int.random(in: 1...2, using: &random)
        weather.values = 400
        markets.append(SimulatedInput(weather, using: &random))
        var names = (0..<weather.sources).flatMap { source in
            (0..<weather.symbols).map { "S\(source)\($0)" }
        }
        if weather.sources > 1 { names.append("SHARED") }
        return try names.map { try #require(Symbol(weather.prefix + $0)) }
    }

    private mutating func addNode(_ node: Int, _ symbols: [Symbol]) throws {
        let formula = try #require(OracleDerive.formulas.randomElement(using: &random))
        var inputs: [Derivation.Input] = []
        for (place, field) in formula.fields.enumerated() {
            let symbol = try #require(symbols.randomElement(using: &random))
            let told = Derivation.Indicator(alias: "v\(place)", symbol: symbol, name: "value")
            inputs.append(field.map { .bar(symbol, $0) } ?? .indicator(told))
        }
        let sources: [[String]] = [[], [], ["src0"], ["src0", "src1"]]
        let ages: [Int64] = [0, 10, 60]
        let rule = ScanRule(
            series: series.name,
            sources: (sources.randomElement(using: &random) ?? []).compactMap { SourceName($0) },
            deriving: formula.expression,
            Derivation(
                inputs: inputs,
                maxAge: (ages.randomElement(using: &random) ?? 0) * Self.second))
        graph = graph.scanning(rule, as: "node\(node)")
        oracles.append(OracleDerive(rule, formula, of: series, partitions: markets.count))
        found.append([:])
        publications.append([:])
    }

    // MARK: the run

    /// Returns whether the machine agreed with the oracle after every packet.
    mutating func run(_ seen: inout Seen) throws -> Bool {
        let runs = try tapes()
        var universe = UniverseMachine(
            try #require(UniverseProgram(graph, partitions: runs.count)))
        var next = Array(repeating: 0, count: runs.count)
        while let partition = next.indices.filter({ next[$0] < runs[$0].turns.count })
            .randomElement(using: &random)
        {
            let run = runs[partition]
            let turn = run.turns[next[partition]]
            next[partition] += 1
            let packet = published(turn, of: run, partition)
            var values: [IndicatorValue] = []
            packet.withBytes { universe.take(packet.header, $0, into: &values) }
            if Int.random(in: 0..<10, using: &random) == 0 {
                let isSame = try universe.restore()
                #expect(isSame)
            }
            for value in values { note(value, &seen) }
            for node in oracles.indices {
                if let place = turn.packet {
                    oracles[node].take(markets[partition].packets[place], of: partition)
                }
                for version in run.versions[turn.versions] {
                    oracles[node].take(version.bar, version.key)
                }
                let hasMoved = oracles[node].advance(partition)
                guard hasMoved || !values.isEmpty else { continue }
                guard agrees(node) else { return false }
            }
        }
        for oracle in oracles {
            seen.windows += oracle.published.count
            seen.late += oracle.late
            seen.aged += oracle.aged
        }
        for run in runs {
            seen.repairs += run.repairs
            seen.passedOn += run.passedOn.count
        }
        return true
    }

    /// Runs the partitions, whose owners begin again at any packet.
    private mutating func tapes() throws -> [GraphRun] {
        var runs: [GraphRun] = []
        for market in markets {
            let last = UInt64(market.packets.count)
            var places: Set<UInt64> = []
            for _ in 0..<4 { places.insert(UInt64.random(in: 1...last, using: &random)) }
            runs.append(
                try GraphRun(graph, market.packets, restoredBehind: places, mends: true))
        }
        return runs
    }

    private func published(
        _ turn: GraphRun.Turn, of run: GraphRun, _ partition: Int
    ) -> SealedPacket {
        var packet = PublishedPacket(
            partition: partition, series: series.name, width: series.widthNanoseconds)
        for version in run.versions[turn.versions] {
            packet.add(version.bar, of: version.key.symbol)
        }
        for (symbol, value) in run.passedOn[turn.passedOn] {
            packet.add(
                value.name, value.value, from: value.periodStart, to: value.periodEnd, of: symbol)
        }
        return packet.sealed(watermark: turn.watermark, states: turn.states)
    }

    private mutating func note(_ value: IndicatorValue, _ seen: inout Seen) {
        guard let node = oracles.indices.first(where: { value.name == "node\($0).value" }) else {
            Issue.record("TAPELINE_SEED=\(seed): \(value.name) should not be there")
            return
        }
        let start = value.periodStart.nanoseconds
        #expect(
            value.revision == publications[node][start, default: 0], "TAPELINE_SEED=\(seed)")
        seen.revised += value.revision > 0 ? 1 : 0
        publications[node][start, default: 0] += 1
        found[node][start] = value.value == IndicatorValue.undefined ? nil : value.value
    }

    private func agrees(_ node: Int) -> Bool {
        let expected = oracles[node].published
        guard found[node] != expected else { return true }
        let wrong = Set(found[node].keys).union(expected.keys)
            .filter { found[node][$0] != expected[$0] }.min()
        Issue.record(
            """
            TAPELINE_SEED=\(seed), node \(node): \(wrong as Any) is \
            \(wrong.flatMap { found[node][$0] } as Any), should be \
            \(wrong.flatMap { expected[$0] } as Any)
            """)
        return false
    }
}
