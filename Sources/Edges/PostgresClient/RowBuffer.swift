/// The buffer of `BinaryCopyWriter`: the bytes of rows that are not sent yet. Numbers are stored in
/// big-endian order, and their room is checked once per row.
///
/// The caller that begins a row reserves the most that its values of fixed size can take, and
/// stores those without another check. A value of variable size reserves its own length in addition
/// to the rest of the row. The memory grows when a row needs more.
// Safety: the memory belongs to this value alone, from init to deinit, and every store is inside
// what `reserve` has made available.
@safe @usableFromInline
struct RowBuffer: ~Copyable {
    /// The memory.
    @usableFromInline var start: UnsafeMutableRawPointer
    /// The size of the memory, in bytes.
    @usableFromInline var capacity: Int
    /// The number of bytes that are written.
    @usableFromInline var used = 0

    init(capacity: Int) {
        precondition(capacity > 0, "a buffer without room")
        unsafe start = .allocate(byteCount: capacity, alignment: 16)
        self.capacity = capacity
    }

    @inlinable
    deinit { unsafe start.deallocate() }

    /// Reserves room for this many more bytes.
    @inlinable @inline(__always)
    mutating func reserve(_ count: Int) {
        if capacity &- used < count { grow(count) }
    }

    /// Moves the bytes into larger memory with room for this many more.
    @usableFromInline @inline(never)
    mutating func grow(_ count: Int) {
        let larger = max(capacity * 2, used + count)
        let moved = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
        unsafe moved.copyMemory(from: start, byteCount: used)
        unsafe start.deallocate()
        unsafe start = moved
        capacity = larger
    }

    /// Appends a number. Its room must be reserved.
    @inlinable @inline(__always)
    mutating func put(_ value: some FixedWidthInteger & BitwiseCopyable) {
        unsafe start.storeBytes(of: value.bigEndian, toByteOffset: used, as: type(of: value))
        used &+= MemoryLayout.size(ofValue: value)
    }

    /// Appends bytes. It reserves the room for them, and `spare` more.
    mutating func put(_ bytes: UnsafeRawBufferPointer, spare: Int) {
        reserve(bytes.count + spare)
        if let first = bytes.baseAddress {
            unsafe (start + used).copyMemory(from: first, byteCount: bytes.count)
        }
        used += bytes.count
    }

    /// Calls `body` with all written bytes.
    func withBytes<Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Void
    ) throws(Failure) {
        // Safety: the span does not outlive the call.
        try body(unsafe UnsafeRawBufferPointer(start: start, count: used).bytes)
    }
}
