import MarketModel
import OperatorGraph
import Primitives
import SimulationKit
import StreamCore
import TapeCodec
import Testing

/// What a partition says of its sources, by which values over several sources know who counts.
/// `BreadthSourcesOracleTests` has the values.
@Suite("Sources that count")
struct CountingSourcesTests {
    private static let second: Int64 = 1_000_000_000

    private static func name(_ text: String) throws -> SourceName {
        try #require(SourceName(text))
    }

    private static func graph(_ group: SourceGroups.Group) throws -> GraphDefinition {
        let rule = BreadthRule(
            series: try #require(SeriesName("1s")), universe: [], measures: [.advanceDecline])
        var graph = GraphDefinition.simple(try BarSeriesSet(["1s"])).measuring(rule)
        graph.groups = SourceGroups([group])
        return graph
    }

    private func state(
        _ source: String, _ presence: SourceState.Presence, _ kind: SourceKind = .real,
        since: Int64 = Int64.max, until watermark: Int64 = Int64.max
    ) throws -> SourceState {
        SourceState(
            source: try Self.name(source), presence: presence, kind: kind,
            since: Timestamp(nanoseconds: since), watermark: Timestamp(nanoseconds: watermark))
    }

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
        var machine = GraphMachine(GraphProgram(try Self.graph(group)))
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
