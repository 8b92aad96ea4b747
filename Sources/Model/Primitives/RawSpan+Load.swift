// Loads of little-endian integers. Every one is range checked against the span; the bit patterns
// need no check because each of them is a value.
//
// Safety: `unsafeLoadUnaligned` checks its offset against the span's bounds; it is "unsafe" only
// for types in which not every bit pattern is a value.
extension RawSpan {
    @inlinable @inline(__always)
    public func uint8(at offset: Int) -> UInt8 {
        unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt8.self)
    }

    @inlinable @inline(__always)
    public func uint16(at offset: Int) -> UInt16 {
        UInt16(littleEndian: unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }

    @inlinable @inline(__always)
    public func uint32(at offset: Int) -> UInt32 {
        UInt32(littleEndian: unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    @inlinable @inline(__always)
    public func uint64(at offset: Int) -> UInt64 {
        UInt64(littleEndian: unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    @inlinable @inline(__always)
    public func int64(at offset: Int) -> Int64 {
        Int64(littleEndian: unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: Int64.self))
    }

    @inlinable @inline(__always)
    public func int128(at offset: Int) -> Int128 {
        let low = uint64(at: offset)
        let high = int64(at: offset + 8)
        return Int128(_low: low, _high: high)
    }

    @inlinable @inline(__always)
    public func uint128(at offset: Int) -> UInt128 {
        UInt128(littleEndian: unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt128.self))
    }

    /// The bytes as UTF-8 text; a malformed sequence becomes U+FFFD instead of an error.
    public var text: String {
        unsafe withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
    }

    public var array: [UInt8] {
        unsafe withUnsafeBytes { unsafe Array($0) }
    }
}

extension Array where Element == UInt8 {
    /// Calls `body` with the bytes as a span. Without it, every caller of `Span.bytes` would have
    /// to be marked unsafe, although every byte is a `UInt8`.
    @inlinable @inline(__always)
    public func withRawSpan<Result, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // Safety: every byte is a valid `UInt8`.
        try body(unsafe span.bytes)
    }
}
