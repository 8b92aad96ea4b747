/// Stores of little-endian integers into a byte array.
///
/// Safety: `storeBytes` is range checked only in debug builds, so each store is preceded by one
/// check of the whole message against the array (`PacketBuilder.begin`).
extension UnsafeMutableRawBufferPointer {
    @inlinable @inline(__always)
    func put(_ value: some FixedWidthInteger & BitwiseCopyable, at offset: Int) {
        unsafe storeBytes(of: value.littleEndian, toByteOffset: offset, as: type(of: value))
    }
}
