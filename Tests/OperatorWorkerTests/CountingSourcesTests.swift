import MarketModel
import OperatorGraph
import Primitives
import SimulationKit
import StreamCore
import TapeCodec
import Testing

/// Which sources count for values over several sources: from packets of ticks to those of bars, and
/// from these to values.
@Suite("Sources that count")
struct CountingSourcesTests {
    private static let second: Int64 = 1_000_000_000
    private static let day: Int64 = 86_400_000_000_000

    private static func name(_ text: String) throws -> SourceName {
        try #require(SourceName(text))
    }

    private static func graph(
        sources: [String] = [], groups: [SourceGroups.Group] = []
    ) throws -> GraphDefinition {
        let rule = BreadthRule(
            series: try #require(SeriesName("1s")), universe: [], measures: [.advanceDecline],
            sources: try sources.map { try name($0) })
        var graph = GraphDefinition.simple(try BarSeriesSet(["1s"])).measuring(rule)
        graph.groups = SourceGroups(groups)
        return graph
    }

    // MARK: values

    /// Returns a packet of a partition's bars, with a bar of symbol X for each source, and what the
    /// partition says of sources.
    private func packet(
        _ partition: Int, _ closes: [String: Int64], at time: Int64,
        states: [SourceState] = []
    ) throws -> SealedPacket {
        var packet = PublishedPacket(
            partition: partition, series: try #require(SeriesName("1s")), width: Self.second)
        for (source, close) in closes.sorted(by: { $0.key < $1.key }) {
            packet.add(
                Bar(from: time, to: time + Self.second, price: close),
                of: SourceSymbol(
                    try #require(Symbol("X\(partition)")), of: try Self.name(source)))
        }
        return packet.sealed(
            watermark: Timestamp(nanoseconds: time + Self.second), states: states)
    }

    private func state(
        _ source: String, _ presence: SourceState.Presence, _ kind: SourceKind = .real,
        since: Int64 = Int64.max, until watermark: Int64 = Int64.max
    ) throws -> SourceState {
        SourceState(
            source: try Self.name(source), presence: presence, kind: kind,
            since: Timestamp(nanoseconds: since), watermark: Timestamp(nanoseconds: watermark))
    }

    /// A machine that is restored from its bytes before each packet.
    private struct Run {
        var machine: UniverseMachine

        init(_ graph: GraphDefinition, partitions: Int) throws {
            machine = UniverseMachine(
                try #require(UniverseProgram(graph, partitions: partitions)))
        }

        /// Returns the number of symbols of each value that the packets give, by second of the day.
        mutating func take(_ packets: SealedPacket...) throws -> [Int64: Int] {
            var values: [IndicatorValue] = []
            for packet in packets {
                let isSame = try machine.restore()
                #expect(isSame)
                packet.withBytes { machine.take(packet.header, $0, into: &values) }
            }
            var symbols: [Int64: Int] = [:]
            for value in values where value.name == "market.advance_decline.symbols" {
                let second = value.periodStart.nanoseconds % CountingSourcesTests.day
                symbols[second / CountingSourcesTests.second] = Int(value.value / 1_000_000_000)
            }
            return symbols
        }
    }

    private func at(_ second: Int64) -> Int64 { Self.day + second * Self.second }

    /// Returns a run in which sources a and b each had a day before, in one partition.
    private func begun(
        _ graph: GraphDefinition, _ states: [SourceState] = []
    ) throws -> Run {
        var run = try Run(graph, partitions: 1)
        _ = try run.take(packet(0, ["a": 5, "b": 5], at: 0, states: states))
        return run
    }

    @Test(
        "a source that is silent or retired counts up to its last watermark, and when it is back",
        arguments: [SourceState.Presence.silent, .retired], [[], ["a", "b"]])
    func absent(presence: SourceState.Presence, named: [String]) throws {
        var run = try begun(try Self.graph(sources: named))
        #expect(try run.take(packet(0, ["a": 6, "b": 6], at: at(0))) == [0: 2])
        #expect(try run.take(packet(0, ["a": 7], at: at(1))) == [1: 2])
        let gone = try state("b", presence, since: at(1))
        #expect(try run.take(packet(0, ["a": 8], at: at(2), states: [gone])) == [2: 1])
        // A marker says nothing.
        _ = try run.take(
            PublishedPacket(
                partition: 0, series: try #require(SeriesName("1s")), width: Self.second
            ).marker())
        #expect(try run.take(packet(0, ["a": 8], at: at(3), states: [gone])) == [3: 1])
        #expect(try run.take(packet(0, ["a": 8, "b": 9], at: at(4))) == [4: 2])
    }

    @Test("a source counts as long as one partition hears it")
    func partitions() throws {
        var run = try Run(try Self.graph(), partitions: 2)
        _ = try run.take(packet(0, ["a": 5, "b": 5], at: 0), packet(1, ["b": 5], at: 0))
        _ = try run.take(packet(0, ["a": 5, "b": 5], at: at(0)), packet(1, ["b": 5], at: at(0)))
        let gone = try state("b", .silent, since: at(1))
        let one = try run.take(
            packet(0, ["a": 6], at: at(1), states: [gone]), packet(1, [:], at: at(1)))
        #expect(one == [1: 3])
        let both = try run.take(
            packet(0, ["a": 6], at: at(2), states: [gone]),
            packet(1, [:], at: at(2), states: [gone]))
        #expect(both == [2: 1])
    }

    @Test("made-up and delayed ticks count where there are no better ones, unless they are named")
    func kinds() throws {
        let (madeUp, delayed) = (
            try state("b", .present, .madeUp), try state("b", .present, .delayed)
        )
        for worse in [madeUp, delayed] {
            var run = try begun(try Self.graph(), [worse])
            #expect(
                try run.take(packet(0, ["a": 6, "b": 6], at: at(0), states: [worse])) == [0: 1])
            // Its bars alone make no value.
            #expect(try run.take(packet(0, ["b": 6], at: at(1), states: [worse])) == [:])
            // A silent source keeps it out, a retired one does not.
            let silent = try state("a", .silent, since: at(2))
            #expect(try run.take(packet(0, ["b": 6], at: at(2), states: [silent, worse])) == [:])
            let retired = try state("a", .retired, since: at(2))
            #expect(
                try run.take(packet(0, ["b": 6], at: at(3), states: [retired, worse])) == [3: 1])
            var named = try begun(try Self.graph(sources: ["b"]), [worse])
            #expect(
                try named.take(packet(0, ["a": 6, "b": 6], at: at(0), states: [worse])) == [0: 1])
        }
        var run = try begun(try Self.graph(), [try state("a", .present, .delayed), madeUp])
        #expect(
            try run.take(
                packet(
                    0, ["a": 6, "b": 6], at: at(0),
                    states: [try state("a", .present, .delayed), madeUp])) == [0: 1])
        var alone = try begun(
            try Self.graph(), [try state("a", .present, .madeUp), madeUp])
        #expect(
            try alone.take(
                packet(
                    0, ["a": 6, "b": 6], at: at(0),
                    states: [try state("a", .present, .madeUp), madeUp])) == [0: 2])
    }

    // MARK: states

    private func ticks(
        _ source: String, _ provider: String, at time: Int64, epoch: UInt64 = 1,
        ordinal: UInt64 = 1, retires: Bool = false
    ) throws -> SealedPacket {
        var builder = PacketBuilder(
            kind: retires ? .watermark : .ticks, partition: Partition(0),
            source: try Self.name(source))
        if !retires {
            let symbol = builder.register(
                SymbolDefinition(
                    symbol: try #require(Symbol("X")), provider: provider, since: .undefined))
            let stamp = Timestamp(nanoseconds: time)
            let isIn = builder.append(
                Trade(
                    header: TickHeader(symbol: symbol, providerTime: stamp, receiveTime: stamp),
                    price: Price(raw: 5), size: Quantity(raw: 5)))
            #expect(isIn)
        }
        return builder.seal(
            PacketBuilder.Seal(
                epoch: epoch, firstOrdinal: ordinal,
                watermark: Timestamp(nanoseconds: retires ? Int64.min : time),
                sendTime: Timestamp(nanoseconds: time)),
            marker: retires
                ? EpochMarker(startOrdinal: 1, previousEpoch: 1, previousSequence: 1) : nil,
            flags: retires ? .retirement : [])
    }

    private func take(_ packet: SealedPacket, _ machine: inout GraphMachine) {
        var output = GraphOutput()
        let isTaken = packet.withBytes { machine.take(packet.header, $0, into: &output) }
        #expect(isTaken)
    }

    @Test("a partition says which sources are made up, delayed, silent or retired, and their times")
    func states() throws {
        let group = SourceGroups.Group(
            name: try Self.name("ib"), members: [try Self.name("ib-a"), try Self.name("ib-b")])
        var machine = GraphMachine(GraphProgram(try Self.graph(groups: [group])))
        let start = 1_000 * Self.second
        for (source, provider) in [
            ("real", "ibkr"), ("late-delayed", "ibkr"), ("made", "synthetic"), ("ib-a", "ibkr"),
            ("ib-b", "replay"),
        ] {
            take(try ticks(source, provider, at: start), &machine)
        }
        #expect(
            machine.sourceStates == [
                try state("ib", .present, until: start),
                try state("late-delayed", .present, .delayed, until: start),
                try state("made", .present, .madeUp, until: start),
                try state("real", .present, until: start),
            ])
        take(try ticks("made", "", at: start, epoch: 2, retires: true), &machine)
        #expect(machine.sourceStates[2] == (try state("made", .retired, .madeUp, since: start)))
        // The others are silent after a minute, the group when all its members are.
        for second in 1...70 as ClosedRange<Int64> {
            take(
                try ticks(
                    "real", "ibkr", at: start + second * Self.second, ordinal: UInt64(second) + 1),
                &machine)
        }
        #expect(
            machine.sourceStates == [
                try state("ib", .silent, .real, since: start),
                try state("late-delayed", .silent, .delayed, since: start),
                try state("made", .retired, .madeUp, since: start),
                try state("real", .present, until: start + 70 * Self.second),
            ])
        // The watermark over several sources waits for none of them, and does not go back.
        let reached = Timestamp(nanoseconds: start + 70 * Self.second)
        #expect(machine.watermark == reached)
        take(try ticks("ib-b", "replay", at: start + Self.second, ordinal: 2), &machine)
        take(try ticks("made", "synthetic", at: start, epoch: 3, ordinal: 2), &machine)
        #expect(machine.watermark == reached)
        #expect(machine.sourceStates[0] == (try state("ib", .present, until: start + Self.second)))
        #expect(machine.sourceStates[2] == (try state("made", .present, .madeUp, until: start)))
        #expect(machine.sourceStates.filter { !$0.isUsual }.count == 2)
        let plain = GraphMachine(GraphProgram(.simple(try BarSeriesSet(["1s"]))))
        #expect(plain.sourceStates.isEmpty)
    }
}
