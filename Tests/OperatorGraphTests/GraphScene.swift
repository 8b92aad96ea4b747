import MarketModel
import Primitives
import StreamCore
import TapeCodec
import Testing

@testable import OperatorGraph

/// A graph with its tape. It is repaired as its owner does it, and restored after every packet.
struct GraphScene {
    var tape: GraphTape
    var machine: GraphMachine
    /// Whether repairs are told the bars on the tape, so that they withdraw some.
    var readsBack = false
    private var seen = 0
    /// The last stored version of each bar, by `<series> <seconds>`.
    private(set) var bars: [String: Bar] = [:]
    /// The number of versions of all bars.
    private(set) var versions = 0
    /// The late ticks, as `<series> <seconds> <reason>`.
    private(set) var late: [String] = []
    private(set) var lateKinds: Set<DataKind> = []

    init(_ nodes: [GraphNode]) throws {
        tape = try GraphTape()
        machine = try OperatorGraphTests.machine(nodes)
    }

    /// Returns the keys of the published bars.
    @discardableResult
    mutating func advance(to watermark: Double) throws -> [String] {
        tape.seal(watermark: watermark)
        var output = machine.run(Array(tape.packets[seen...]))
        seen = tape.packets.count
        if !output.dirty.isEmpty {
            let onTape = readsBack ? Array(bars.values) + output.bars : nil
            output.bars += try machine.repair(
                output.dirty, over: tape.packets, onTape: onTape
            ).output.bars
        }
        machine = try machine.restored()
        late += output.late.map { "\(name($0.series)) \(Self.seconds($0.openTime)) \($0.reason)" }
        lateKinds.formUnion(output.late.map(\.kind))
        versions += output.bars.count
        return output.bars.map { bar in
            let key = "\(name(bar.series)) \(Self.seconds(bar.openTime))"
            bars[key] = bar.flags.contains(.withdrawn) ? nil : bar
            return key
        }
    }

    /// The keys of bars in which ticks may be missing.
    var partialBars: [String] {
        bars.filter { $0.value.flags.contains(.partial) }.keys.sorted()
    }

    private func name(_ series: UInt16) -> String {
        machine.program.series[Int(series)].name.text
    }

    private static func seconds(_ time: Timestamp) -> String {
        let seconds = Double(time.nanoseconds - GraphTape.time(0).nanoseconds) / 1_000_000_000
        return seconds == seconds.rounded() ? "\(Int64(seconds))" : "\(seconds)"
    }
}
