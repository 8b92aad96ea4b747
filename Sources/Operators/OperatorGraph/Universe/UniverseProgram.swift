internal import MarketModel
package import StreamCore

/// The nodes of a graph that work over all partitions, made ready to run.
package struct UniverseProgram: Sendable {
    package struct Node: Sendable {
        package let name: String
        package let rule: BreadthRule
        /// The series that its rule names.
        package let series: BarSeries
        package let calendar: SessionCalendar?
    }

    package let nodes: [Node]
    /// The groups of sources. Bars from before a group was introduced have its members' names.
    let groups: SourceGroups
    /// The number of partitions of the tape. Each is waited for.
    package let partitions: Int

    /// Returns `nil` when the graph has no nodes that work over all partitions.
    package init?(_ definition: GraphDefinition, partitions: Int) {
        let series = definition.nodes.flatMap { node -> [BarSeries] in
            switch node.operation {
            case .bars(let rule, _): rule.series.all
            case .resample(let rule): rule.series.all
            default: []
            }
        }
        nodes = definition.nodes.compactMap { node in
            guard case .breadth(let rule, let calendar) = node.operation,
                let bars = series.first(where: { $0.name == rule.series }),
                bars.widthNanoseconds > 0
            else { return nil }
            return Node(
                name: node.name, rule: rule, series: bars,
                calendar: definition.calendars.first { $0.name == calendar })
        }
        groups = definition.groups
        self.partitions = partitions
        if nodes.isEmpty { return nil }
    }
}
