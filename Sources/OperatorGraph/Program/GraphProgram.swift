internal import MarketModel
internal import Primitives
public import StreamCore

/// A definition made ready to run: the same for all partitions.
public struct GraphProgram: Sendable {
    public let definition: GraphDefinition
    /// All series that the graph publishes; their place here is the index that outputs carry.
    public let series: [BarSeries]

    public init(_ definition: GraphDefinition) {
        self.definition = definition
        series = definition.nodes.flatMap { node in
            if case .bars(let rule, _) = node.operation { return rule.series.all }
            return []
        }
    }

    /// What the output follows from: other definitions have other hashes.
    public var hash: UInt64 {
        let series = self.series.map { "\($0.name) \($0.widthNanoseconds)" }
        return Checksum.of("bars 1: " + series.joined(separator: ", "))
    }

    /// How people name it in a message.
    public var summary: String { series.map(\.name.text).joined(separator: ",") }
}
