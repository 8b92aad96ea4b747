internal import Primitives
internal import TapeCodec

/// What definitions of symbols mean, found by their bytes. Each packet defines its symbols again,
/// so nearly all definitions were seen before.
struct DefinitionTable {
    /// With more, it begins again. Texts keep their indexes.
    private static let entriesMax = 1 << 17
    private static let slotsFirst = 256
    /// So many slots are searched at most. A definition that does not get one of them is not noted.
    static let probesMax: UInt64 = 32

    private var table = Table(count: slotsFirst)
    private var used = 0

    private struct Slot: BitwiseCopyable {
        var hash: UInt64 = 0
        /// Where its content begins.
        var content: Int32 = 0
        /// The bytes of the content; 0: the slot is free.
        var count: Int32 = 0
        var names = RowNames()
    }

    /// Safety: `count` slots, all of them set; `count` is a power of two. Less than half of them
    /// are used. A used slot has a content of at most `Self.bytesMax` in the bytes, which have room
    /// for half of the slots.
    @safe
    private final class Table {
        /// Longer contents are not remembered. Hardly any is longer.
        static let bytesMax = 128

        let slots: UnsafeMutablePointer<Slot>
        let count: Int
        /// The contents of the definitions: all that they say beside the index.
        private let bytes: UnsafeMutableRawPointer
        private var bytesUsed = 0

        init(count: Int) {
            self.count = count
            unsafe slots = .allocate(capacity: count)
            unsafe slots.initialize(repeating: Slot(), count: count)
            unsafe bytes = .allocate(byteCount: count / 2 * Self.bytesMax, alignment: 16)
        }

        deinit {
            unsafe slots.deallocate()
            unsafe bytes.deallocate()
        }

        @inline(__always)
        subscript(place: UInt64) -> Slot {
            unsafe slots[Int(truncatingIfNeeded: place) & (count &- 1)]
        }

        /// Compares words. The last one overlaps the one before it: a content has at least one.
        @inline(__always)
        func has(_ key: RawSpan, at content: Int32) -> Bool {
            let known = unsafe bytes + Int(content)
            var difference: UInt128 = 0
            var offset = 0
            while offset < key.byteCount {
                let word = min(offset, key.byteCount &- DefinitionTable.wordBytes)
                difference |=
                    unsafe UInt128(
                        littleEndian: known.loadUnaligned(fromByteOffset: word, as: UInt128.self))
                    ^ key.uint128(at: word)
                offset &+= DefinitionTable.wordBytes
            }
            return difference == 0
        }

        /// Returns false when no slot that a search reaches is free.
        @discardableResult
        func insert(
            _ hash: UInt64, _ names: RowNames, _ content: UnsafeRawBufferPointer
        ) -> Bool {
            precondition(content.count <= Self.bytesMax, "the content of a definition is too long")
            var place = hash
            while self[place].count > 0 {
                place &+= 1
                if place == hash &+ DefinitionTable.probesMax { return false }
            }
            unsafe slots[Int(truncatingIfNeeded: place) & (count - 1)] = Slot(
                hash: hash, content: Int32(bytesUsed), count: Int32(content.count), names: names)
            unsafe UnsafeMutableRawBufferPointer(start: bytes + bytesUsed, count: content.count)
                .copyMemory(from: content)
            bytesUsed += content.count
            return true
        }

        /// Returns one of twice the size with the same contents, as far as they are found there.
        func grown() -> Table {
            let larger = Table(count: count * 2)
            for place in 0..<count {
                let slot = unsafe slots[place]
                guard slot.count > 0 else { continue }
                let content = unsafe UnsafeRawBufferPointer(
                    start: bytes + Int(slot.content), count: Int(slot.count))
                unsafe larger.insert(slot.hash, slot.names, content)
            }
            return larger
        }
    }

    /// The words in which contents are read.
    fileprivate static let wordBytes = 16

    /// Returns what the definition was noted to mean.
    @inline(never)
    func names(of bounds: DefinitionBounds, in packet: RawSpan) -> RowNames? {
        let key = packet.extracting(bounds.content..<bounds.end)
        let hash = Self.hash(key)
        var place = hash
        let end = hash &+ Self.probesMax
        while place != end {
            let slot = table[place]
            guard slot.count > 0 else { return nil }
            if slot.hash == hash, Int(slot.count) == key.byteCount, table.has(key, at: slot.content)
            {
                return slot.names
            }
            place &+= 1
        }
        return nil
    }

    mutating func note(_ bounds: DefinitionBounds, in packet: RawSpan, _ found: RowNames) {
        let key = packet.extracting(bounds.content..<bounds.end)
        guard key.byteCount <= Table.bytesMax else { return }
        if used >= Self.entriesMax { self = DefinitionTable() }
        if (used + 1) * 2 >= table.count { table = table.grown() }
        let hash = Self.hash(key)
        let isIn = unsafe key.withUnsafeBytes { unsafe table.insert(hash, found, $0) }
        if isIn { used += 1 }
    }

    /// Folds the product of the two halves of each word into the next one. A content is short, so
    /// this is a third of the work of a checksum. Contents are compared in any case.
    @inline(__always)
    private static func hash(_ key: RawSpan) -> UInt64 {
        var hash = UInt64(truncatingIfNeeded: key.byteCount)
        var offset = 0
        while offset < key.byteCount {
            let word = key.uint128(at: min(offset, key.byteCount &- wordBytes))
            let (low, high) = (
                UInt64(truncatingIfNeeded: word), UInt64(truncatingIfNeeded: word >> 64)
            )
            let product = (low ^ 0xa076_1d64_78bd_642f ^ hash).multipliedFullWidth(
                by: high ^ 0xe703_7ed1_a0b4_28db)
            hash = product.high ^ product.low
            offset &+= wordBytes
        }
        return hash
    }
}
