extension SymbolTable {
    /// The same symbols under the same indexes, fed by the same sources.
    public func isLike(_ other: SymbolTable) -> Bool {
        count == other.count
            && zip(records, other.records).allSatisfy { $0.symbol == $1.symbol }
            && zip(feeds, other.feeds).allSatisfy { $0.source == $1.source }
    }
}
