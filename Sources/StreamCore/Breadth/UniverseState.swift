public import MarketModel
internal import Primitives

/// All that is kept of a tape's bars by those who work over all partitions: how far each partition
/// has come, the symbols by number, and a machine for each node of the graph.
public struct UniverseState: Sendable {
    public var clocks: PartitionClocks
    public var machines: [BreadthMachine]
    public private(set) var symbols: [Symbol] = []
    /// Looked up and never walked over.
    private var indexes: [Symbol: UInt32] = [:]

    private static let envelope = StateEnvelope("UNIV", version: 1)

    public init(partitions: Int, machines: [BreadthMachine]) {
        clocks = PartitionClocks(partitions: partitions)
        self.machines = machines
    }

    /// The number of a symbol, given out at its first appearance; one for which there is no room
    /// has a number that the machines refuse.
    public mutating func index(of symbol: Symbol) -> UInt32 {
        if let known = indexes[symbol] { return known }
        guard symbols.count < BreadthRule.universeMax else { return UInt32.max }
        let index = UInt32(symbols.count)
        symbols.append(symbol)
        indexes[symbol] = index
        return index
    }

    // MARK: as bytes

    public func encode(into bytes: inout [UInt8]) {
        let start = Self.envelope.begin(&bytes)
        clocks.encode(into: &bytes)
        bytes.append(integer: UInt32(symbols.count))
        for symbol in symbols { bytes.append(text: symbol.text) }
        Self.envelope.seal(&bytes, from: start)
        for machine in machines { machine.encode(into: &bytes) }
    }

    /// The state whose `encode` made these bytes. `blank` is one of the same graph and tape.
    public init(_ blank: UniverseState, restoring bytes: RawSpan) throws(CheckpointError) {
        self = blank
        var reader = try Self.envelope.open(bytes, isLast: false)
        try restoreClocks(&reader, bytes)
        let count = try reader.count(
            of: .symbol, max: BreadthRule.universeMax, bytesEach: 3, in: bytes)
        for _ in 0..<count {
            let text = try reader.text(of: .symbol, max: Symbol.utf8CountMax, in: bytes)
            guard let symbol = Symbol(text), index(of: symbol) == symbols.count - 1 else {
                throw reader.malformed(.symbol)
            }
        }
        try reader.finish()
        var offset = reader.endOfEnvelope
        for index in machines.indices {
            machines[index] = try BreadthMachine(
                machines[index], restoring: bytes, offset: &offset)
        }
        guard offset == bytes.byteCount else { throw .malformed(.end, offset: offset) }
    }

    private mutating func restoreClocks(
        _ reader: inout StateReader, _ bytes: RawSpan
    ) throws(CheckpointError) {
        let partitions = try reader.uint32(in: bytes)
        guard partitions == clocks.told.count else { throw reader.malformed(.source) }
        let first = try reader.int64(in: bytes)
        let least = try reader.int64(in: bytes)
        var told: [Int64] = []
        for _ in 0..<partitions { told.append(try reader.int64(in: bytes)) }
        guard let restored = PartitionClocks(told: told, first: first, least: least) else {
            throw reader.malformed(.source)
        }
        clocks = restored
    }
}
