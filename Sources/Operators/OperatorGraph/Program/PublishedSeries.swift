package import MarketModel
package import StreamCore

/// The name under which output is listed: a series of bars, or a node that lists duplicates.
package struct PublishedSeries: Hashable, Sendable {
    package let name: SeriesName
    /// The width for the definition on the tape; 0 when it has none.
    package let widthNanoseconds: Int64
    /// How long after its end a window still takes ticks; `nil` for a node that lists duplicates.
    package let latenessNanoseconds: Int64?
    /// The window; `nil` for a node that lists duplicates, which makes no bars.
    package let window: WindowRule?

    init(_ series: BarSeries) {
        name = series.name
        widthNanoseconds = series.widthNanoseconds
        latenessNanoseconds = series.lateness
        window = series.window
    }

    /// Returns `nil` when the node's name is not a valid name of a series.
    init?(duplicatesOf node: GraphNode) {
        guard let name = SeriesName(node.name) else { return nil }
        self.name = name
        widthNanoseconds = 0
        latenessNanoseconds = nil
        window = nil
    }
}
