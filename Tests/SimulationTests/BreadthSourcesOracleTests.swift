import MarketModel
import OperatorGraph
import Primitives
import Seeds
import SimulationKit
import StreamCore
import TapeCodec
import Testing

/// Breadth over sources that fall silent, come back with or without what they missed, are retired
/// and resumed, are delayed or made up, in all partitions or in one. Which of them counts in which
/// window, and when a window is published, is computed separately: from the packets of ticks, and
/// the order in which those of bars came. To run one world: `TAPELINE_SEED=7`.
@Suite("Breadth over sources and the oracle") struct BreadthSourcesOracleTests {
    @Test("each window has the symbols of the sources that count when it is published")
    func breadth() throws {
        var seen = BreadthSourcesWorld.Seen()
        for seed in Seeds(fixed: 1...60, weight: 0.5).all() {
            var world = try BreadthSourcesWorld(seed: seed)
            guard try world.run(&seen) else { return }
        }
        #expect(
            seen.windows >= Seeds.least(1_000) && seen.late >= Seeds.least(100), "\(seen)")
        #expect(
            min(seen.absent, seen.lower, seen.ahead) >= Seeds.least(100), "\(seen)")
    }
}

private struct BreadthSourcesWorld {
    /// How often things happened, so that no world is empty.
    struct Seen {
        var windows = 0
        /// Bars that came after their window was settled.
        var late = 0
        /// Windows in which a source with bars did not count because it was silent or retired, and
        /// because there were better ones.
        var absent = 0
        var lower = 0
        /// Packets after which a node was at a later time than the packet's partition.
        var ahead = 0
    }

    private struct Feed {
        var name: SourceName
        var provider: String
        var delay: Int64
        var epochs: UInt64 = 1
        /// By partition, until which step it sends nothing, and the last second that it delivered.
        var quietUntil: [Int]
        var delivered: [Int64]
    }

    static let second: Int64 = 1_000_000_000
    private static let silentAfter = 5 * second
    /// A multiple of a day of this calendar.
    private static let start = 1_700_000_010 * second
    private static let steps = 60

    private let seed: UInt64
    private var random: SeededRandom
    private let partitions: Int
    private let graph: GraphDefinition
    private let calendar: SessionCalendar
    private var feeds: [Feed] = []
    private var machines: [GraphMachine]
    private var packets: [[(ticks: PacketHeader, provider: String?, bars: SealedPacket)]]
    private var ordinal: UInt64 = 1

    init(seed: UInt64) throws {
        self.seed = seed
        random = SeededRandom(seed: seed)
        partitions = Int.random(in: 1...3, using: &random)
        let sessions = (0..<12 as Range<Int64>).map { day in
            SessionCalendar.Session(
                open: Self.start + (day - 4) * 15 * Self.second,
                close: Self.start + (day - 3) * 15 * Self.second, day: Int32(20_300_000 + day))
        }
        calendar = try #require(SessionCalendar(name: "short", sessions: sessions))
        let series = try BarSeries(
            name: SimulatedGraphs.name("fine"), window: .tumbling(width: Self.second),
            lateness: Int64.random(in: 0...3, using: &random) * Self.second, fill: .none)
        var graph = GraphDefinition.simple(try BarSeriesSet([series]))
        let choices: [[[String]]] = [[[]], [["a"]], [[], ["a-delayed"]], [["a", "made"], []]]
        for (number, sources) in (choices.randomElement(using: &random) ?? [[]]).enumerated() {
            let rule = BreadthRule(
                series: series.name, universe: [],
                measures: [.advanceDecline, .newHighs(days: 2), .aboveAverage(days: 1)],
                sources: sources.compactMap { SourceName($0) })
            graph = graph.measuring(rule, as: "market\(number)", calendar: calendar.name)
        }
        graph.calendars = [calendar]
        graph.silentAfter = Self.silentAfter
        self.graph = graph
        machines = Array(repeating: GraphMachine(GraphProgram(graph)), count: partitions)
        packets = Array(repeating: [], count: partitions)
        let all: [(name: String, provider: String, delay: Int64)] = [
            ("a", "ibkr", 0), ("b", "ibkr", 0), ("a-delayed", "ibkr", 20), ("made", "replay", 7),
        ]
        for (name, provider, delay) in all where name == "a" || Bool.random(using: &random) {
            feeds.append(
                Feed(
                    name: try #require(SourceName(name)), provider: provider, delay: delay,
                    quietUntil: Array(repeating: 0, count: partitions),
                    delivered: Array(repeating: -delay, count: partitions)))
        }
    }

    // MARK: the tapes

    private mutating func makeTapes() throws {
        for step in 1...Self.steps {
            for feed in feeds.indices.shuffled(using: &random) { try self.step(feed, step) }
        }
    }

    private mutating func step(_ feed: Int, _ step: Int) throws {
        let dice = Int.random(in: 0..<200, using: &random)
        var retires = false
        var quiet: ClosedRange<Int>?
        if dice < 5 { quiet = 0...partitions - 1 }
        if dice == 5 {
            // A single partition does not hear it.
            let partition = Int.random(in: 0..<partitions, using: &random)
            quiet = partition...partition
        }
        if dice == 6 || dice == 7 {
            retires = true
            quiet = 0...partitions - 1
            feeds[feed].epochs += 1
        }
        let pause = step + Int.random(in: 1...20, using: &random)
        for partition in quiet ?? 0...0 where quiet != nil {
            feeds[feed].quietUntil[partition] = pause
        }
        // What it missed may have waited in its spool.
        let hasSpool = Bool.random(using: &random)
        for partition in 0..<partitions {
            if retires { try put(feed, partition, step, second: nil) }
            let until = feeds[feed].quietUntil[partition]
            guard step >= until else { continue }
            if until > 0, step == until, partition == 0 { feeds[feed].epochs += 1 }
            let last = Int64(step) - feeds[feed].delay
            let first = hasSpool ? feeds[feed].delivered[partition] + 1 : last
            for second in first...max(first, last) where second <= last {
                try put(feed, partition, step, second: second)
            }
            feeds[feed].delivered[partition] = last
        }
    }

    /// Puts a packet with the ticks before this second on the tape, or a retirement, and what the
    /// partition makes of it.
    private mutating func put(
        _ feed: Int, _ partition: Int, _ step: Int, second: Int64?
    ) throws {
        let isIdle = second == nil || Int.random(in: 0..<4, using: &random) == 0
        var builder = PacketBuilder(
            kind: isIdle ? .watermark : .ticks, partition: Partition(partition),
            source: feeds[feed].name)
        if let second, !isIdle {
            for number in 0...Int.random(in: 0...1, using: &random) {
                let symbol = builder.register(
                    SymbolDefinition(
                        symbol: try #require(Symbol("S\(partition)\(number)")),
                        provider: feeds[feed].provider, since: .undefined))
                let time = Timestamp(nanoseconds: Self.start + second * Self.second - 500)
                let price = Int64.random(in: 90...110, using: &random) * 1_000_000_000
                let isIn = builder.append(
                    Trade(
                        header: TickHeader(
                            symbol: symbol, providerTime: time, receiveTime: time),
                        price: Price(raw: price), size: Quantity(raw: 100_000_000)))
                try #require(isIn)
            }
        }
        let packet = builder.seal(
            PacketBuilder.Seal(
                epoch: feeds[feed].epochs, firstOrdinal: ordinal,
                watermark: Timestamp(
                    nanoseconds: second.map { Self.start + $0 * Self.second } ?? Int64.min),
                sendTime: Timestamp(nanoseconds: Self.start + Int64(step) * Self.second)),
            flags: second == nil ? .retirement : [])
        ordinal += 2
        var output = GraphOutput()
        let isTaken = packet.withBytes {
            machines[partition].take(packet.header, $0, into: &output)
        }
        try #require(isTaken)
        var bars = PublishedPacket(
            partition: partition, series: try SimulatedGraphs.name("fine"), width: Self.second)
        let machine = machines[partition]
        for bar in output.bars { bars.add(bar, of: machine.symbols.pair(at: bar.symbol)) }
        packets[partition].append(
            (
                packet.header, isIdle ? nil : feeds[feed].provider,
                bars.sealed(watermark: machine.watermark, states: machine.sourceStates)
            ))
    }

    // MARK: the run

    /// Returns whether the machine agreed with the oracle after every packet.
    mutating func run(_ seen: inout Seen) throws -> Bool {
        try makeTapes()
        let made = UniverseProgram(graph, partitions: partitions)
        let program = try #require(made)
        var universe = UniverseMachine(program)
        var oracles = program.nodes.map {
            SourcesOracle(rule: $0.rule, lateness: $0.series.lateness, calendar, partitions)
        }
        var lives = Array(
            repeating: LifeOracle(silentAfter: Self.silentAfter), count: partitions)
        var next = Array(repeating: 0, count: partitions)
        var found = Array(repeating: [BreadthWindowKey: OracleBreadth.Number](), count: 2)
        while let partition = next.indices.filter({ next[$0] < packets[$0].count })
            .randomElement(using: &random)
        {
            let (ticks, provider, bars) = packets[partition][next[partition]]
            next[partition] += 1
            lives[partition].take(ticks, provider: provider)
            for node in oracles.indices {
                oracles[node].take(Self.bars(in: bars), lives, of: partition, &seen)
            }
            var values: [IndicatorValue] = []
            bars.withBytes { universe.take(bars.header, $0, into: &values) }
            if Int.random(in: 0..<10, using: &random) == 0 {
                let isSame = try universe.restore()
                #expect(isSame)
                // A marker says nothing.
                let marker = PublishedPacket(
                    partition: partition, series: try SimulatedGraphs.name("fine"),
                    width: Self.second
                ).marker()
                marker.withBytes { universe.take(marker.header, $0, into: &values) }
            }
            Self.note(values, in: &found, program)
            let isLast = next.indices.allSatisfy { next[$0] == packets[$0].count }
            guard !values.isEmpty || isLast else { continue }
            for node in oracles.indices where found[node] != oracles[node].published {
                let expected = oracles[node].published
                let wrong = Set(found[node].keys).union(expected.keys)
                    .filter { found[node][$0] != expected[$0] }.min { $0.start < $1.start }
                Issue.record(
                    """
                    seed \(seed), partition \(partition), packet \(next[partition]), node \(node): \
                    \(wrong as Any) is \(wrong.flatMap { found[node][$0] } as Any), should be \
                    \(wrong.flatMap { expected[$0] } as Any)
                    """)
                return false
            }
        }
        seen.windows += oracles.reduce(0) { $0 + $1.published.count }
        return true
    }

    private static func bars(in packet: SealedPacket) -> [(SourceSymbol, Bar)] {
        var bars: [(SourceSymbol, Bar)] = []
        packet.withBytes { bytes in
            var walk = PacketWalk(packet.header)
            while let item = walk.next(in: bytes) {
                guard case .bar(let bar) = item,
                    let definition = walk.symbol(bar.symbol, in: bytes),
                    let source = definition.source
                else { continue }
                bars.append((SourceSymbol(definition.symbol, of: source), bar))
            }
        }
        return bars
    }

    private static func note(
        _ values: [IndicatorValue], in found: inout [[BreadthWindowKey: OracleBreadth.Number]],
        _ program: UniverseProgram
    ) {
        for value in values {
            let parts = value.name.split(separator: ".")
            guard let node = program.nodes.firstIndex(where: { $0.name == parts[0] }),
                let measure = program.nodes[node].rule.measures.first(where: {
                    $0.name == parts[1]
                })
            else { continue }
            let key = BreadthWindowKey(measure: measure, start: value.periodStart.nanoseconds)
            if parts.count > 2 {
                found[node][key]?.symbols = Int(value.value / 1_000_000_000)
            } else {
                found[node][key] = OracleBreadth.Number(value: value.value, symbols: 0)
            }
        }
    }
}

/// Names a measure's value in one window.
private struct BreadthWindowKey: Hashable {
    var measure: BreadthMeasure
    var start: Int64
}

// MARK: the oracle

/// What a partition knows of its sources after each packet of ticks.
private struct LifeOracle {
    struct Life {
        /// When it sent its last packet; `nil` before the first.
        var sent: Int64?
        /// The partition's clock when it was last heard.
        var heard: Int64
        var watermark = Int64.min
        var retiredIn: UInt64?
        var isMadeUp = false
    }

    let silentAfter: Int64
    private(set) var lives: [SourceName: Life] = [:]
    private var clock: Int64 = 0
    /// The time over all sources, which never goes back.
    private(set) var reached = Int64.min

    init(silentAfter: Int64) { self.silentAfter = silentAfter }

    mutating func take(_ header: PacketHeader, provider: String?) {
        let sent = header.sendTime.nanoseconds
        var life = lives[header.source] ?? Life(heard: clock)
        if header.retiresSource {
            // It is no sign of life.
            life.retiredIn = max(header.epoch, life.retiredIn ?? 0)
        } else {
            if let epoch = life.retiredIn, header.epoch > epoch { life.retiredIn = nil }
            let step = max(0, sent - (life.sent ?? sent))
            clock = max(clock, life.heard + min(step, 2 * BreadthSourcesWorld.second))
            (life.sent, life.heard) = (sent, clock)
            life.watermark = max(life.watermark, header.watermark.nanoseconds)
            if provider == "replay" { life.isMadeUp = true }
        }
        lives[header.source] = life
        let there = lives.keys.filter { isThere($0) && lives[$0]?.watermark != Int64.min }
        reached = max(reached, there.compactMap { lives[$0]?.watermark }.min() ?? Int64.min)
    }

    func isRetired(_ source: SourceName) -> Bool { lives[source]?.retiredIn != nil }

    func isThere(_ source: SourceName) -> Bool {
        guard let life = lives[source] else { return false }
        return life.retiredIn == nil && clock - life.heard < silentAfter
    }
}

/// The values of one node, by the rules of breadth: nothing is found by state that is carried on,
/// but all of it computed again from the bars that came.
private struct SourcesOracle {
    private let rule: BreadthRule
    private let lateness: Int64
    private let calendar: SessionCalendar
    private var bars: [BarKey: Bar] = [:]
    private var sources: Set<SourceName> = []
    /// By partition, the latest time that its packets gave for this node.
    private var reached: [Int64]
    /// By start of a window, whether its values have to be computed.
    private var isDue: [Int64: Bool] = [:]
    private(set) var published: [BreadthWindowKey: OracleBreadth.Number] = [:]
    private var clock = Int64.min

    init(
        rule: BreadthRule, lateness: Int64, _ calendar: SessionCalendar, _ partitions: Int
    ) {
        self.rule = rule
        self.lateness = lateness
        self.calendar = calendar
        reached = Array(repeating: Int64.min, count: partitions)
    }

    mutating func take(
        _ came: [(SourceSymbol, Bar)], _ lives: [LifeOracle], of partition: Int,
        _ seen: inout BreadthSourcesWorld.Seen
    ) {
        for (symbol, bar) in came
        where rule.sources.isEmpty || rule.sources.contains(symbol.source) {
            sources.insert(symbol.source)
            bars[
                BarKey(
                    symbol: symbol, series: rule.series, openTime: bar.openTime,
                    number: bar.number)] = bar
            let (start, end) = (bar.openTime.nanoseconds, bar.closeTime.nanoseconds)
            let isSettled = clock != Int64.min && end + lateness <= clock
            if isSettled { seen.late += 1 }
            let last = self.end(of: symbol.source, lives)
            if !isSettled, end <= last { isDue[start] = true }
            // A late bar is part of the day from then on, also in windows that may change yet.
            for window in isDue.keys where isSettled ? last > Int64.min : window >= start {
                isDue[window] = true
            }
        }
        let own = lives[partition]
        let counting = own.lives.keys.filter {
            own.isThere($0) && own.lives[$0]?.watermark != Int64.min && isAwaited($0, lives)
        }
        let time = counting.compactMap { own.lives[$0]?.watermark }.min() ?? own.reached
        reached[partition] = max(reached[partition], time)
        let least = reached.min() ?? Int64.min
        guard least > clock else { return }
        clock = least
        if clock > own.reached { seen.ahead += 1 }
        publish(lives, &seen)
        isDue = isDue.filter { $0.key + BreadthSourcesWorld.second + lateness > clock }
    }

    private mutating func publish(
        _ lives: [LifeOracle], _ seen: inout BreadthSourcesWorld.Seen
    ) {
        let due = isDue.keys.filter {
            isDue[$0] == true && $0 + BreadthSourcesWorld.second <= clock
        }
        guard !due.isEmpty else { return }
        let ends = Dictionary(uniqueKeysWithValues: sources.map { ($0, end(of: $0, lives)) })
        let oracle = OracleBreadth(rule, calendar, bars: bars, told: [:])
        for start in due {
            let end = start + BreadthSourcesWorld.second
            let out = ends.values.filter { $0 < end }
            if out.contains(Int64.min) { seen.lower += 1 }
            if out.contains(where: { $0 > Int64.min }) { seen.absent += 1 }
            for measure in rule.measures {
                published[BreadthWindowKey(measure: measure, start: start)] = oracle.number(
                    measure, Timestamp(nanoseconds: start)
                ) { ends[$0] ?? Int64.max >= end }
            }
            isDue[start] = false
        }
    }

    // MARK: which sources count

    private enum Kind: Int { case real, delayed, madeUp }

    private func kind(_ source: SourceName, _ lives: [LifeOracle]) -> Kind {
        if lives.contains(where: { $0.lives[source]?.isMadeUp == true }) { return .madeUp }
        return source.text.hasSuffix("-delayed") ? .delayed : .real
    }

    /// The best kind of a source with bars that is not retired everywhere; `nil` when there is
    /// none.
    private func best(_ lives: [LifeOracle]) -> Int? {
        sources.filter { source in lives.contains { !$0.isRetired(source) } }
            .map { kind($0, lives).rawValue }.min()
    }

    private func isAwaited(_ source: SourceName, _ lives: [LifeOracle]) -> Bool {
        guard rule.sources.isEmpty else { return rule.sources.contains(source) }
        return best(lives).map { kind(source, lives).rawValue <= $0 } ?? true
    }

    /// Returns the end of the last window in which a source counts.
    private func end(of source: SourceName, _ lives: [LifeOracle]) -> Int64 {
        if rule.sources.isEmpty, kind(source, lives).rawValue > best(lives) ?? 0 {
            return Int64.min
        }
        // A partition without a packet of it knows nothing against it.
        let isHeard = lives.contains { $0.isThere(source) || $0.lives[source] == nil }
        return isHeard
            ? Int64.max : lives.compactMap { $0.lives[source]?.watermark }.max() ?? Int64.max
    }
}
