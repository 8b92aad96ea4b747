internal import Primitives
internal import TapeCodec

/// What definitions of symbols mean, found by their bytes. Each packet defines its symbols again,
/// so nearly all definitions were seen before.
struct DefinitionTable {
    /// With more, it begins again. Texts keep their indexes.
    private static let entriesMax = 1 << 17

    private struct Slot {
        var hash: UInt64 = 0
        var entry: Int32 = -1
    }

    private var slots = [Slot](repeating: Slot(), count: 256)
    private var places: [Range<Int>] = []
    private var names: [RowNames] = []
    private var bytes: [UInt8] = []

    /// The part of a definition that says what the symbol is: symbol, provider and source, each
    /// after its length.
    struct Key {
        fileprivate let place: Range<Int>
        fileprivate let hash: UInt64

        init(_ parts: SymbolParts, in packet: RawSpan) {
            place = parts.symbol.lowerBound - WireFormat.lengthBytes..<parts.source.upperBound
            hash = Checksum.of(packet.extracting(place))
        }
    }

    func names(of key: Key, in packet: RawSpan) -> RowNames? {
        var place = Int(truncatingIfNeeded: key.hash) & (slots.count - 1)
        while slots[place].entry >= 0 {
            let slot = slots[place]
            if slot.hash == key.hash, isSame(places[Int(slot.entry)], key.place, packet) {
                return names[Int(slot.entry)]
            }
            place = (place + 1) & (slots.count - 1)
        }
        return nil
    }

    mutating func note(_ key: Key, in packet: RawSpan, _ found: RowNames) {
        if places.count >= Self.entriesMax { self = DefinitionTable() }
        if places.count * 2 >= slots.count { grow() }
        insert(Slot(hash: key.hash, entry: Int32(places.count)))
        let start = bytes.count
        bytes += packet.extracting(key.place).array
        places.append(start..<bytes.count)
        names.append(found)
    }

    private func isSame(_ known: Range<Int>, _ place: Range<Int>, _ packet: RawSpan) -> Bool {
        guard known.count == place.count else { return false }
        return bytes.withRawSpan { bytes in
            var offset = 0
            while offset + 8 <= known.count {
                guard
                    bytes.uint64(at: known.lowerBound + offset)
                        == packet.uint64(at: place.lowerBound + offset)
                else { return false }
                offset += 8
            }
            while offset < known.count {
                guard
                    bytes.uint8(at: known.lowerBound + offset)
                        == packet.uint8(at: place.lowerBound + offset)
                else { return false }
                offset += 1
            }
            return true
        }
    }

    private mutating func insert(_ slot: Slot) {
        var place = Int(truncatingIfNeeded: slot.hash) & (slots.count - 1)
        while slots[place].entry >= 0 { place = (place + 1) & (slots.count - 1) }
        slots[place] = slot
    }

    private mutating func grow() {
        let old = slots
        slots = [Slot](repeating: Slot(), count: old.count * 2)
        for slot in old where slot.entry >= 0 { insert(slot) }
    }
}
