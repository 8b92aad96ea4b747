internal import MarketModel

/// The symbols that count for a node over all partitions. A symbol's *number* is its place in
/// `names`, in the order in which symbols appeared.
struct UniverseSymbols: Sendable {
    /// By number, the symbol.
    private(set) var names: [SourceSymbol] = []
    /// The sources and groups of the symbols.
    private(set) var sources: Set<SourceName> = []
    /// Looked up and never walked over: its order differs between processes.
    private var numbers: [SourceSymbol: UInt32] = [:]
    /// The symbols that count; empty when all do.
    private let universe: Set<Symbol>
    /// The sources that count; empty when all do.
    private let named: Set<SourceName>

    init(_ universe: [Symbol], of sources: [SourceName]) {
        self.universe = Set(universe)
        named = Set(sources)
    }

    /// Returns the symbol's number, which is `names.count - 1` when it is new. It is `nil` when the
    /// symbol does not count, or there are too many, which `refused` counts.
    mutating func number(_ symbol: SourceSymbol, refused: inout UInt64) -> UInt32? {
        if let known = numbers[symbol] { return known }
        guard universe.isEmpty || universe.contains(symbol.symbol),
            named.isEmpty || named.contains(symbol.source)
        else { return nil }
        guard names.count < BreadthRule.universeMax else {
            refused += 1
            return nil
        }
        let number = UInt32(names.count)
        names.append(symbol)
        sources.insert(symbol.source)
        numbers[symbol] = number
        return number
    }
}

extension UniverseSymbols {
    /// Reads a symbol of a checkpoint, with its source.
    static func name(
        _ reader: inout StateReader, _ bytes: RawSpan
    ) throws(CheckpointError) -> SourceSymbol {
        let text = try reader.text(of: .symbol, max: Symbol.utf8CountMax, in: bytes)
        let owner = try reader.text(of: .symbol, max: SourceName.utf8CountMax, in: bytes)
        guard let name = Symbol(text), let source = SourceName(owner) else {
            throw reader.malformed(.symbol)
        }
        return SourceSymbol(name, of: source)
    }
}
