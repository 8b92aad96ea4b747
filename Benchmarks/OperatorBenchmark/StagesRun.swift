import MarketModel
import OperatorGraph
import Primitives
import StreamCore

/// Runs trades through nodes before they reach a bar: one removes duplicates, one limits each
/// symbol's trades per second.
struct StagesRun {
    /// One of this many trades occurs twice.
    static let duplicateEach = 100
    /// A third more than a symbol has, so that every trade is checked and none is kept back.
    static let perSecond = 20_000

    static func run(symbols: Int, mark: Double?, _ report: inout Report) throws {
        let load = try Load(
            symbols: symbols, packets: OperatorBenchmark.packetCount,
            duplicateEach: Self.duplicateEach)
        let run = GraphRun(program: try program())
        let outcome = try run.measure(load, repetitions: OperatorBenchmark.repetitions)
        report.tell(
            "graph, decode, without duplicates, throttled, 1s", outcome, load, mark: mark)
        guard outcome.total.trades == UInt64(load.trades - load.duplicates) else {
            return report.fail(
                "\(outcome.total.trades) trades are in bars, of \(load.trades) with "
                    + "\(load.duplicates) duplicates")
        }
    }

    private static func program() throws -> GraphProgram {
        let second = OperatorBenchmark.second
        let rule = BarRule(series: try BarSeriesSet(["1s"]))
        return GraphProgram(
            GraphDefinition(
                name: "stages",
                nodes: [
                    GraphNode(
                        name: "once", input: .ticks(.trade),
                        operation: .deduplicate(
                            DeduplicateRule(key: [.id, .time, .price], timeToLive: second))),
                    GraphNode(
                        name: "paced", input: .node(0),
                        operation: .throttle(ThrottleRule(count: perSecond, per: second))),
                    GraphNode(
                        name: "bars", input: .node(1), operation: .bars(rule, calendar: nil)),
                ]))
    }
}
