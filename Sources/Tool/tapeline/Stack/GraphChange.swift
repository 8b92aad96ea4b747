import MarketModel
import OperatorGraph
import StreamCore

/// What another graph changes of the bars and values that a graph makes.
struct GraphChange: Equatable {
    /// The names of series, and of nodes that make values. Sorted.
    private(set) var added: [String] = []
    private(set) var changed: [String] = []
    private(set) var gone: [String] = []
    private(set) var same: [String] = []

    init(from before: GraphDefinition, to after: GraphDefinition) {
        let (old, new) = (Self.products(of: before), Self.products(of: after))
        // Groups of sources and their silence concern all bars.
        let isShared = (before.groups, before.silentAfter) == (after.groups, after.silentAfter)
        for name in Set(old.keys).union(new.keys).sorted() {
            switch (old[name], new[name]) {
            case (nil, _): added.append(name)
            case (_, nil): gone.append(name)
            case (let was, let now):
                isShared && was == now ? same.append(name) : changed.append(name)
            }
        }
    }

    var isEmpty: Bool { added.isEmpty && changed.isEmpty && gone.isEmpty }

    /// One line for each kind of change.
    var lines: [String] {
        [("new", added), ("changed", changed), ("gone", gone), ("as before", same)]
            .filter { !$0.1.isEmpty }
            .map { "  \($0.0.padded(to: 10)) \($0.1.joined(separator: ", "))" }
    }

    /// One node on the way from the tape.
    private struct Step: Hashable {
        let operation: GraphOperation
        let branch: Int?
        let calendar: SessionCalendar?
    }

    /// Returns how each series and each value is made, from its node back to the tape.
    private static func products(of graph: GraphDefinition) -> [String: [Step]] {
        var made: [String: [Step]] = [:]
        for (index, node) in graph.nodes.enumerated() {
            let way = way(to: index, in: graph)
            switch node.operation {
            case .bars(let rule, let calendar):
                for (name, one) in single(rule.series) {
                    var rule = rule
                    rule.series = one
                    made[name] = step(.bars(rule, calendar: calendar), graph) + way.dropFirst()
                }
            case .resample(let rule):
                for (name, one) in single(rule.series) {
                    var rule = rule
                    rule.series = one
                    made[name] = step(.resample(rule), graph) + way.dropFirst()
                }
            case .aggregate, .breadth, .scan: made[node.name] = way
            case .deduplicate, .throttle, .filter, .route, .custom, .join, .book: continue
            }
        }
        return made
    }

    /// Returns each series as a set of its own.
    private static func single(_ series: BarSeriesSet) -> [(String, BarSeriesSet)] {
        series.all.compactMap { one in
            do throws(StreamCoreError) {
                return (one.name.text, try BarSeriesSet([one]))
            } catch {
                return nil
            }
        }
    }

    private static func step(
        _ operation: GraphOperation, _ graph: GraphDefinition, branch: Int? = nil
    ) -> [Step] {
        let name: String? =
            switch operation {
            case .bars(_, let calendar), .aggregate(_, let calendar), .breadth(_, let calendar):
                calendar
            case .deduplicate, .throttle, .filter, .route, .custom, .join, .book, .resample,
                .scan:
                nil
            }
        let calendar = graph.calendars.first { $0.name == name }
        return [Step(operation: operation, branch: branch, calendar: calendar)]
    }

    /// Returns the steps from a node back to the tape. Inputs come before their users, so it ends.
    private static func way(to index: Int, in graph: GraphDefinition) -> [Step] {
        let node = graph.nodes[index]
        guard case .join(let rule, let quotes) = node.operation else {
            return way(to: node.operation, from: node.input, in: graph)
        }
        // The number of a node says nothing of what it does: its own steps follow.
        let join = GraphOperation.join(rule, with: .ticks(.quote))
        return way(to: join, from: node.input, in: graph) + way(to: join, from: quotes, in: graph)
    }

    private static func way(
        to operation: GraphOperation, from input: GraphInput, in graph: GraphDefinition
    ) -> [Step] {
        switch input {
        case .ticks(let kind):
            // A join has two inputs of the tape.
            step(operation, graph, branch: kind == .quote ? -1 : nil)
        case .node(let input): step(operation, graph) + way(to: input, in: graph)
        case .branch(let input, let branch):
            step(operation, graph, branch: branch) + way(to: input, in: graph)
        }
    }
}
