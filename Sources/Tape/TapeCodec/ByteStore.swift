/// Stores of little-endian integers into the buffer of a packet.
///
/// Safety: `storeBytes` is range checked only in debug builds. So each writer checks once that the
/// whole message fits into the buffer: `append` of a trade or quote, `PacketBuilder.begin` for all
/// other messages, `writeHeader` for the header.
extension UnsafeMutableRawBufferPointer {
    @inlinable @inline(__always)
    func put(_ value: some FixedWidthInteger & BitwiseCopyable, at offset: Int) {
        unsafe storeBytes(of: value.littleEndian, toByteOffset: offset, as: type(of: value))
    }

    /// Copies bytes. It checks by itself that they fit.
    func put(_ bytes: [UInt8], at offset: Int) {
        precondition(
            offset >= 0 && bytes.count <= count - offset,
            "a field does not fit into the packet's buffer")
        unsafe bytes.withUnsafeBytes {
            unsafe UnsafeMutableRawBufferPointer(rebasing: self[offset...]).copyMemory(from: $0)
        }
    }
}
