internal import CZlib

/// What is sent to clients that accept gzip.
enum Deflate {
    /// Begins a stream of blocks: no name, no time, an unknown system.
    static let streamHeader: [UInt8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]

    /// Between zlib's fastest and its smallest.
    private static let level: Int32 = 5
    /// The largest window, and how zlib is told that a header and an end belong to it, or none.
    private static let window = MAX_WBITS
    private static let memory: Int32 = 8

    /// Returns a whole gzip file.
    static func file(_ bytes: [UInt8]) -> [UInt8] { packed(bytes, window + 16, Z_FINISH) }

    /// Returns a part of a stream that needs no part before it. So one part serves all streams, and
    /// the client has all of it when it has its last byte.
    static func block(_ bytes: [UInt8]) -> [UInt8] { packed(bytes, -window, Z_FULL_FLUSH) }

    private static func packed(_ bytes: [UInt8], _ window: Int32, _ flush: Int32) -> [UInt8] {
        var stream = unsafe z_stream()
        let begun = unsafe deflateInit2_(
            &stream, level, Z_DEFLATED, window, memory, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
        precondition(begun == Z_OK, "zlib has memory, and is of the version of its header")
        defer { unsafe deflateEnd(&stream) }
        // A flush adds an empty block at most.
        let room = Int(unsafe deflateBound(&stream, UInt(bytes.count))) + 16
        return unsafe [UInt8](unsafeUninitializedCapacity: room) { output, count in
            unsafe bytes.withUnsafeBufferPointer { input in
                unsafe stream.next_in = input.baseAddress
                unsafe stream.avail_in = UInt32(input.count)
                unsafe stream.next_out = output.baseAddress
                unsafe stream.avail_out = UInt32(room)
                let done = unsafe deflate(&stream, flush)
                precondition(
                    unsafe done == (flush == Z_FINISH ? Z_STREAM_END : Z_OK)
                        && stream.avail_in == 0, "the bound of zlib holds")
            }
            count = unsafe room - Int(stream.avail_out)
        }
    }
}
