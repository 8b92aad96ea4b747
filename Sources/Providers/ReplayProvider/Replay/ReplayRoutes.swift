internal import MarketModel
internal import Primitives
internal import TapeCodec

/// To which partition of the tape that is replayed into each record of a packet goes.
struct ReplayRoutes {
    struct Route {
        let partition: Int
        /// The packet's number of the symbol.
        let index: UInt32
    }

    private struct Known {
        let definition: SymbolDefinition
        let partition: Int
        let isWanted: Bool
    }

    private let partitions: Int
    /// Empty: all.
    private let wanted: Set<Symbol>
    private var known: [UInt32: Known] = [:]

    init(partitions: Int, symbols: [Symbol]) {
        self.partitions = partitions
        wanted = Set(symbols)
    }

    /// The numbers of symbols are those of one packet.
    mutating func begin() { known.removeAll(keepingCapacity: true) }

    mutating func define(_ index: UInt32, _ definition: SymbolDefinition) {
        known[index] = Known(
            definition: definition,
            partition: Partition(of: definition.symbol, count: partitions).number,
            isWanted: wanted.isEmpty || wanted.contains(definition.symbol))
    }

    /// Nil: it is of a symbol that is not meant, or that nobody defined. What is of no symbol goes
    /// where a gateway puts it.
    func route(of record: TapeRecord) -> Route? {
        guard let header = record.header else { return nil }
        if header.symbol == TickHeader.noSymbol {
            // A gateway takes no market data of nobody.
            if case .trade = record { return nil }
            if case .quote = record { return nil }
            return wanted.isEmpty ? Route(partition: 0, index: header.symbol) : nil
        }
        guard let found = known[header.symbol], found.isWanted else { return nil }
        return Route(partition: found.partition, index: header.symbol)
    }

    func definition(_ index: UInt32) -> SymbolDefinition? { known[index]?.definition }

    func symbol(of record: TapeRecord) -> Symbol? {
        record.header.flatMap { known[$0.symbol]?.definition.symbol }
    }
}
