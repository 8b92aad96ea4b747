internal import Primitives
internal import TapeCodec

/// What definitions of symbols mean, found by their bytes. Each packet defines its symbols again,
/// so nearly all definitions were seen before.
struct DefinitionTable {
    /// With more, it begins again. Texts keep their indexes.
    private static let entriesMax = 1 << 17
    /// Longer ones are not remembered. Hardly any is longer.
    private static let bytesMax = 128
    private static let wordBytes = 16

    private struct Slot: BitwiseCopyable {
        var hash: UInt64 = 0
        var start: Int32 = 0
        /// 0: the slot is free.
        var count: Int32 = 0
        var names = RowNames()
    }

    private var slots = [Slot](repeating: Slot(), count: 256)
    private var used = 0
    /// The contents of the definitions: all that they say beside the index.
    private var bytes: [UInt8] = []

    /// Returns what the definition was noted to mean.
    @inline(never)
    func names(of bounds: DefinitionBounds, in packet: RawSpan) -> RowNames? {
        let key = packet.extracting(bounds.content..<bounds.end)
        let hash = Checksum.of(key)
        var place = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[place].count > 0 {
            let slot = slots[place]
            if slot.hash == hash, Int(slot.count) == key.byteCount,
                isSame(key, from: Int(slot.start))
            {
                return slot.names
            }
            place = (place + 1) & (slots.count - 1)
        }
        return nil
    }

    mutating func note(_ bounds: DefinitionBounds, in packet: RawSpan, _ found: RowNames) {
        let key = packet.extracting(bounds.content..<bounds.end)
        guard key.byteCount <= Self.bytesMax else { return }
        if used >= Self.entriesMax { self = DefinitionTable() }
        if used * 2 >= slots.count { grow() }
        insert(
            Slot(
                hash: Checksum.of(key), start: Int32(bytes.count), count: Int32(key.byteCount),
                names: found))
        bytes += key.array
        used += 1
    }

    /// Compares words. The last one overlaps the one before it: a content has at least one.
    private func isSame(_ key: RawSpan, from start: Int) -> Bool {
        bytes.withRawSpan { bytes in
            var difference: UInt128 = 0
            var offset = 0
            while offset < key.byteCount {
                let word = min(offset, key.byteCount - Self.wordBytes)
                difference |= bytes.uint128(at: start + word) ^ key.uint128(at: word)
                offset += Self.wordBytes
            }
            return difference == 0
        }
    }

    private mutating func insert(_ slot: Slot) {
        var place = Int(truncatingIfNeeded: slot.hash) & (slots.count - 1)
        while slots[place].count > 0 { place = (place + 1) & (slots.count - 1) }
        slots[place] = slot
    }

    private mutating func grow() {
        let old = slots
        slots = [Slot](repeating: Slot(), count: old.count * 2)
        for slot in old where slot.count > 0 { insert(slot) }
    }
}
