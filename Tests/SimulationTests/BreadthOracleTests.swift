import MarketModel
import OperatorGraph
import Primitives
import Seeds
import SimulationKit
import StreamCore
import TapeCodec
import Testing

/// Breadth and a scan over two or three partitions, whose packets come in any order, compared with
/// separate calculations over their last bars. To run one world: `TAPELINE_SEED=7`.
@Suite("Breadth and the oracle") struct BreadthOracleTests {
    @Test("the last values of all windows are what the oracle says of the last bars")
    func breadth() throws {
        var (windows, warmed, withdrawn, leftOut) = (0, 0, 0, 0)
        var (listed, beyond, left) = (0, 0, 0)
        let seeds = Seeds(fixed: 1...60).all()
        for seed in seeds {
            var world = try BreadthWorld(seed: seed)
            try world.run()
            guard !world.hasBarsBehindTime else {
                leftOut += 1
                continue
            }
            let expected = world.expected
            for (key, number) in expected where world.found[key] != number {
                let other = world.found[key]
                Issue.record(
                    "TAPELINE_SEED=\(seed): \(key) expected \(number), found \(other as Any)")
                return
            }
            for key in world.found.keys where expected[key] == nil {
                Issue.record("TAPELINE_SEED=\(seed): \(key) should not be there")
                return
            }
            if let problem = world.scanProblem {
                Issue.record("TAPELINE_SEED=\(seed): \(problem)")
                return
            }
            listed += world.scanned.count
            beyond += world.scanned.filter { $0.key.number == "left_out" && $0.value > 0 }.count
            left += world.symbolsLeft
            windows += expected.count
            withdrawn += world.withdrawn
            warmed += expected.values.filter { $0.symbols > 1 }.count
        }
        #expect(!Seeds.isNight || leftOut < seeds.count / 4, "\(leftOut) worlds left out")
        #expect(windows >= Seeds.least(1_000))
        #expect(warmed >= Seeds.least(100))
        #expect(withdrawn >= Seeds.least(20))
        #expect(listed >= Seeds.least(1_000))
        #expect(beyond >= Seeds.least(100))
        #expect(left >= Seeds.least(20))
    }
}

/// Identifies one value.
private struct BreadthPlace: Hashable {
    var name: String
    var start: Int64
}

private struct BreadthWorld {
    private static let second: Int64 = 1_000_000_000
    private static let measures: [BreadthMeasure] = [
        .advanceDecline, .advanceDeclineRatio, .newHighs(days: 2), .newLows(days: 1),
        .aboveAverage(days: 3),
    ]
    /// The number of days before the calendar's first one that the provider reports.
    private static let daysTold: Int64 = 4

    private var random: SeededRandom
    private let definition: GraphDefinition
    private let rule: BreadthRule
    private let scan: ScanRule
    /// The index of the scan's condition in `OracleScan.conditions`.
    private let condition: Int
    private let calendar: SessionCalendar
    private let partitions: Int
    private var universe: UniverseMachine
    /// Per partition, the packets of its bars.
    private var tapes: [[SealedPacket]] = []
    private var bars: [BarKey: Bar] = [:]
    private var told: [SourceSymbol: [Int32: OracleBreadth.Day]] = [:]
    private(set) var found: [BreadthPlace: OracleBreadth.Number] = [:]
    /// The last values of the scan, without those of symbols that left.
    private(set) var scanned: [OracleScan.Place: Int128] = [:]
    /// How often a symbol left the list of a window.
    private(set) var symbolsLeft = 0
    /// True if a source began when its partition had already come farther. Then it depends on the
    /// progress of the other partitions whether its first bars still count in a window. The oracle
    /// cannot know that, because it sees only the last bars.
    private(set) var hasBarsBehindTime = false
    private(set) var withdrawn = 0

    init(seed: UInt64) throws {
        random = SeededRandom(seed: seed)
        partitions = Int.random(in: 2...3, using: &random)
        let width = ([1, 5] as [Int64]).randomElement(using: &random) ?? 1
        let series = try BarSeries(
            name: SimulatedGraphs.name("fine"), window: .tumbling(width: width * Self.second),
            lateness: SimulatedGraphs.lateness(using: &random),
            fill: Bool.random(using: &random) ? .previousClose(max: 3) : .none)
        calendar = try Self.calendar(sessionSeconds: 25)
        rule = BreadthRule(
            series: series.name, universe: [], measures: Self.measures,
            warmsUp: Bool.random(using: &random))
        (scan, condition) = Self.scan(of: series.name, seed: seed)
        var graph = GraphDefinition.simple(try BarSeriesSet([series]))
            .measuring(rule, calendar: calendar.name).scanning(scan)
        graph.calendars = [calendar]
        // The market ends after a long silence. Sources that were not waited for then would have
        // their bars behind time. `BreadthSourcesOracleTests` has silent sources.
        graph.silentAfter = 2 * SimulatedInput.silence
        definition = graph
        universe = UniverseMachine(
            try #require(UniverseProgram(graph, partitions: partitions)))
    }

    /// Its choices have random numbers of their own, so that it does not decide the rest.
    private static func scan(of series: SeriesName, seed: UInt64) -> (ScanRule, Int) {
        var random = SeededRandom(seed: seed ^ 0x5ca1_ab1e)
        let condition = Int.random(in: OracleScan.conditions.indices, using: &random)
        let numbers = ScanRule.fields.filter { _ in Bool.random(using: &random) }
        let rule = ScanRule(
            series: series, condition: OracleScan.conditions[condition].expression,
            numbers: numbers.isEmpty ? [.close] : numbers,
            rank: ScanRule.fields.randomElement(using: &random) ?? .volume,
            most: Int.random(in: 1...3, using: &random))
        return (rule, condition)
    }

    /// Returns days of half a minute, after some complete days that a provider reports.
    private static func calendar(sessionSeconds: Int64) throws -> SessionCalendar {
        let first = SimulatedInput.start - 3 * second
        let long = 86_400 * second
        let before = (0..<daysTold).map { index in
            let open = first - (daysTold - index) * long
            return SessionCalendar.Session(
                open: open, close: open + long / 2, day: Int32(20_200_101 + index))
        }
        let sessions = (0..<400 as Range<Int64>).map { index in
            SessionCalendar.Session(
                open: first + index * 30 * second,
                close: first + (index * 30 + sessionSeconds) * second,
                day: Int32(20_300_000 + index))
        }
        return try #require(SessionCalendar(name: "short", sessions: before + sessions))
    }

    mutating func run() throws {
        for partition in 0..<partitions { try makeTape(partition) }
        var next = Array(repeating: 0, count: partitions)
        var values: [IndicatorValue] = []
        while let partition = next.indices.filter({ next[$0] < tapes[$0].count })
            .randomElement(using: &random)
        {
            let packet = tapes[partition][next[partition]]
            next[partition] += 1
            packet.withBytes { universe.take(packet.header, $0, into: &values) }
            if Int.random(in: 0..<10, using: &random) == 0 {
                let isSame = try universe.restore()
                #expect(isSame)
            }
        }
        for value in values where value.name.hasPrefix("found.") { keep(value) }
        values.removeAll { $0.name.hasPrefix("found.") }
        for value in values where !value.name.hasSuffix(".symbols") {
            found[Self.place(value)] = OracleBreadth.Number(value: value.value, symbols: 0)
        }
        for value in values where value.name.hasSuffix(".symbols") {
            var place = Self.place(value)
            place.name.removeLast(".symbols".count)
            found[place]?.symbols = Int(value.value / 1_000_000_000)
        }
    }

    /// Keeps a value of the scan.
    private mutating func keep(_ value: IndicatorValue) {
        let place = OracleScan.Place(
            String(value.name.dropFirst("found.".count)),
            universe.symbol(at: value.header.symbol), value.periodStart)
        let isGone = value.value == IndicatorValue.undefined
        symbolsLeft += isGone ? 1 : 0
        scanned[place] = isGone ? nil : value.value
    }

    private static func place(_ value: IndicatorValue) -> BreadthPlace {
        BreadthPlace(name: value.name, start: value.periodStart.nanoseconds)
    }

    // MARK: what a partition publishes

    private mutating func makeTape(_ partition: Int) throws {
        let market = SimulatedInput(MarketWeather(using: &random), using: &random)
        var machine = GraphMachine(GraphProgram(definition))
        var output = GraphOutput()
        var packets: [SealedPacket] = []
        for packet in market.packets {
            let before = machine.watermark
            packet.bytes.withRawSpan { _ = machine.take(packet.header, $0, into: &output) }
            if output.bars.contains(where: { isSettled($0, before) }) { hasBarsBehindTime = true }
            packets += try published(output.bars, of: machine, partition)
            output.removeAll()
        }
        var first: [SealedPacket] = []
        if rule.warmsUp { first = try tellDays(machine, partition) }
        tapes.append(first + packets)
    }

    private func isSettled(_ bar: Bar, _ watermark: Timestamp) -> Bool {
        watermark.isDefined
            && bar.closeTime.advanced(byNanoseconds: definition.seriesLateness) <= watermark
    }

    /// Returns a symbol. No two partitions share one.
    private static func symbol(
        _ index: UInt32, of machine: GraphMachine, _ partition: Int
    ) throws -> SourceSymbol {
        let pair = machine.symbols.pair(at: index)
        return SourceSymbol(
            try #require(Symbol("\(partition)-\(pair.symbol)")), of: pair.source)
    }

    private mutating func published(
        _ closed: [Bar], of machine: GraphMachine, _ partition: Int
    ) throws -> [SealedPacket] {
        var packet = packet(partition)
        for bar in closed {
            let symbol = try Self.symbol(bar.symbol, of: machine, partition)
            var versions = [bar]
            // As a repair withdraws a bar whose trades were all taken back.
            if !rule.warmsUp, bar.trades > 0, Int.random(in: 0..<20, using: &random) == 0 {
                versions.append(Self.withdrawal(of: bar))
                withdrawn += 1
            }
            for version in versions { packet.add(version, of: symbol) }
            bars[
                BarKey(
                    symbol: symbol, series: rule.series, openTime: bar.openTime,
                    number: bar.number)] = versions.last
        }
        return [packet.sealed(watermark: machine.watermark)]
    }

    private static func withdrawal(of bar: Bar) -> Bar {
        var none = Bar(symbol: 0, series: 0, openTime: bar.openTime, closeTime: bar.closeTime)
        none.flags = [.final, .withdrawn]
        none.reason = BarReason.repair.rawValue
        return none
    }

    /// Adds provider's bars of some symbols and days.
    private mutating func tellDays(
        _ machine: GraphMachine, _ partition: Int
    ) throws -> [SealedPacket] {
        var packets: [SealedPacket] = []
        for index in 0..<UInt32(machine.symbols.count) {
            let symbol = try Self.symbol(index, of: machine, partition)
            for session in calendar.sessions.prefix(Int(Self.daysTold) + 3)
            where Int.random(in: 0..<4, using: &random) > 0 {
                let close = Int64.random(in: 1...9, using: &random) * Self.second
                let day = OracleBreadth.Day(
                    high: close + Self.second, low: close - Self.second, close: close)
                told[symbol, default: [:]][session.day] = day
                var packet = packet(partition)
                for (name, price) in [
                    ("high", day.high), ("low", day.low), ("close", day.close),
                ] {
                    packet.add(
                        "market.history.\(name)", Int128(price),
                        from: Timestamp(nanoseconds: session.open),
                        to: Timestamp(nanoseconds: session.close), of: symbol)
                }
                packets.append(packet.sealed(watermark: SourceTable.noWatermark))
            }
        }
        return packets
    }

    private func packet(_ partition: Int) -> PublishedPacket {
        PublishedPacket(
            partition: partition, series: rule.series, width: definition.seriesWidth)
    }

    // MARK: the oracle

    /// What is wrong with the scan; `nil` when nothing is.
    var scanProblem: String? {
        let expected = OracleScan(scan, condition: condition, bars: bars).numbers
        for place in Set(expected.keys).union(scanned.keys)
        where expected[place] != scanned[place] {
            return "\(place) expected \(expected[place] as Any), "
                + "found \(scanned[place] as Any)"
        }
        return nil
    }

    var expected: [BreadthPlace: OracleBreadth.Number] {
        let oracle = OracleBreadth(rule, calendar, bars: bars, told: told)
        var expected: [BreadthPlace: OracleBreadth.Number] = [:]
        for (measure, numbers) in oracle.numbers {
            for (start, number) in numbers {
                expected[
                    BreadthPlace(name: "market.\(measure.name)", start: start.nanoseconds)] = number
            }
        }
        return expected
    }
}

extension GraphDefinition {
    fileprivate var seriesWidth: Int64 { onlySeries?.widthNanoseconds ?? 0 }
    fileprivate var seriesLateness: Int64 { onlySeries?.lateness ?? 0 }

    private var onlySeries: BarSeries? {
        for node in nodes {
            if case .bars(let rule, _) = node.operation { return rule.series.all[0] }
        }
        return nil
    }
}
