public import MarketModel
public import StreamCore

/// What an output of a graph is listed under: a series of bars, or a node that lists duplicates.
public struct PublishedSeries: Hashable, Sendable {
    public let name: SeriesName
    /// For the definition on the tape; 0 when it has none.
    public let widthNanoseconds: Int64
    /// Nil of a node that lists duplicates: there are no bars of it.
    public let window: WindowRule?

    init(_ series: BarSeries) {
        name = series.name
        widthNanoseconds = series.widthNanoseconds
        window = series.window
    }

    /// Nil: the node's name is none that a series may have.
    init?(duplicatesOf node: GraphNode) {
        guard let name = SeriesName(node.name) else { return nil }
        self.name = name
        widthNanoseconds = 0
        window = nil
    }
}
