public import MarketModel

/// A tick that a node of a graph passes on to live subscribers.
public struct LiveNodeTick: Sendable {
    public enum Tick: Sendable {
        case trade(Trade)
        case quote(Quote)
    }

    /// The name of the node.
    public let node: String
    public let symbol: Symbol
    /// The source that feeds the symbol.
    public let source: SourceName
    public let partition: Partition
    public let tick: Tick

    public init(
        node: String, symbol: Symbol, source: SourceName, partition: Partition, tick: Tick
    ) {
        self.node = node
        self.symbol = symbol
        self.source = source
        self.partition = partition
        self.tick = tick
    }
}
