extension [UInt8] {
    @inline(__always)
    mutating func append(integer value: some FixedWidthInteger & BitwiseCopyable) {
        // Safety: reads the bytes of an integer, and all of them are set.
        unsafe Swift.withUnsafeBytes(of: value.littleEndian) { unsafe append(contentsOf: $0) }
    }

    /// Appends a text after its length, so that two texts in a row cannot be read as one.
    mutating func append(text: String) {
        append(integer: UInt16(truncatingIfNeeded: text.utf8.count))
        append(contentsOf: text.utf8)
    }
}
