import MarketModel
import OperatorGraph
import Primitives
import SimulationKit
import StreamCore
import TapeCodec
import Testing

/// A graph over a whole tape, as an owner that nothing disturbs runs it.
struct GraphRun {
    struct Version: Hashable {
        let key: BarKey
        let bar: Bar
    }

    struct Late: Hashable {
        let series: SeriesName
        let id: LoggedTick.ID
    }

    /// In the order in which they were published.
    private(set) var versions: [Version] = []
    private(set) var late: [Late] = []
    private(set) var machine: GraphMachine
    private var output = GraphOutput()

    init(
        _ definition: GraphDefinition, _ packets: [StoredPacket],
        restoredBehind: Set<UInt64> = []
    ) throws {
        machine = GraphMachine(GraphProgram(definition))
        for packet in packets {
            packet.bytes.withRawSpan { span in
                _ = machine.take(packet.header, span, into: &output)
            }
            collect()
            if restoredBehind.contains(packet.position.sequence) { try restore() }
        }
    }

    private mutating func restore() throws {
        var bytes: [UInt8] = []
        machine.encode(into: &bytes)
        let program = machine.program
        machine = try bytes.withRawSpan { span throws(CheckpointError) in
            try GraphMachine(program, restoring: span)
        }
    }

    private mutating func collect() {
        for bar in output.bars {
            let key = BarKey(
                symbol: machine.symbols.symbol(at: bar.symbol),
                series: machine.program.series[Int(bar.series)].name,
                openTime: bar.openTime, number: bar.number)
            versions.append(Version(key: key, bar: bar))
        }
        for tick in output.late {
            late.append(
                Late(
                    series: machine.program.series[Int(tick.series)].name,
                    id: LoggedTick.ID(
                        source: machine.sources.entries[tick.source].name, ordinal: tick.ordinal)))
        }
        output.removeAll()
    }

    /// The last version of every bar.
    var lastVersions: [BarKey: Bar] {
        versions.reduce(into: [:]) { $0[$1.key] = $1.bar.plain }
    }
}
