import MarketModel
import Primitives
import SimulationKit
import StreamCore
import TapeCodec
import Testing

@testable import OperatorGraph

/// A number of two symbols and of a provider's value, from the ticks of a partition to the value
/// over all partitions.
@Suite("A number of several symbols, in a graph") struct DeriveTests {
    private static let minute: Int64 = 60_000_000_000
    private let nodes: [GraphNode]

    init() throws {
        let name = try #require(SeriesName("1m"))
        let derivation = Derivation(
            inputs: [
                .bar(try #require(Symbol("A")), .close),
                .indicator(
                    Derivation.Indicator(
                        alias: "rate", symbol: try #require(Symbol("DGS10")), name: "value")),
            ])
        let expression = TickExpression(
            text: "a.close - rate", instructions: [.input(0), .input(1), .subtract])
        nodes = [
            GraphNode(
                name: "bars", input: .ticks(.trade),
                operation: .bars(BarRule(series: try BarSeriesSet(["1m"])), calendar: nil)),
            GraphNode(
                name: "real", input: .ticks(.trade),
                operation: .scan(ScanRule(series: name, deriving: expression, derivation))),
        ]
    }

    private func shown(_ values: [GraphValue]) -> [String] {
        values.map {
            let start = GraphTape.time(0).nanoseconds
            let seconds = ($0.periodStart.nanoseconds - start) / 1_000_000_000
            return "\($0.name) \(seconds) \($0.value / 1_000_000_000)"
                + ($0.reason == BarReason.closed.rawValue ? "" : " again")
        }
    }

    @Test("a partition passes on what was received last, once, and knows it when restored")
    func passedOn() throws {
        var tape = try GraphTape()
        var machine = try machine(nodes)
        // The first poll tells the past, all of it in one packet.
        for day in 1...3 { try tape.value("DGS10", at: 10, period: Double(day), Double(day)) }
        try tape.value("DGS10", at: 10, period: 9, 8, name: "other")
        tape.seal(watermark: 11)
        #expect(shown(machine.run(tape.packets).values) == ["real.rate 10 3"])
        machine = try machine.restored()
        try tape.value("DGS10", at: 20, period: 3, 3)
        try tape.value("DGS10", at: 20, period: 2, 7)
        tape.seal(watermark: 21)
        #expect(machine.run([tape.packets[1]]).values.isEmpty)
        try tape.value("DGS10", at: 30, period: 3, 4)
        tape.seal(watermark: 31)
        #expect(shown(machine.run([tape.packets[2]]).values) == ["real.rate 30 4"])
        machine = try machine.restored()
        machine.passOnAgain()
        tape.seal(watermark: 41)
        #expect(shown(machine.run([tape.packets[3]]).values) == ["real.rate 30 4 again"])
    }

    @Test("a value that nobody takes is not passed on, and each source has its own")
    func notTaken() throws {
        var one = try GraphTape()
        var other = try GraphTape("two")
        var machine = try machine(nodes)
        try one.value("OTHER", at: 10, period: 1, 1)
        one.seal(watermark: 11)
        try other.value("DGS10", at: 12, period: 1, 1)
        other.seal(watermark: 13)
        let output = machine.run(one.packets + other.packets)
        #expect(output.values.map { machine.symbols.pair(at: $0.symbol).source.text } == ["two"])
        #expect(!machine.program.isPlain)
    }

    @Test("the share over all partitions takes it, and awaits the source that sends it")
    func overAll() throws {
        let definition = GraphDefinition(name: "test", nodes: nodes)
        let program = try #require(UniverseProgram(definition, partitions: 2))
        #expect(program.valueNames == ["real.value"])
        var universe = UniverseMachine(program)
        var values: [IndicatorValue] = []
        let (price, rate) = (try ofTest("A"), try rateSymbol())
        func take(_ packet: SealedPacket) throws -> [String] {
            let isSame = try universe.restore()
            #expect(isSame)
            values.removeAll()
            packet.withBytes { universe.take(packet.header, $0, into: &values) }
            #expect(values.allSatisfy { $0.header.symbol == TickHeader.noSymbol })
            return values.map {
                "\($0.name) \($0.periodStart.nanoseconds / Self.minute) \($0.value)"
            }
        }
        func states(_ rate: Int64) throws -> [SourceState] {
            [("fred", rate), ("one", 4)].map { name, minute in
                SourceState(
                    source: name == "one" ? price.source : self.rate, presence: .present,
                    kind: .real, since: .undefined, watermark: time(minute))
            }
        }
        var first = try packet(0)
        first.add("real.rate", 2, from: time(1), to: time(1), of: rate)
        #expect(try take(first.sealed(watermark: time(1), states: try states(1))) == [])
        var second = try packet(1)
        for minute in 1...2 as ClosedRange<Int64> {
            second.add(
                Bar(from: time(minute).nanoseconds, to: time(minute + 1).nanoseconds, price: 10),
                of: price)
        }
        #expect(try take(second.sealed(watermark: time(4))) == [])
        var third = try packet(0)
        third.add("real.rate", 3, from: time(2), to: time(2), of: rate)
        let found = try take(third.sealed(watermark: time(4), states: try states(3)))
        #expect(found == ["real.value 1 8", "real.value 2 7"])
    }

    @Test(
        "bars decide which kind of sources counts, and a made-up value is not among better ones",
        arguments: [
            (SourceKind.real, SourceKind.delayed, true), (.real, .madeUp, true),
            (.madeUp, .madeUp, true), (.madeUp, .delayed, false), (.delayed, .real, false),
        ])
    func kinds(ofRate: SourceKind, ofBars: SourceKind, counts: Bool) throws {
        let definition = GraphDefinition(name: "test", nodes: nodes)
        var universe = UniverseMachine(
            try #require(UniverseProgram(definition, partitions: 1)))
        let price = try ofTest("A")
        var packet = try packet(0)
        packet.add("real.rate", 2, from: time(1), to: time(1), of: try rateSymbol())
        packet.add(
            Bar(from: time(1).nanoseconds, to: time(2).nanoseconds, price: 10), of: price)
        let states = [(rate, ofRate), (price.source, ofBars)].map { source, kind in
            SourceState(
                source: source, presence: .present, kind: kind, since: .undefined,
                watermark: time(4))
        }
        var values: [IndicatorValue] = []
        let sealed = packet.sealed(watermark: time(4), states: states)
        sealed.withBytes { universe.take(sealed.header, $0, into: &values) }
        #expect(values.map(\.value) == (counts ? [8] : []))
    }

    @Test("a new share awaits the named sources alone, as a restored one does")
    func named() throws {
        guard case .scan(var rule) = nodes[1].operation else {
            Issue.record("no derivation")
            return
        }
        rule.sources = [rate]
        let definition = GraphDefinition(
            name: "test",
            nodes: [
                nodes[0],
                GraphNode(name: "real", input: nodes[1].input, operation: .scan(rule)),
            ])
        var universe = UniverseMachine(
            try #require(UniverseProgram(definition, partitions: 1)))
        let states = [(rate, 4), (try ofTest("A").source, 1)].map { source, minute in
            SourceState(
                source: source, presence: .present, kind: .real, since: .undefined,
                watermark: time(minute))
        }
        var packet = try packet(0)
        let sealed = packet.sealed(watermark: time(1), states: states)
        var values: [IndicatorValue] = []
        sealed.withBytes { universe.take(sealed.header, $0, into: &values) }
        #expect(universe.watermark == time(4))
    }

    private let rate: SourceName = {
        guard let name = SourceName("fred") else { preconditionFailure("fred is a name") }
        return name
    }()

    private func rateSymbol() throws -> SourceSymbol {
        SourceSymbol(try #require(Symbol("DGS10")), of: rate)
    }

    private func packet(_ partition: Int) throws -> PublishedPacket {
        PublishedPacket(
            partition: partition, series: try #require(SeriesName("1m")), width: Self.minute)
    }

    private func time(_ minute: Int64) -> Timestamp { Timestamp(nanoseconds: minute * Self.minute) }
}
