internal import Primitives
internal import StreamCore
internal import TapeCodec

/// Remembers the last definition of each symbol by its bytes, and the symbol's index.
///
/// A packet defines each of its symbols. With many symbols, turning these definitions into texts
/// and looking them up would cost more than the trades. Nearly all definitions repeat the last one
/// of the same symbol and source, and change nothing in a machine. Here such a one is recognised by
/// its bytes. Forgetting one is always safe, so no checkpoint contains this.
struct DefinitionMemory: Sendable {
    private struct Entry: Sendable, BitwiseCopyable {
        var hash: UInt64 = 0
        var source: UInt32 = 0
        /// The length of the remembered definition; 0 when there is none.
        var byteCount: UInt32 = 0
    }

    /// Longer definitions are not remembered. Hardly any is longer.
    private static let bytesMax = 88
    private static let wordsMax = bytesMax / 8 + 1
    /// How far from its first place in the table a symbol may be stored. Beyond, it is not
    /// remembered.
    private static let probesMax = 16

    /// By interned symbol.
    private var entries: [Entry] = []
    /// The bytes of the definitions, `wordsMax` words per symbol.
    private var words: [UInt64] = []
    /// Symbols + 1 by hash; 0 for a free place. Places of a symbol's earlier definitions are freed
    /// when the table fills up.
    private var places = [UInt32](repeating: 0, count: 256)
    /// The number of places that are taken.
    private var used = 0

    /// Returns the symbol if this message repeats the last definition of that symbol from `source`.
    func symbol(of message: MessageBounds, in packet: RawSpan, source: Int) -> UInt32? {
        guard let key = Key(message, packet, source) else { return nil }
        for probe in 0..<Self.probesMax {
            let place = places[(Int(truncatingIfNeeded: key.hash) &+ probe) & (places.count - 1)]
            guard place != 0 else { return nil }
            if isSame(key, packet, entries[Int(place) - 1], symbol: Int(place) - 1) {
                return place - 1
            }
        }
        return nil
    }

    /// Remembers this message as the symbol's definition.
    mutating func note(
        _ message: MessageBounds, in packet: RawSpan, source: Int, symbol: UInt32
    ) {
        guard Int(symbol) < StreamLimits.symbolsMax else { return }
        while entries.count <= Int(symbol) {
            entries.append(Entry())
            words.append(contentsOf: repeatElement(0, count: Self.wordsMax))
        }
        guard let key = Key(message, packet, source) else {
            entries[Int(symbol)] = Entry()
            return
        }
        entries[Int(symbol)] = Entry(
            hash: key.hash, source: key.source, byteCount: UInt32(key.byteCount))
        for index in 0..<key.wordCount {
            words[Int(symbol) * Self.wordsMax + index] = key.word(index, packet)
        }
        if used * 2 >= places.count { sweep() } else { place(symbol) }
    }

    private func isSame(_ key: Key, _ packet: RawSpan, _ entry: Entry, symbol: Int) -> Bool {
        guard entry.hash == key.hash, entry.source == key.source,
            entry.byteCount == UInt32(key.byteCount)
        else { return false }
        let first = symbol * Self.wordsMax
        for index in 0..<key.wordCount
        where words[first &+ index] != key.word(index, packet) { return false }
        return true
    }

    /// Enters a symbol into the table, if a place near its first one is free.
    private mutating func place(_ symbol: UInt32) {
        for probe in 0..<Self.probesMax {
            let hash = Int(truncatingIfNeeded: entries[Int(symbol)].hash)
            let index = (hash &+ probe) & (places.count - 1)
            if places[index] == symbol + 1 { return }
            guard places[index] == 0 else { continue }
            places[index] = symbol + 1
            used += 1
            return
        }
    }

    /// Rebuilds the table with only the present definitions, at most a quarter full.
    private mutating func sweep() {
        var count = 256
        while count < entries.count * 4 { count *= 2 }
        places = [UInt32](repeating: 0, count: count)
        used = 0
        for symbol in entries.indices where entries[symbol].byteCount > 0 { place(UInt32(symbol)) }
    }

    /// The content of a definition, without the index that it has in its packet.
    private struct Key {
        let hash: UInt64
        let source: UInt32
        let first: Int
        let byteCount: Int

        /// Returns `nil` when the message is too long, or is no definition of a symbol.
        init?(_ message: MessageBounds, _ packet: RawSpan, _ source: Int) {
            first = message.body + 8
            byteCount = message.end - first
            // A longer block is of a newer version, whose further fields are not known here.
            guard message.template == WireFormat.Template.symbolDefinition,
                message.blockLength == WireFormat.Block.symbolDefinition
                    || message.blockLength == WireFormat.Block.symbolDefinitionWithLot,
                byteCount >= 8, byteCount <= DefinitionMemory.bytesMax
            else { return nil }
            self.source = UInt32(truncatingIfNeeded: source)
            var hash = UInt64(byteCount) << 32 | UInt64(self.source)
            hash |= UInt64(message.blockLength) << 48
            for index in 0..<(byteCount + 7) / 8 {
                let offset = min(index * 8, byteCount - 8)
                hash = (hash ^ packet.uint64(at: first + offset)) &* 0x9e37_79b9_7f4a_7c15
                hash ^= hash >> 29
            }
            self.hash = hash
        }

        var wordCount: Int { (byteCount + 7) / 8 }

        /// Returns a word of the content. The last word overlaps the one before it.
        func word(_ index: Int, _ packet: RawSpan) -> UInt64 {
            packet.uint64(at: first + min(index * 8, byteCount - 8))
        }
    }
}
