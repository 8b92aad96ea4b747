import TapeTransport
import MarketModel
import OperatorGraph
import Primitives
import ServiceRuntime
import StreamCore

// How ticks of nodes reach live readers: from a partition into its node's queue, and from there to
// the live thread as far as it has room. They are not on the tape.
extension Worker {
    /// The maximum number of ticks that are handed over in one batch.
    private static let batchMax = 256

    /// Offers ticks to the queues, after a packet and again when a queue may have room. A tick that
    /// has to wait holds the partition.
    func offerLive(_ index: Int) {
        // Nearly always there is nothing. This test avoids a copy of the partition's state.
        guard !(slots[index].core?.live.isEmpty ?? true), let core = slots[index].core else {
            return
        }
        var taken = 0
        for tick in core.live {
            let node = settings.program.definition.nodes[tick.node].name
            let verdict = edges.offer(core.named(tick, node: node), from: tick.node)
            if verdict == .mustWait { break }
            taken += 1
            if case .overflowed(let reason) = verdict { slots[index].core?.stopped = reason }
        }
        slots[index].core?.live.removeFirst(taken)
    }

    /// Moves ticks from the queues to the live thread, and offers ticks that waited for room.
    func pumpLive() {
        guard let live, !edges.isEmpty else { return }
        var room = live.nodeRoom
        while room > 0 {
            let ticks = edges.take(max: min(room, Self.batchMax))
            guard !ticks.isEmpty else { break }
            room -= ticks.count
            live.offer(ticks)
        }
        for index in slots.indices where slots[index].isOwned { offerLive(index) }
        for crossing in edges.takeCrossings() {
            context.telemetry.emit(EdgeCrossed(crossing: crossing))
        }
    }

    /// The states of all bounded queues between the graph and its readers.
    var edgeLevels: [EdgeLevel] {
        let cores = slots.compactMap(\.core)
        let tape = EdgeLevel(
            edge: "bars.tape", depth: cores.reduce(0) { $0 + $1.outbox.count },
            capacity: cores.count * PartitionOperator.outboxMax)
        return edges.levels + [tape]
    }
}

extension PartitionOperator {
    /// Returns a node's tick with names instead of indexes.
    fileprivate func named(_ tick: LiveTick, node: String) -> LiveNodeTick {
        let symbol = tick.tick.header.symbol
        let content: LiveNodeTick.Tick =
            switch tick.tick {
            case .trade(let trade): .trade(trade)
            case .quote(let quote): .quote(quote)
            }
        return LiveNodeTick(
            node: node, symbol: machine.symbols.symbol(at: symbol),
            source: machine.sources.entries[machine.symbols.source(of: symbol)].name,
            partition: partition, tick: content)
    }
}

struct EdgeCrossed: TelemetryEvent {
    static let name = "operator.edge.crossed"
    let crossing: LiveEdges.Crossing

    private var isHigh: Bool { crossing.transition == .roseToHigh }

    var level: LogLevel { isHigh ? .warning : .info }
    var message: String {
        isHigh
            ? "ticks of a node wait for those who watch it: its edge reached its high mark"
            : "the edge of a node fell to its low mark again"
    }
    var fields: [(String, LogValue)] {
        [
            ("node", .text(crossing.node)), ("depth", .integer(Int64(crossing.depth))),
            ("mark", .text(isHigh ? "high" : "low")),
        ]
    }

    func count(in metrics: MetricRegistry) {}
}
