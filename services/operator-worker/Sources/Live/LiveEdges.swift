import TapeTransport
import MarketModel
import OperatorGraph

/// The queues between a graph's nodes and live readers: one for each node with the key `live`,
/// shared by all partitions of the worker. Such a queue is an *edge* of the graph. The worker's
/// thread owns them.
struct LiveEdges {
    private struct Edge {
        let node: String
        var queue: BoundedEdge<LiveNodeTick>
    }

    /// A queue's length crossed one of its marks.
    struct Crossing: Hashable {
        let node: String
        let transition: BoundedEdge<LiveNodeTick>.Transition
        let depth: Int
    }

    /// In the order of the graph's nodes.
    private var edges: [Edge] = []
    /// By node of the graph, the index of its edge; `nil` for a node without `live`.
    private var edgeOfNode: [Int?] = []
    /// The crossings since they were last taken.
    private var crossings: [Crossing] = []
    /// The index of the edge that `take` serves next.
    private var turn = 0

    init(_ definition: GraphDefinition) {
        for node in definition.nodes {
            edgeOfNode.append(node.live == nil ? nil : edges.count)
            if let rule = node.live {
                edges.append(Edge(node: node.name, queue: BoundedEdge(rule)))
            }
        }
    }

    var isEmpty: Bool { edges.isEmpty }

    enum Verdict: Hashable {
        /// The tick is in the queue, or was dropped as the graph states. The next tick may follow.
        case next
        /// The queue is full and the graph states `block`: the tick has to be offered again later.
        case mustWait
        /// The partition that feeds the edge has to stop, with this reason.
        case overflowed(String)
    }

    /// Offers a tick of a node to its queue.
    mutating func offer(_ tick: LiveNodeTick, from node: Int) -> Verdict {
        guard let index = edgeOfNode[node] else { return .next }
        let (offered, transition) = edges[index].queue.offer(tick)
        note(transition, of: index)
        switch offered {
        case .taken, .dropped, .replacedOldest: return .next
        case .mustWait: return .mustWait
        case .overflowed:
            return .overflowed(
                "\(edges[index].queue.capacity) ticks of the node \(edges[index].node) wait for "
                    + "those who watch it, and its overflow is error: see what keeps NATS from "
                    + "taking them and restart the worker, or let the graph drop or block")
        }
    }

    /// Removes and returns at most `max` ticks, all of one edge; empty when no edge has any. The
    /// edges are served in turn.
    mutating func take(max: Int) -> [LiveNodeTick] {
        for offset in edges.indices {
            let index = (turn + offset) % edges.count
            guard edges[index].queue.depth > 0 else { continue }
            turn = index + 1
            return take(from: index, max: max)
        }
        return []
    }

    private mutating func take(from index: Int, max: Int) -> [LiveNodeTick] {
        var ticks: [LiveNodeTick] = []
        while ticks.count < max, let (tick, transition) = edges[index].queue.take() {
            ticks.append(tick)
            note(transition, of: index)
        }
        return ticks
    }

    private mutating func note(
        _ transition: BoundedEdge<LiveNodeTick>.Transition?, of index: Int
    ) {
        guard let transition else { return }
        crossings.append(
            Crossing(
                node: edges[index].node, transition: transition, depth: edges[index].queue.depth))
    }

    /// Returns the crossings since the last call. Each edge has at most one per filling and
    /// emptying of its queue.
    mutating func takeCrossings() -> [Crossing] {
        defer { crossings.removeAll(keepingCapacity: true) }
        return crossings
    }

    /// The length of each queue, and the number of ticks that it dropped since the worker began.
    var levels: [EdgeLevel] {
        edges.map {
            EdgeLevel(
                edge: $0.node, depth: $0.queue.depth, capacity: $0.queue.capacity,
                dropped: $0.queue.dropped)
        }
    }
}

/// The state of one bounded queue of the operator.
struct EdgeLevel: Hashable, Sendable {
    /// A node of the graph, or `bars.tape` for the outboxes of all partitions. No node has a dot in
    /// its name.
    var edge: String
    var depth: Int
    var capacity: Int
    var dropped: UInt64 = 0
}
