public import Primitives

/// Writes the rows of one COPY in the server's binary format.
///
/// Call `row(columns:)`, then write exactly that many values in the table's order and types: the
/// server reads an `int8` only from eight bytes. A wrong number of values is a bug and stops the
/// process. A value that cannot be sent makes the complete COPY fail at the next row, with
/// `invalidValue`.
///
/// Text is sent unchanged: the server refuses a NUL in it, as a data error of its row. Nothing is
/// allocated per row, and values that many rows share are encoded once (`CopyFields`).
public struct BinaryCopyWriter: ~Copyable {
    /// Takes a full buffer: normally the connection that runs the COPY.
    private let send: (RawSpan) throws(PostgresError) -> Void
    private let operation: String
    @usableFromInline var buffer: RowBuffer
    @usableFromInline var valuesLeft = 0
    private var failure: PostgresError?
    /// The number of rows that were begun.
    public private(set) var rows = 0

    /// The most bytes over which a store of one value of fixed size may write: a numeric is the
    /// largest.
    @usableFromInline static let valueBytesMax = 4 + NumericEncoding.bytesMax

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

    /// Begins a row. Sends the previous rows when they fill a buffer.
    public mutating func row(columns: Int16) throws(PostgresError) {
        try endRow()
        if buffer.used >= PostgresLimits.copyFlushBytes { try flush() }
        // Each value has its share of this room, and `take` refuses a value without one.
        valuesLeft = Int(columns)
        buffer.reserve(valuesLeft * Self.valueBytesMax + MemoryLayout<Int16>.size)
        buffer.put(columns)
        rows += 1
    }

    @inlinable @inline(__always)
    public mutating func null() {
        take()
        buffer.put(Int32(-1))
    }

    @inlinable @inline(__always)
    public mutating func bool(_ value: Bool) {
        take()
        buffer.put(Int32(1))
        buffer.put(UInt8(value ? 1 : 0))
    }

    @inlinable @inline(__always)
    public mutating func int16(_ value: Int16) { fixed(value) }
    @inlinable @inline(__always)
    public mutating func int32(_ value: Int32) { fixed(value) }
    @inlinable @inline(__always)
    public mutating func int64(_ value: Int64) { fixed(value) }

    public mutating func text(_ value: String) {
        var value = value
        value.withUTF8 { unsafe variable(UnsafeRawBufferPointer($0)) }
    }

    public mutating func text(_ value: RawSpan) {
        unsafe value.withUnsafeBytes { unsafe variable($0) }
    }

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

    /// Writes value × 10^-scale, without trailing zeros; scale within `NumericEncoding.scaleRange`.
    public mutating func numeric(_ value: Int128, scale: Int) {
        take()
        // Safety: the value has its share of the row's room.
        let target = unsafe buffer.start + buffer.used
        let count = unsafe NumericEncoding.write(value, scale: scale, to: target + 4)
        unsafe target.storeBytes(of: Int32(truncatingIfNeeded: count).bigEndian, as: Int32.self)
        buffer.used += 4 + count
    }

    /// Writes the same on a faster path for 64 bits. It is fastest for scale 9, 8 and 0.
    public mutating func decimal(_ value: Int64, scale: Int) {
        decimal(value.magnitude, isNegative: value < 0, scale: scale)
    }

    /// Writes a numeric without decimals, for numbers beyond `int8`.
    public mutating func unsigned(_ value: UInt64) {
        decimal(value, isNegative: false, scale: 0)
    }

    @inline(__always)
    private mutating func decimal(_ magnitude: UInt64, isNegative: Bool, scale: Int) {
        take()
        // Safety: the value has its share of the row's room.
        let target = unsafe buffer.start + buffer.used
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

    /// Writes up to eight ASCII characters of a word, the first in the lowest byte. A byte that is
    /// not printable ASCII becomes `?`.
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

    /// Writes values that many rows share.
    @inlinable @inline(__always)
    public mutating func shared(_ place: CopyFields.Place, of fields: borrowing CopyFields) {
        precondition(valuesLeft >= place.fields, "more values than the row has columns")
        valuesLeft &-= place.fields
        buffer.reserve(place.count &+ CopyFields.stride &+ valuesLeft &* Self.valueBytesMax)
        // Safety: the room is reserved, including a stride more than the values' length.
        unsafe fields.copy(place, to: buffer.start + buffer.used)
        buffer.used &+= place.count
    }

    /// Sends the rest and the end mark.
    public mutating func finish() throws(PostgresError) {
        try endRow()
        buffer.reserve(MemoryLayout<Int16>.size)
        buffer.put(Int16(-1))
        try flush()
    }
}

extension BinaryCopyWriter {
    @inlinable @inline(__always)
    mutating func fixed(_ value: some FixedWidthInteger & BitwiseCopyable) {
        take()
        buffer.put(Int32(truncatingIfNeeded: MemoryLayout.size(ofValue: value)))
        buffer.put(value)
    }

    @inlinable @inline(__always)
    mutating func take() {
        precondition(valuesLeft > 0, "a value more than the row has columns")
        valuesLeft &-= 1
    }

    private mutating func variable(_ value: UnsafeRawBufferPointer) {
        take()
        guard value.count <= PostgresLimits.fieldBytesMax else { return refuse(value.count) }
        buffer.put(Int32(truncatingIfNeeded: value.count))
        unsafe buffer.put(value, spare: valuesLeft * Self.valueBytesMax)
    }

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

    private func endRow() throws(PostgresError) {
        if let failure { throw failure }
        precondition(valuesLeft == 0, "a row of \(operation) lacks \(valuesLeft) values")
    }

    private mutating func flush() throws(PostgresError) {
        try buffer.withBytes(send)
        buffer.used = 0
    }
}
