internal import Foundation
internal import MarketModel
internal import OperatorGraph
internal import OperatorWorker
internal import Primitives
internal import ServiceRuntime
internal import StreamCore

/// The operator worker with a node that takes as long for a tick as a heavy operator.
enum BusyWorker {
    /// The variable that makes this program such a worker: a worker takes no arguments.
    static let key = "WORKERS_BENCHMARK_IS_BUSY"
    static let graph = """
        version: 1
        name: busy
        nodes:
          busy: {operator: custom, input: trades, code: busy}
          bars: {operator: bars, input: busy, series: [1s]}
          busy_quotes: {operator: custom, input: quotes, code: busy}
          middles:
            {operator: bars, input: busy_quotes, price: middle, series: [{name: m, width: 1s}]}
        """

    static var isWanted: Bool { ProcessInfo.processInfo.environment[key] != nil }

    static func run() -> Never {
        var operators = TickOperators.ofThisProgram
        operators.register(Busy.name, Busy.self)
        OperatorWorker.Main.run(operators: operators)
    }
}

private struct Busy: TickOperator {
    static let name = "busy"
    static let nanosecondsPerTick: Int64 = 20_000

    let warmUp: Int64 = 0

    init(settings: [GraphSetting]) throws(TickOperatorError) {}

    mutating func take(
        _ tick: GraphTick, of symbol: SourceSymbol, publishing values: inout [OperatorValue]
    ) -> Bool {
        let clock = SystemClock()
        let end = clock.monotonic().nanoseconds + Self.nanosecondsPerTick
        while clock.monotonic().nanoseconds < end {}
        return true
    }

    func encode(into bytes: inout [UInt8]) {}

    mutating func restore(_ bytes: RawSpan) throws(CheckpointError) {}
}
