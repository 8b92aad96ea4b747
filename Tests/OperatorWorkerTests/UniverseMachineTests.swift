import MarketModel
import OperatorGraph
import Primitives
import SimulationKit
import StreamCore
import TapeCodec
import Testing

/// The machine that works over all partitions, packet by packet.
@Suite("The machine of the universe")
struct UniverseMachineTests {
    private static let second: Int64 = 1_000_000_000
    private static let day: Int64 = 86_400_000_000_000

    private let program: UniverseProgram

    init() throws { program = try #require(UniverseProgram(Self.graph(), partitions: 2)) }

    private static func graph(
        universe: [String] = [], groups: [SourceGroups.Group] = []
    ) throws -> GraphDefinition {
        let rule = BreadthRule(
            series: try #require(SeriesName("1s")), universe: universe.compactMap { Symbol($0) },
            measures: [.advanceDecline], sources: groups.map(\.name))
        var graph = GraphDefinition.simple(try BarSeriesSet(["1s", "1m"])).measuring(rule)
        graph.groups = SourceGroups(groups)
        return graph
    }

    /// Returns a packet of one partition, with a one-second bar for each close.
    private func packet(
        _ partition: Int, _ closes: [String: Int64] = [:], at time: Int64,
        until watermark: Int64, series: String = "1s", source: String = "test",
        isLate: Bool = false
    ) throws -> SealedPacket {
        var packet = PublishedPacket(
            partition: partition, series: try #require(SeriesName(series)), width: Self.second)
        for (symbol, close) in closes.sorted(by: { $0.key < $1.key }) {
            var bar = Bar(from: time, to: time + Self.second, price: close)
            bar.reason = (isLate ? BarReason.late : .closed).rawValue
            packet.add(
                bar,
                of: SourceSymbol(
                    try #require(Symbol(symbol)), of: try #require(SourceName(source))))
        }
        let end = Timestamp(nanoseconds: watermark)
        return packet.sealed(watermark: end, sent: end)
    }

    private func take(
        _ packets: [SealedPacket], _ machine: inout UniverseMachine
    ) -> [IndicatorValue] {
        var values: [IndicatorValue] = []
        for packet in packets {
            packet.withBytes { machine.take(packet.header, $0, into: &values) }
        }
        return values
    }

    /// Returns two symbols in two partitions: the day before, a second of this day, and the next.
    private func tape() throws -> [SealedPacket] {
        let (before, now, second) = (0 as Int64, Self.day, Self.second)
        return [
            try packet(0, ["A": 100], at: before, until: before + second),
            try packet(1, ["B": 100], at: before, until: before + second),
            try packet(0, ["A": 110], at: now, until: now + second),
            try packet(1, ["B": 90], at: now, until: now + second),
            try packet(0, ["A": 120], at: now + second, until: now + 2 * second),
            try packet(1, at: now + second, until: now + 2 * second),
            // B is above its close after all, and A's next second is published.
            try packet(1, ["B": 101], at: now, until: now + 3 * second, isLate: true),
            try packet(0, at: now, until: now + 3 * second),
            try packet(0, ["A": 99], at: now + 3 * second, until: now + 4 * second),
            try packet(1, ["B": 99], at: now + 3 * second, until: now + 4 * second),
        ]
    }

    private func advances(_ values: [IndicatorValue]) -> [[Int64]] {
        values.filter { $0.name == "market.advance_decline" }.map {
            [
                ($0.periodStart.nanoseconds % Self.day) / Self.second,
                Int64($0.value / 1_000_000_000), Int64($0.revision),
            ]
        }
    }

    @Test("a late bar gives the next version of its window and of those behind it")
    func revised() throws {
        var machine = UniverseMachine(program)
        let values = take(try tape(), &machine)
        #expect(
            advances(values) == [
                [0, 0, 0], [0, 0, 0], [1, 0, 0], [0, 2, 1], [1, 2, 1], [3, -2, 0],
            ])
        #expect(machine.symbols == 2)
        #expect(values.allSatisfy { $0.header.symbol == TickHeader.noSymbol })
        #expect(values.allSatisfy { $0.header.eventTime == $0.periodEnd })
    }

    @Test("days from before a group was introduced count for it, under a member's name")
    func grouped() throws {
        let names = try ["ibkr", "ibkr-a"].map { try #require(SourceName($0)) }
        let group = SourceGroups.Group(name: names[0], members: [names[1]])
        let grouped = try #require(
            UniverseProgram(try Self.graph(groups: [group]), partitions: 1))
        var machine = UniverseMachine(grouped)
        let (day, second) = (Self.day, Self.second)
        let values = take(
            [
                try packet(0, ["A": 100], at: 0, until: second, source: "ibkr-a"),
                try packet(0, ["A": 110], at: day, until: day + second, source: "ibkr"),
            ], &machine)
        #expect(advances(values) == [[0, 0, 0], [0, 1, 0]])
        #expect(machine.symbols == 1)
    }

    private func bytes(_ machine: UniverseMachine) -> [UInt8] {
        var bytes: [UInt8] = []
        machine.encode(into: &bytes)
        return bytes
    }

    @Test("bytes that are cut, changed or another program's are refused")
    func damaged() throws {
        var machine = UniverseMachine(program)
        _ = take(try tape(), &machine)
        let bytes = bytes(machine)
        func expectRefusal(_ bytes: [UInt8], _ program: UniverseProgram) {
            #expect(throws: CheckpointError.self) {
                try bytes.withRawSpan { span throws(CheckpointError) in
                    _ = try UniverseMachine(program, restoring: span)
                }
            }
        }
        for count in stride(from: 0, to: bytes.count, by: 7) {
            expectRefusal(Array(bytes.prefix(count)), program)
            var other = bytes
            other[count] ^= 0x40
            expectRefusal(other, program)
        }
        expectRefusal(bytes, try #require(UniverseProgram(Self.graph(), partitions: 3)))
    }

    @Test("bars of other series and of symbols outside of the universe count for nothing")
    func others() throws {
        let program = try #require(UniverseProgram(Self.graph(universe: ["A"]), partitions: 2))
        var machine = UniverseMachine(program)
        let values = take(
            try tape() + [
                try packet(
                    0, ["A": 1], at: Self.day + 4 * Self.second, until: Self.day + 9 * Self.second,
                    series: "1m"),
                try packet(1, at: 0, until: Self.day + 9 * Self.second),
            ], &machine)
        #expect(advances(values) == [[0, 0, 0], [0, 1, 0], [1, 1, 0], [3, -1, 0]])
        #expect(machine.symbols == 1)
    }

    @Test("a graph without such nodes has no program")
    func none() throws {
        #expect(UniverseProgram(.simple(try BarSeriesSet(["1s"])), partitions: 2) == nil)
    }
}
