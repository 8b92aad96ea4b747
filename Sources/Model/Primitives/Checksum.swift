internal import CXXHash

/// XXH3-64, the checksum of packets and of chains of packets.
public enum Checksum {
    public static func of(_ bytes: RawSpan) -> UInt64 {
        // Safety: reads `count` bytes at the span's start, while the span is borrowed.
        unsafe bytes.withUnsafeBytes { unsafe xxh3_64($0.baseAddress, $0.count) }
    }

    /// Returns a checksum that continues from `previous`. Two results are equal only if both chains
    /// were equal from the start.
    public static func chained(_ bytes: RawSpan, after previous: UInt64) -> UInt64 {
        // Safety: as above.
        unsafe bytes.withUnsafeBytes {
            unsafe xxh3_64_seeded($0.baseAddress, $0.count, previous)
        }
    }

    /// The same of a number's bytes, little endian.
    public static func chained(_ word: UInt64, after previous: UInt64) -> UInt64 {
        // Safety: as above.
        unsafe withUnsafeBytes(of: word.littleEndian) {
            unsafe xxh3_64_seeded($0.baseAddress, $0.count, previous)
        }
    }

    public static func of(_ text: String) -> UInt64 {
        Array(text.utf8).withRawSpan { of($0) }
    }
}
