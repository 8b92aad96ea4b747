import TapeTransport
import MarketModel
import OperatorGraph
import Primitives
import ServiceRuntime
import StreamCore

// How ticks that nodes let through reach live readers: from a partition into the node's queue
// (`LiveEdges`), and from there to the thread of the `LivePublisher` as far as it has room.
extension Worker {
    /// The maximum number of ticks that are handed over in one batch.
    private static let batchMax = 256

    /// Offers a partition's ticks to the queues, after a packet and again when a queue may have
    /// room. While a tick has to wait, the partition takes no packet.
    func offerLive(_ index: Int) {
        guard let core = slots[index].core, !core.live.isEmpty else { return }
        var taken = 0
        for tick in core.live {
            let node = settings.program.definition.nodes[tick.node].name
            let verdict = edges.offer(core.named(tick, node: node), from: tick.node)
            if verdict == .mustWait { break }
            taken += 1
            if case .overflowed(let reason) = verdict { core.stopped = reason }
        }
        core.live.removeFirst(taken)
        // Then its reader may be released.
        if core.live.isEmpty { visits.change(index) }
    }

    /// Moves ticks from the queues to the live publisher, and offers ticks that waited for room.
    /// The loop calls it in each turn.
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
            context.telemetry.emit(.edgeCrossed(crossing: crossing))
        }
    }

    /// The states of the nodes' queues, and of the outboxes together.
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
        let pair = machine.symbols.pair(at: tick.tick.header.symbol)
        let content: LiveNodeTick.Tick =
            switch tick.tick {
            case .trade(let trade): .trade(trade)
            case .quote(let quote): .quote(quote)
            case .providerBar(let bar): .providerBar(bar)
            }
        return LiveNodeTick(
            node: node, symbol: pair.symbol, source: pair.source, partition: partition,
            tick: content)
    }
}

extension ServiceEvent {
    /// A node's queue reached its high mark, or fell to its low mark again.
    static func edgeCrossed(crossing: LiveEdges.Crossing) -> Self {
        let isHigh = crossing.transition == .roseToHigh
        return Self(
            isHigh ? .warning : .info, "operator.edge.crossed",
            isHigh
                ? "ticks of a node wait for those who watch it: its edge reached its high mark"
                : "the edge of a node fell to its low mark again",
            ("node", .text(crossing.node)), ("depth", .integer(Int64(crossing.depth))),
            ("mark", .text(isHigh ? "high" : "low")))
    }
}
