package import MarketModel

/// A tick that a node of a graph passes on to live subscribers.
package struct LiveNodeTick: Sendable {
    package enum Tick: Sendable {
        case trade(Trade)
        case quote(Quote)
        case providerBar(ProviderBar)
    }

    /// The name of the node.
    package let node: String
    package let symbol: Symbol
    /// The source whose tick it is, or the group of that source.
    package let source: SourceName
    package let partition: Partition
    package let tick: Tick

    package init(
        node: String, symbol: Symbol, source: SourceName, partition: Partition, tick: Tick
    ) {
        self.node = node
        self.symbol = symbol
        self.source = source
        self.partition = partition
        self.tick = tick
    }
}
