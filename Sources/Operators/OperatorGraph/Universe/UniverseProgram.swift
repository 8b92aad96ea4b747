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

    package struct Scan: Sendable {
        package let name: String
        package let rule: ScanRule
        /// The series that its rule names.
        package let series: BarSeries
    }

    /// The nodes of breadth. As machines they come before the scans.
    package let nodes: [Node]
    package let scans: [Scan]
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
        scans = definition.nodes.compactMap { node in
            guard case .scan(let rule) = node.operation,
                let bars = series.first(where: { $0.name == rule.series }),
                bars.widthNanoseconds > 0
            else { return nil }
            return Scan(name: node.name, rule: rule, series: bars)
        }
        groups = definition.groups
        self.partitions = partitions
        if nodes.isEmpty, scans.isEmpty { return nil }
    }

    /// By machine, the series whose bars it takes.
    var series: [SeriesName] { nodes.map(\.rule.series) + scans.map(\.rule.series) }

    /// The names of the values that depend on the bars of their window alone: those of lists.
    package var namesOfWindows: [String] {
        scans.filter { $0.rule.derivation == nil }.flatMap(\.valueNames)
    }
    /// The names of all values.
    package var valueNames: [String] {
        nodes.flatMap { node in
            node.valueNames.flatMap { [$0, "\($0).symbols"] }
        } + scans.flatMap(\.valueNames)
    }
    /// The width of the widest windows, in nanoseconds.
    package var widthMax: Int64 {
        (nodes.map(\.series.widthNanoseconds) + scans.map(\.series.widthNanoseconds)).max() ?? 0
    }
}

extension UniverseProgram.Node {
    /// By measure: `<node>.<measure>`.
    var valueNames: [String] { rule.measures.map { "\(name).\($0.name)" } }
}

extension UniverseProgram.Scan {
    /// By number: `<node>.<number>`.
    var valueNames: [String] { rule.names.map { "\(name).\($0)" } }
}
