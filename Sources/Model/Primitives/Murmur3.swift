/// murmur3_x86_32, the hash that decides the partition of a symbol. It must never change: other
/// languages compute it too (Python: `mmh3.hash(symbol, signed=False)`).
public enum Murmur3 {
    @inlinable
    public static func hash32(_ bytes: RawSpan, seed: UInt32 = 0) -> UInt32 {
        var hash = seed
        let blocks = bytes.byteCount / 4
        for block in 0..<blocks {
            hash ^= scramble(bytes.uint32(at: block * 4))
            hash = (hash << 13 | hash >> 19) &* 5 &+ 0xe654_6b64
        }
        var tail: UInt32 = 0
        for index in stride(from: bytes.byteCount - 1, through: blocks * 4, by: -1) {
            tail = tail << 8 | UInt32(bytes.uint8(at: index))
        }
        hash ^= scramble(tail)
        hash ^= UInt32(truncatingIfNeeded: bytes.byteCount)
        hash = (hash ^ hash >> 16) &* 0x85eb_ca6b
        hash = (hash ^ hash >> 13) &* 0xc2b2_ae35
        return hash ^ hash >> 16
    }

    public static func hash32(_ text: String, seed: UInt32 = 0) -> UInt32 {
        Array(text.utf8).withRawSpan { hash32($0, seed: seed) }
    }

    @inlinable @inline(__always)
    static func scramble(_ block: UInt32) -> UInt32 {
        let mixed = block &* 0xcc9e_2d51
        return (mixed << 15 | mixed >> 17) &* 0x1b87_3593
    }
}
