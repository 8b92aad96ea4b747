internal import StreamCore
internal import TapeCodec

/// The machine's symbols by the indexes that the definitions of one packet give them.
struct PacketSymbols: Sendable {
    private var symbols: [UInt32] = []

    @inline(__always)
    subscript(index: UInt32) -> UInt32 {
        index < symbols.count ? symbols[Int(index)] : BarMachine.noSymbol
    }

    /// Sets the symbol of an index from here on in the packet.
    @inline(__always)
    mutating func set(_ index: UInt32, _ symbol: UInt32) {
        if index == symbols.count, index < PacketLimits.definitionsMax {
            symbols.append(symbol)
        } else {
            var own: [UInt32] = []
            swap(&own, &symbols)
            symbols = Self.setting(index, symbol, in: own)
        }
    }

    /// Sets the symbol of an index that does not follow the last one. It returns a value: a
    /// mutating function would take an address, which would keep all of a `TradeWalk` in memory.
    @inline(never)
    private static func setting(
        _ index: UInt32, _ symbol: UInt32, in symbols: consuming [UInt32]
    ) -> [UInt32] {
        guard index < PacketLimits.definitionsMax else { return symbols }
        while symbols.count <= index { symbols.append(BarMachine.noSymbol) }
        symbols[Int(index)] = symbol
        return symbols
    }

    /// Forgets all indexes, for the next packet.
    mutating func removeAll() { symbols.removeAll(keepingCapacity: true) }
}
