internal import Primitives
internal import StreamCore
internal import TapeCodec

/// Remembers the last definition of each symbol by its bytes, and the symbol's index.
///
/// A packet defines each of its symbols. With many symbols, turning these definitions into texts
/// and looking them up would cost more than the trades. Nearly all definitions repeat the last one
/// of the same symbol and source, and change nothing in a machine. Here such a one is recognised by
/// its bytes. Forgetting one is always safe, so no checkpoint contains this.
///
/// An empty memory allocates nothing, so it can be swapped for a filled one without cost.
struct DefinitionMemory: Sendable {
    /// A place of the table.
    private struct Place: Hashable, Sendable, BitwiseCopyable {
        /// The symbol + 1; 0 for a free place.
        var owner: UInt32 = 0
        /// The part of the hash that does not say where the place is.
        var tag: UInt32 = 0
    }

    /// Longer definitions are not remembered. Hardly any is longer.
    private static let bytesMax = 88
    /// The content is kept and compared in words of 16 bytes. The last one overlaps the one before
    /// it.
    private static let wordBytes = 16
    /// The words that a symbol has in `words`.
    private static let wordsMax = 1 + (bytesMax + wordBytes - 1) / wordBytes
    /// How far from its first place in the table a symbol may be stored. Beyond, it is not
    /// remembered.
    private static let probesMax = 16
    private static let placesMin = 256
    /// A table that was rebuilt has at least as many places for each symbol.
    private static let placesPerSymbol = 8

    /// The definitions, `wordsMax` words per interned symbol: a `Head`, and then the content.
    private var words: [UInt128] = []
    /// Symbols by hash. Places of a symbol's earlier definitions are freed when the table fills up.
    private var places: [Place] = []
    /// The number of places that are taken.
    private var used = 0

    /// Returns the symbol if this message repeats the last definition of that symbol from `source`.
    ///
    /// It is a call of its own, so that the loop over a packet's trades stays small.
    @inline(never)
    func symbol(of bounds: DefinitionBounds, in packet: RawSpan, source: Int) -> UInt32? {
        guard !places.isEmpty, let key = Key(bounds, packet, source) else { return nil }
        for probe in 0..<Self.probesMax {
            let place = places[(Key.home(key.hash) &+ probe) & (places.count &- 1)]
            guard place.owner != 0 else { return nil }
            let symbol = place.owner &- 1
            if place.tag == Key.tag(key.hash), isSame(key, packet, symbol: Int(symbol)) {
                return symbol
            }
        }
        return nil
    }

    /// Does the same for a message whose lengths are known.
    func symbol(of message: MessageBounds, in packet: RawSpan, source: Int) -> UInt32? {
        DefinitionBounds(at: message.start, in: packet)
            .flatMap { symbol(of: $0, in: packet, source: source) }
    }

    /// Remembers this message as the symbol's definition.
    mutating func note(
        _ message: MessageBounds, in packet: RawSpan, source: Int, symbol: UInt32
    ) {
        guard Int(symbol) < StreamLimits.symbolsMax else { return }
        let first = Int(symbol) * Self.wordsMax
        while words.count < first + Self.wordsMax { words.append(0) }
        words[first] = 0
        guard let bounds = DefinitionBounds(at: message.start, in: packet),
            let key = Key(bounds, packet, source)
        else { return }
        words[first] = Head(kind: key.kind, hash: key.hash).word
        var (offset, index) = (0, first + 1)
        while offset < key.byteCount {
            words[index] = key.word(at: offset, packet)
            offset += Self.wordBytes
            index += 1
        }
        if used * 2 >= places.count { sweep() } else { place(symbol, key.hash) }
    }

    @inline(__always)
    private func isSame(_ key: Key, _ packet: RawSpan, symbol: Int) -> Bool {
        let first = symbol &* Self.wordsMax
        guard Head(word: words[first]).kind == key.kind else { return false }
        var difference: UInt128 = 0
        var (offset, index) = (0, first &+ 1)
        while offset < key.byteCount {
            difference |= words[index] ^ key.word(at: offset, packet)
            offset &+= Self.wordBytes
            index &+= 1
        }
        return difference == 0
    }

    /// Enters a symbol into the table, if a place near its first one is free.
    private mutating func place(_ symbol: UInt32, _ hash: UInt64) {
        let entry = Place(owner: symbol + 1, tag: Key.tag(hash))
        for probe in 0..<Self.probesMax {
            let index = (Key.home(hash) &+ probe) & (places.count - 1)
            if places[index] == entry { return }
            guard places[index].owner == 0 else { continue }
            places[index] = entry
            used += 1
            return
        }
    }

    /// Rebuilds the table with only the present definitions, at most an eighth full: a symbol that
    /// is not at its first place costs a branch that the processor did not expect.
    private mutating func sweep() {
        let symbols = words.count / Self.wordsMax
        var count = Self.placesMin
        while count < symbols * Self.placesPerSymbol { count *= 2 }
        places = [Place](repeating: Place(), count: count)
        used = 0
        for symbol in 0..<symbols {
            let head = Head(word: words[symbol * Self.wordsMax])
            if head.kind != 0 { place(UInt32(symbol), head.hash) }
        }
    }

    /// What is remembered of a definition beside its content, as one word.
    private struct Head {
        let word: UInt128

        init(word: UInt128) { self.word = word }

        init(kind: UInt64, hash: UInt64) { word = UInt128(hash) << 64 | UInt128(kind) }

        /// 0 when no definition is remembered.
        var kind: UInt64 { UInt64(truncatingIfNeeded: word) }
        var hash: UInt64 { UInt64(truncatingIfNeeded: word >> 64) }
    }

    /// A definition as it is looked up and compared.
    private struct Key {
        /// The first, middle and last word of a name cover one of up to this length.
        private static let hashedBytes = 24

        /// The source, and the lengths of block and content. Never 0.
        let kind: UInt64
        /// The hash of the name and the kind.
        let hash: UInt64
        /// The number of bytes of the content, which is all of the message but its header and its
        /// index.
        let byteCount: Int
        private let content: Int

        /// Returns `nil` when the message is too long.
        @inline(__always)
        init?(_ bounds: DefinitionBounds, _ packet: RawSpan, _ source: Int) {
            content = bounds.content
            byteCount = bounds.end &- bounds.content
            guard byteCount <= DefinitionMemory.bytesMax else { return nil }
            let source = UInt64(UInt32(truncatingIfNeeded: source))
            let block = UInt64(truncatingIfNeeded: bounds.name &- bounds.content)
            kind = source << 32 | block << 16 | UInt64(truncatingIfNeeded: byteCount)
            // The words are the first, middle and last bytes of the name. In a short name they
            // overlap, and reach into what surrounds it.
            let last = bounds.nameEnd &- 8
            let ends = (packet.uint64(at: bounds.name) ^ 0xa076_1d64_78bd_642f)
                .multipliedFullWidth(by: packet.uint64(at: last) ^ 0x8ebc_6af0_9c88_c6e3)
            let middle = (packet.uint64(at: (bounds.name &+ last) >> 1) ^ kind)
                .multipliedFullWidth(by: 0x9e37_79b9_7f4a_7c15)
            let words = ends.high ^ ends.low ^ middle.high ^ middle.low
            hash =
                bounds.nameEnd &- bounds.name <= Self.hashedBytes
                ? words : Self.hash(bounds.name..<bounds.nameEnd, in: packet, from: words)
        }

        /// Returns a hash of all bytes of a name that is longer than the three words.
        @inline(never)
        private static func hash(
            _ name: Range<Int>, in packet: RawSpan, from first: UInt64
        ) -> UInt64 {
            name.reduce(first) { hash, place in
                let next = (hash ^ UInt64(packet.uint8(at: place))) &* 0x9e37_79b9_7f4a_7c15
                return next ^ next >> 32
            }
        }

        /// Returns a word of the content. The last one overlaps the one before it.
        @inline(__always)
        func word(at offset: Int, _ packet: RawSpan) -> UInt128 {
            packet.uint128(at: content &+ min(offset, byteCount &- DefinitionMemory.wordBytes))
        }

        @inline(__always)
        static func home(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash) }
        @inline(__always)
        static func tag(_ hash: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: hash >> 32) }
    }
}
