internal import MarketModel
package import OperatorGraph
package import StreamCore

extension GraphDefinition {
    /// Returns this graph with a node that measures the breadth of all trades.
    package func measuring(
        _ rule: BreadthRule, as name: String = "market", calendar: String? = nil
    ) -> GraphDefinition {
        var graph = self
        graph.nodes.append(
            GraphNode(
                name: name, input: .ticks(.trade), operation: .breadth(rule, calendar: calendar)))
        return graph
    }

    /// Returns this graph with a node that scans the bars of a series.
    package func scanning(_ rule: ScanRule, as name: String = "found") -> GraphDefinition {
        var graph = self
        graph.nodes.append(
            GraphNode(name: name, input: .ticks(.trade), operation: .scan(rule)))
        return graph
    }
}
