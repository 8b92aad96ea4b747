internal import MarketModel
internal import Primitives
internal import TapeCodec

/// The partition of the target tape for each record of a packet.
struct ReplayRoutes {
    struct Route {
        let partition: Int
        /// The packet's number of the symbol.
        let index: UInt32
    }

    /// A symbol that the packet has defined.
    private struct Known {
        let definition: SymbolDefinition
        let partition: Int
        let isWanted: Bool
    }

    private let partitions: Int
    /// The selected symbols; empty: all.
    private let wanted: Set<Symbol>
    /// By the packet's number of the symbol.
    private var known: [UInt32: Known] = [:]

    init(partitions: Int, symbols: [Symbol]) {
        self.partitions = partitions
        wanted = Set(symbols)
    }

    /// Begins a packet: numbers of symbols are valid in one packet only.
    mutating func begin() { known.removeAll(keepingCapacity: true) }

    /// Notes a definition of the packet.
    mutating func define(_ index: UInt32, _ definition: SymbolDefinition) {
        known[index] = Known(
            definition: definition,
            partition: Partition(of: definition.symbol, count: partitions).number,
            isWanted: wanted.isEmpty || wanted.contains(definition.symbol))
    }

    /// Returns `nil` for a record whose symbol is not selected or not defined. A record without a
    /// symbol goes to the partition that a gateway would choose.
    func route(of record: TapeRecord) -> Route? {
        guard let header = record.header else { return nil }
        if header.symbol == TickHeader.noSymbol {
            // A gateway refuses market data without a symbol.
            if case .trade = record { return nil }
            if case .quote = record { return nil }
            return wanted.isEmpty ? Route(partition: 0, index: header.symbol) : nil
        }
        guard let found = known[header.symbol], found.isWanted else { return nil }
        return Route(partition: found.partition, index: header.symbol)
    }

    /// Returns `nil` when the packet has not defined this number.
    func definition(_ index: UInt32) -> SymbolDefinition? { known[index]?.definition }

    /// Returns `nil` for a record without a symbol.
    func symbol(of record: TapeRecord) -> Symbol? {
        record.header.flatMap { known[$0.symbol]?.definition.symbol }
    }
}
