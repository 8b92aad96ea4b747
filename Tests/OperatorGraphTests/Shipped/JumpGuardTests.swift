import MarketModel
@testable import OperatorGraph
import Primitives
import StreamCore
import Testing

@Suite("JumpGuard")
struct JumpGuardTests {
    private func guardOf(_ settings: [String: String]) throws(TickOperatorError) -> JumpGuard {
        let names = settings.keys.sorted()
        return try JumpGuard(
            settings: names.map { GraphSetting(name: $0, value: settings[$0] ?? "") })
    }

    private func verdicts(
        _ prices: [Int64], _ machine: inout JumpGuard
    ) throws -> (passes: [Bool], told: [Int128]) {
        let symbol = try ofTest("A")
        var told: [OperatorValue] = []
        let passes = prices.map { price in
            let trade = Trade(
                header: TickHeader(symbol: 2, providerTime: .undefined, receiveTime: .undefined),
                price: Price(raw: price), size: Quantity(raw: 1))
            return machine.take(.trade(trade), of: symbol, publishing: &told)
        }
        return (passes, told.map(\.value))
    }

    @Test("keeps back what jumps, until it stays there")
    func jumps() throws {
        var machine = try guardOf(["percent": "10", "patience": "3"])
        let (passes, told) = try verdicts([100, 110, 122, 100, 150, 151, 152, 100], &machine)
        #expect(passes == [true, true, false, true, false, false, true, false])
        #expect(told == [12, 50, 51, -52])
    }

    @Test("a restored one goes on in the same way")
    func restores() throws {
        var machine = try guardOf([:])
        _ = try verdicts([100, 150], &machine)
        var bytes: [UInt8] = []
        machine.encode(into: &bytes)
        var twin = try guardOf([:])
        try bytes.withRawSpan { span throws(CheckpointError) in try twin.restore(span) }
        let (one, other) = (
            try verdicts([150, 150, 100], &machine), try verdicts([150, 150, 100], &twin)
        )
        #expect(one.passes == other.passes)
        #expect(one.passes == [false, true, false])
        #expect(throws: CheckpointError.self) {
            try [UInt8](repeating: 255, count: 16).withRawSpan { span throws(CheckpointError) in
                try twin.restore(span)
            }
        }
    }

    @Test(
        "settings that it cannot use are named",
        arguments: [
            (["percent": "0"], "jump-guard: percent and patience are numbers from 1 to 1000"),
            (["percent": "x"], "jump-guard: percent is \"x\": write a whole number"),
            (["per": "1"], "jump-guard has no setting per: it knows percent, patience and warm_up"),
        ])
    func settings(settings: [String: String], message: String) {
        let error = #expect(throws: TickOperatorError.self) { try guardOf(settings) }
        #expect(error?.description == message)
    }

    @Test("a repair reads as much before its windows as the settings say")
    func warmUp() throws {
        #expect(try guardOf(["warm_up": "30"]).warmUp == 30_000_000_000)
        #expect(try guardOf(["warm_up": "0"]).warmUp == 0)
    }

    @Test("a graph of this program can use it")
    func inGraph() throws {
        let definition = GraphDefinition(
            name: "guarded",
            nodes: [
                GraphNode(
                    name: "guard", input: .ticks(.trade),
                    operation: .custom(
                        name: "jump-guard", settings: [GraphSetting(name: "percent", value: "5")])),
                GraphNode(
                    name: "bars", input: .node(0),
                    operation: .bars(BarRule(series: try BarSeriesSet(["1s"])), calendar: nil)),
            ])
        let program = try GraphProgram(definition, operators: .ofThisProgram)
        #expect(program.series.map(\.name.text) == ["1s"])
    }
}
