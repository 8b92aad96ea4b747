import Foundation
import MarketModel
import OperatorGraph
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StreamCore
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// Ticks on a real tape with their bars, both stored in a database by a real writer.
struct ProveBench {
    let bench: AcceptBench
    let definition: GraphDefinition
    private let folder: TemporaryFolder
    private let writer: RunningService
    private let gapAt: Int?
    private let filledAt: Int?
    private(set) var barCount = 0
    /// The number of ticks listed as late, once per series, and of bars that were computed again.
    private(set) var lateCount = 0
    private(set) var repairedCount = 0
    /// The number of numbers of aggregates, and of their versions.
    private(set) var valueCount = 0
    private var valueRows = 0
    private var barSources: [Partition: TestSource] = [:]

    static let symbol = "AAPL"
    static let start: Int64 = 1_700_000_000_000_000_000
    static let second: Int64 = 1_000_000_000

    /// 400 trades of one symbol in 100 s.
    init(_ name: String) throws {
        var random = SeededRandom(seed: 5)
        let values = (0..<400).map { _ in
            Value(
                price: Int64.random(in: 1...500, using: &random) * 10_000_000,
                size: Int64.random(in: 1...500, using: &random) * 1_000_000)
        }
        try self.init(name, [(Self.symbol, values)])
    }

    /// A trade; four come per second.
    struct Value {
        var price: Int64
        var size: Int64
    }

    /// The same, except that one trade comes 40 s late, and one of 30 s is cancelled at 75 s. Each
    /// makes the bar of the first minute be computed again.
    static func mended(_ name: String) throws -> ProveBench {
        var late = trade(Value(price: 123_000_000, size: 7_000_000), 40)
        late.header.providerID = 9_001
        late.header.receiveTime = Timestamp(nanoseconds: start + 50 * second)
        let values = (0..<400).map { Value(price: Int64($0 + 1) * 10_000_000, size: 3_000_000) }
        return try ProveBench(name, [(Self.symbol, values)], extras: [200: late, 300: cancel])
    }

    /// Cancels the trade of 30 s, at 75 s.
    static var cancel: Trade {
        var cancel = trade(Value(price: 1, size: 1), 120)
        cancel.header.action = TradeAction.cancel.rawValue
        cancel.header.receiveTime = Timestamp(nanoseconds: start + 75 * second)
        return cancel
    }

    /// `extras` are trades after the first feed's value of that number. `open` are feeds that send
    /// nothing after their first 50 s. `gapAt` puts a gap of half a second on the tape, that many
    /// seconds after the start. It is filled after the first feed's value `filledAt`, or else
    /// abandoned.
    init(
        _ name: String, _ feeds: [(symbol: String, values: [Value])], extras: [Int: Trade] = [:],
        open: Set<Int> = [], definition: GraphDefinition? = nil, gapAt: Int? = nil,
        filledAt: Int? = nil
    ) throws {
        self.gapAt = gapAt
        self.filledAt = filledAt
        bench = try AcceptBench("prove_\(name)")
        folder = try TemporaryFolder("prove")
        self.definition = try definition ?? .simple(try BarSeriesSet(["1s", "1m"]))
        writer = try bench.startWriter()
        for (number, feed) in feeds.enumerated() {
            try publish(
                feed.symbol, feed.values, number, number == 0 ? extras : [:],
                isOpen: open.contains(number))
        }
        let trades = feeds.reduce(extras.count) { $0 + $1.values.count }
        let isStored = try eventually {
            try bench.query("SELECT count(*) FROM bars") == "\(barCount)"
                && bench.query("SELECT count(*) FROM trades") == "\(trades)"
                && bench.query("SELECT count(*) FROM late_ticks") == "\(lateCount)"
                && bench.query("SELECT count(*) FROM bars WHERE reason = 'bust'")
                    == "\(repairedCount)"
                && bench.query("SELECT count(*) FROM indicators") == "\(valueRows)"
        }
        try #require(isStored)
        try writer.stop()
    }

    /// Publishes trades of one source, and what a graph makes of them.
    private mutating func publish(
        _ name: String, _ values: [Value], _ number: Int, _ extras: [Int: Trade], isOpen: Bool
    ) throws {
        let symbol = try #require(Symbol(name))
        let partition = bench.tape.names.partition(of: symbol)
        let source = try #require(SourceName("test\(number)"))
        var ticks = TestSource(bench.tape, partition, source: source)
        _ = ticks.register(
            SymbolDefinition(
                symbol: symbol, provider: "test", since: Timestamp(nanoseconds: Self.start)))
        var bars = try barSource(partition)
        let index = bars.register(
            SymbolDefinition(symbol: symbol, provider: "", since: .undefined, source: source))
        var graph = ProveBenchGraph(definition)
        for start in stride(from: 0, to: values.count, by: 10) {
            let end = min(start + 10, values.count)
            for place in start..<end {
                ticks.append(Self.trade(values[place], place))
                if let extra = extras[place] { ticks.append(extra) }
                // The gap is on record 5 s after it began.
                if let gapAt, number == 0, place == (gapAt + 5) * 4 || place == filledAt {
                    let state =
                        place == filledAt ? GapState.filled : filledAt == nil ? .abandoned : .open
                    let gap = Self.gap(gapAt, state)
                    ticks.append { $0.append(gap) == .appended }
                    // A feed that comes back after a gap is a new subscription.
                    if state == .open {
                        ticks.append {
                            $0.redefine(
                                0,
                                as: SymbolDefinition(
                                    symbol: symbol, provider: "test", since: gap.to))
                            return true
                        }
                    }
                }
            }
            let time = Self.start + Int64(end) * Self.second / 4
            let isLast = end == values.count && !isOpen
            let reached = isLast ? time + 400 * Self.second : time
            let most = isOpen ? Self.start + 50 * Self.second : Int64.max
            let sealed = ticks.seal(watermark: Timestamp(nanoseconds: min(reached, most)))
            try TestSource.put(
                sealed.bytes, on: bench.tape.names.ticks(partition, source), of: bench.tape)
            graph.take(sealed)
            guard graph.hasOutput else { continue }
            graph.giveOutput(of: index, source: source, to: &bars)
            try bars.publish(watermark: sealed.header.watermark)
        }
        barCount += graph.keys.count
        lateCount += graph.lateCount
        repairedCount += graph.repaired.count
        valueCount += graph.values.count
        valueRows += graph.valueRows
        barSources[partition] = bars
    }

    private func barSource(_ partition: Partition) throws -> TestSource {
        if let known = barSources[partition] { return known }
        var bars = TestSource(bench.tape, partition, source: .operator, kind: .bars)
        for series in GraphProgram(definition).series {
            _ = bars.register(
                SeriesDefinition(name: series.name, widthNanoseconds: series.widthNanoseconds))
        }
        return bars
    }

    static func trade(_ value: Value, _ place: Int) -> Trade {
        let time = Timestamp(nanoseconds: start + Int64(place) * second / 4)
        return Trade(
            header: TickHeader(
                symbol: 0, providerTime: time, receiveTime: time, providerID: UInt64(place) + 1),
            price: Price(raw: value.price), size: Quantity(raw: value.size))
    }

    private static func gap(_ place: Int, _ state: GapState) -> GapRecord {
        let from = Timestamp(nanoseconds: start + Int64(place) * second)
        let noted = from.advanced(byNanoseconds: 5 * second)
        return GapRecord(
            header: TickHeader(symbol: 0, providerTime: noted, receiveTime: noted), from: from,
            to: from.advanced(byNanoseconds: second / 2), kind: .trade, reason: .disconnected,
            state: state)
    }

    struct Outcome {
        let code: ExitCode
        let json: JSONValue

        init(_ said: Said) throws { (code, json) = (said.code, try said.json()) }

        func count(_ side: String, _ kind: String) -> Int64 {
            json[side]?[kind]?.int.map { Int64($0) } ?? -1
        }
    }

    /// Runs `tapeline prove …` like the program.
    func prove(_ arguments: String...) throws -> Outcome { try prove(arguments) }

    /// `asked` is when the command is given: in seconds after the first trade.
    func prove(_ arguments: [String], asked: Int64 = 600) throws -> Outcome {
        let command = try ProveCommand.parse(
            [
                "--from", "2023-11-14T22:13:00Z", "--to", "2023-11-14T22:20:00Z", "--json",
            ] + arguments, now: Timestamp(nanoseconds: Self.start + asked * Self.second))
        return try Outcome(
            Said {
                try ProveRun(command: command, terminal: $0)
                    .run(deployment(), GraphProgram(definition), shutdown: ShutdownSignal())
            })
    }

    /// Runs `tapeline explain … --json` like the program, ten minutes after the first trade.
    func explain(_ arguments: String...) throws -> Outcome {
        try Outcome(explained(arguments + ["--json"]))
    }

    /// Runs `tapeline explain …` like the program, and returns what it printed.
    func explained(_ arguments: [String]) throws -> Said {
        let command = try ExplainCommand.parse(
            arguments, now: Timestamp(nanoseconds: Self.start + 600 * Self.second))
        return try Said {
            try ExplainRun(command: command, terminal: $0)
                .run(deployment(), GraphProgram(definition), shutdown: ShutdownSignal())
        }
    }

    /// Runs `tapeline audit … --json` of a local stack like the program.
    func audit(
        _ arguments: String..., environment: [String: String] = [:],
        shutdown: ShutdownSignal = ShutdownSignal()
    ) throws -> Outcome {
        let command = try AuditCommand.parse(
            arguments + ["--json"], now: Timestamp(nanoseconds: Self.start))
        let script = try AuditScript.read(
            "\(ServerPrograms.checkout)/deploy/\(AuditScript.path)")
        return try Outcome(
            Said { terminal in
                let audit = AuditRun(
                    command: command, script: script, environment: [:], terminal: terminal,
                    shutdown: shutdown)
                return try audit.report(of: deployment(environment), comparingHeads: false)
                    .report(to: terminal, asJSON: true)
            })
    }

    /// Runs a command like the program, when the first trade was.
    func tapeline(_ words: [String]) throws -> Said {
        try Said(words, bench.environment, now: Timestamp(nanoseconds: Self.start))
    }

    private func deployment(_ environment: [String: String] = [:]) throws -> Deployment {
        try Deployment.find(
            TapeTarget(), environment: bench.environment.merging(environment) { $1 },
            executable: "/x")
    }

    /// Keeps only the last packets of the tape of ticks of the symbol's stream.
    func purge(keeping packets: Int) throws {
        try bench.api("STREAM.PURGE.\(try tickStream)", #"{"keep":\#(packets)}"#)
    }

    /// Empties that stream and the stream of bars.
    func purgeAll() throws {
        for stream in [try tickStream, bench.tape.names.barStream] {
            try bench.api("STREAM.PURGE.\(stream)", "{}")
        }
    }

    private var tickStream: String {
        get throws {
            let names = bench.tape.names
            return names.tickStream(of: names.partition(of: try #require(Symbol(Self.symbol))))
        }
    }
}
