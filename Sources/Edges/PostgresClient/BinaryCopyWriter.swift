public import Primitives

/// The writer of one COPY's rows in the server's binary format. `PostgresConnection.copyIn` makes
/// it, and calls `finish`.
///
/// Call `row(columns:)`, then write exactly that many values in the order and types of the
/// statement's columns: the server reads an `int8` only from eight bytes. A wrong number of values
/// is a bug and stops the process. A value that is too long makes the complete COPY fail at the
/// next row, with `invalidValue`.
///
/// Text is sent unchanged: the server refuses a NUL in it, as a data error of its row. Nothing is
/// allocated per row, except when a long row makes the buffer grow. Values that many rows share are
/// encoded once (`CopyFields`).
public struct BinaryCopyWriter: ~Copyable {
    /// Takes a full buffer: normally the connection that runs the COPY.
    private let send: (RawSpan) throws(PostgresError) -> Void
    /// The statement's first words, for errors.
    private let operation: String
    /// The rows that are not sent yet.
    @usableFromInline var buffer: RowBuffer
    /// The number of values that the present row still needs.
    @usableFromInline var valuesLeft = 0
    /// The error about the first value that was too long; it is thrown at the next row.
    private var failure: PostgresError?
    /// The number of rows that were begun.
    public private(set) var rows = 0

    /// The most bytes that the stores of one value may write, with its length, unless it is a long
    /// text or byte string. A numeric is the largest. Stores are of complete words, so they may
    /// write more bytes than the value has.
    @usableFromInline static let valueBytesMax = 4 + NumericEncoding.bytesMax

    /// `operation` names the COPY in errors. `send` gets each full buffer.
    public init(
        operation: String, send: @escaping (RawSpan) throws(PostgresError) -> Void
    ) {
        self.operation = operation
        self.send = send
        buffer = RowBuffer(capacity: PostgresLimits.copyFlushBytes * 2)
        // The signature, the flags, and the length of the header's extension.
        for byte in Array("PGCOPY\n".utf8) + [0xff, 0x0d, 0x0a, 0x00] { buffer.put(byte) }
        buffer.put(UInt64(0))
    }

    /// Begins a row with this number of values. Sends the previous rows first, when they have
    /// `copyFlushBytes`. Throws when a value of the previous row was too long.
    public mutating func row(columns: Int16) throws(PostgresError) {
        try endRow()
        if buffer.used >= PostgresLimits.copyFlushBytes { try flush() }
        // Each value has `valueBytesMax` of this room. `take` stops the process at a value too
        // many.
        valuesLeft = Int(columns)
        buffer.reserve(valuesLeft * Self.valueBytesMax + MemoryLayout<Int16>.size)
        buffer.put(columns)
        rows += 1
    }

    /// Writes NULL.
    @inlinable @inline(__always)
    public mutating func null() {
        take()
        buffer.put(Int32(-1))
    }

    /// Writes a boolean.
    @inlinable @inline(__always)
    public mutating func bool(_ value: Bool) {
        take()
        buffer.put(Int32(1))
        buffer.put(UInt8(value ? 1 : 0))
    }

    /// Writes a smallint; the next two write an integer and a bigint.
    @inlinable @inline(__always)
    public mutating func int16(_ value: Int16) { fixed(value) }
    @inlinable @inline(__always)
    public mutating func int32(_ value: Int32) { fixed(value) }
    @inlinable @inline(__always)
    public mutating func int64(_ value: Int64) { fixed(value) }

    /// Writes a text.
    public mutating func text(_ value: String) {
        var value = value
        value.withUTF8 { unsafe variable(UnsafeRawBufferPointer($0)) }
    }

    /// Writes bytes unchanged, as a text or a bytea: both have the same binary form.
    public mutating func text(_ value: RawSpan) {
        unsafe value.withUnsafeBytes { unsafe variable($0) }
    }

    /// Writes a bytea.
    public mutating func bytes(_ value: [UInt8]) {
        unsafe value.withUnsafeBytes { unsafe variable($0) }
    }

    /// Writes the binary form of jsonb: its version, and the text.
    public mutating func jsonb(_ text: String) {
        bytes([1] + text.utf8)
    }

    /// Writes a time, rounded down to microseconds; undefined is NULL.
    @inlinable @inline(__always)
    public mutating func timestamptz(_ value: Timestamp) {
        guard value.isDefined else { return null() }
        fixed(value.postgresMicroseconds)
    }

    /// Writes value × 10^-scale as a numeric, without trailing zeros; scale within
    /// `NumericEncoding.scaleRange`.
    public mutating func numeric(_ value: Int128, scale: Int) {
        take()
        // Safety: the row has reserved `valueBytesMax` for the value.
        let target = unsafe buffer.start + buffer.used
        let count = unsafe NumericEncoding.write(value, scale: scale, to: target + 4)
        unsafe target.storeBytes(of: Int32(truncatingIfNeeded: count).bigEndian, as: Int32.self)
        buffer.used += 4 + count
    }

    /// Writes the same numeric as `numeric`, on a faster path for 64 bits. It is fastest for the
    /// scales of prices, of quantities and of whole numbers: 9, 8 and 0.
    public mutating func decimal(_ value: Int64, scale: Int) {
        decimal(value.magnitude, isNegative: value < 0, scale: scale)
    }

    /// Writes a whole number as a numeric, because it may be beyond a bigint.
    public mutating func unsigned(_ value: UInt64) {
        decimal(value, isNegative: false, scale: 0)
    }

    @inline(__always)
    private mutating func decimal(_ magnitude: UInt64, isNegative: Bool, scale: Int) {
        take()
        // Safety: the row has reserved `valueBytesMax` for the value.
        let target = unsafe buffer.start + buffer.used
        // Each case has a constant scale, for which the compiler makes separate code.
        let count =
            switch scale {
            case 9:
                unsafe NumericEncoding.write(
                    magnitude, isNegative: isNegative, scale: 9, to: target + 4)
            case 8:
                unsafe NumericEncoding.write(
                    magnitude, isNegative: isNegative, scale: 8, to: target + 4)
            case 0:
                unsafe NumericEncoding.write(
                    magnitude, isNegative: isNegative, scale: 0, to: target + 4)
            default:
                unsafe NumericEncoding.write(
                    isNegative ? -Int128(magnitude) : Int128(magnitude), scale: scale,
                    to: target + 4)
            }
        unsafe target.storeBytes(of: Int32(truncatingIfNeeded: count).bigEndian, as: Int32.self)
        buffer.used &+= 4 &+ count
    }

    /// Writes a text of up to eight ASCII characters, which are the bytes of a word, the first in
    /// the lowest byte. A byte that is not printable ASCII becomes `?`.
    @inlinable @inline(__always)
    public mutating func packedText(_ word: UInt64) {
        take()
        let count = 8 &- word.leadingZeroBitCount / 8
        buffer.put(Int32(truncatingIfNeeded: count))
        let characters = Self.isPrintable(word, count) ? word : Self.printable(word)
        // Eight bytes are stored, and the next value overwrites those after the text.
        buffer.put(characters.byteSwapped)
        buffer.used &-= 8 &- count
    }

    /// Writes values that many rows share, as many as the place has.
    @inlinable @inline(__always)
    public mutating func shared(_ place: CopyFields.Place, of fields: borrowing CopyFields) {
        precondition(valuesLeft >= place.fields, "more values than the row has columns")
        valuesLeft &-= place.fields
        buffer.reserve(place.count &+ CopyFields.stride &+ valuesLeft &* Self.valueBytesMax)
        // Safety: room is reserved for the values and for the stride that `copy` may write beyond.
        unsafe fields.copy(place, to: buffer.start + buffer.used)
        buffer.used &+= place.count
    }

    /// Sends the remaining rows and the end mark. Throws when a value of the last row was too long.
    public mutating func finish() throws(PostgresError) {
        try endRow()
        buffer.reserve(MemoryLayout<Int16>.size)
        buffer.put(Int16(-1))
        try flush()
    }
}

extension BinaryCopyWriter {
    /// Writes an integer of any size, with its size before it.
    @inlinable @inline(__always)
    mutating func fixed(_ value: some FixedWidthInteger & BitwiseCopyable) {
        take()
        buffer.put(Int32(truncatingIfNeeded: MemoryLayout.size(ofValue: value)))
        buffer.put(value)
    }

    /// Counts one value of the row. Every value begins with it.
    @inlinable @inline(__always)
    mutating func take() {
        precondition(valuesLeft > 0, "a value more than the row has columns")
        valuesLeft &-= 1
    }

    /// Writes bytes of any number, with their number before them. Too many are left out, and make
    /// the COPY fail at the next row.
    private mutating func variable(_ value: UnsafeRawBufferPointer) {
        take()
        guard value.count <= PostgresLimits.fieldBytesMax else { return refuse(value.count) }
        buffer.put(Int32(truncatingIfNeeded: value.count))
        unsafe buffer.put(value, spare: valuesLeft * Self.valueBytesMax)
    }

    /// Notes a value that is too long, if it is the first one.
    private mutating func refuse(_ count: Int) {
        failure =
            failure
            ?? .invalidValue(
                operation: operation,
                reason: "a value of \(count) bytes; at most \(PostgresLimits.fieldBytesMax)")
    }

    /// Returns whether the word's first `count` bytes are all in 0x20...0x7e, checking eight at a
    /// time.
    @inlinable @inline(__always)
    static func isPrintable(_ word: UInt64, _ count: Int) -> Bool {
        let highs: UInt64 = 0x8080_8080_8080_8080
        // The bytes after the text are replaced by spaces.
        let filled = word | (0x2020_2020_2020_2020 << UInt64(truncatingIfNeeded: count &* 8))
        let isAbove = ((filled | highs) &- 0x2020_2020_2020_2020) & highs == highs
        return filled & highs == 0 && isAbove
            && (filled &+ 0x0101_0101_0101_0101) & highs == 0
    }

    /// Returns the word with `?` for each byte that is not printable ASCII. Zero bytes end the
    /// text.
    @usableFromInline @inline(never)
    static func printable(_ word: UInt64) -> UInt64 {
        var rest = word
        var characters: UInt64 = 0
        var place: UInt64 = 0
        while rest != 0 {
            let byte = UInt8(truncatingIfNeeded: rest)
            let shown = (0x20...0x7e).contains(byte) ? byte : UInt8(ascii: "?")
            characters |= UInt64(shown) << place
            place += 8
            rest >>= 8
        }
        return characters
    }

    /// Checks the present row before the next one: its number of values, and that none was too
    /// long.
    private func endRow() throws(PostgresError) {
        if let failure { throw failure }
        precondition(valuesLeft == 0, "a row of \(operation) lacks \(valuesLeft) values")
    }

    /// Sends the buffer, and empties it.
    private mutating func flush() throws(PostgresError) {
        try buffer.withBytes(send)
        buffer.used = 0
    }
}
