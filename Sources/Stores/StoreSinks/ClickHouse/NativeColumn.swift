/// The values of one column in the form of a block: one after the other, and before them, if it
/// may have none, a byte for each.
struct NativeColumn: Sendable {
    let column: ClickHouseColumn
    private(set) var values: [UInt8] = []
    private(set) var nulls: [UInt8] = []

    init(_ column: ClickHouseColumn) { self.column = column }

    @inline(__always)
    private mutating func begin(_ isFit: Bool) {
        precondition(isFit, "a value of another type for \(column.name)")
        if column.isNullable { nulls.append(0) }
    }

    mutating func addNull() {
        if column.isNullable {
            nulls.append(1)
        } else {
            // An absent text is empty; other columns that are never absent are not given here.
            precondition(column.kind == .text, "\(column.name) has a value in each row")
        }
        values.append(contentsOf: repeatElement(0, count: column.width ?? 1))
    }

    @inline(__always)
    mutating func add(_ value: Int64) {
        begin(column.kind == .int64 || column.kind == .time)
        values.append(word: UInt64(bitPattern: value))
    }

    @inline(__always)
    mutating func add(_ value: Int128, scale: Int) {
        begin(column.kind == .decimal(scale: scale))
        values.append(word: UInt64(truncatingIfNeeded: value))
        if scale > 0 { values.append(word: UInt64(truncatingIfNeeded: value >> 64)) }
    }

    mutating func add(_ value: Bool) {
        begin(column.kind == .bool)
        values.append(value ? 1 : 0)
    }

    mutating func add(_ text: String) {
        begin(column.width == nil)
        values.append(varint: text.utf8.count)
        values.append(contentsOf: text.utf8)
    }

    @inline(__always)
    mutating func add(_ bytes: RawSpan) {
        begin(column.width == nil)
        values.append(varint: bytes.byteCount)
        // Safety: the bytes are read while the span is borrowed.
        unsafe bytes.withUnsafeBytes { unsafe values.append(contentsOf: $0) }
    }

    /// Adds a text of up to eight characters: the bytes of a word, the first in the lowest byte.
    /// One that is not printable ASCII becomes `?`.
    @inline(__always)
    mutating func add(packed word: UInt64) {
        begin(column.width == nil)
        let count = (64 - word.leadingZeroBitCount + 7) / 8
        values.append(UInt8(count))
        var rest = word
        for _ in 0..<count {
            let byte = UInt8(truncatingIfNeeded: rest)
            values.append((0x20...0x7e).contains(byte) ? byte : UInt8(ascii: "?"))
            rest >>= 8
        }
    }

    mutating func add(_ bytes: [UInt8]) {
        begin(column.width == nil)
        values.append(varint: bytes.count)
        values.append(contentsOf: bytes)
    }

    /// Returns the values of some rows.
    func rows(_ isWanted: [Bool]) -> NativeColumn {
        var kept = NativeColumn(column)
        kept.values.reserveCapacity(values.count)
        var place = 0
        for (row, isIn) in isWanted.enumerated() {
            let end = self.end(ofValueAt: place)
            if isIn {
                kept.values.append(contentsOf: values[place..<end])
                if column.isNullable { kept.nulls.append(nulls[row]) }
            }
            place = end
        }
        return kept
    }

    /// Returns the values as numbers, for a column of `int64`.
    func integers() -> [Int64] {
        stride(from: 0, to: values.count, by: 8).map { place in
            values[place..<place + 8].reversed().reduce(Int64(0)) { $0 << 8 | Int64($1) }
        }
    }

    /// Returns the values as texts, for a column of texts.
    func texts() -> [String] {
        var found: [String] = []
        var place = 0
        while place < values.count {
            let end = self.end(ofValueAt: place)
            var start = place
            while values[start] >= 0x80 { start += 1 }
            found.append(String(decoding: values[start + 1..<end], as: UTF8.self))
            place = end
        }
        return found
    }

    private func end(ofValueAt place: Int) -> Int {
        if let width = column.width { return place + width }
        var (count, shift, start) = (0, 0, place)
        while values[start] >= 0x80 {
            count |= Int(values[start] & 0x7f) << shift
            shift += 7
            start += 1
        }
        count |= Int(values[start]) << shift
        return start + 1 + count
    }

    /// Appends name, type and values.
    func write(into body: inout [UInt8]) {
        body.append(text: column.name)
        body.append(text: column.wireType)
        body.append(contentsOf: nulls)
        body.append(contentsOf: values)
    }
}

extension [UInt8] {
    /// Appends eight bytes, the lowest first.
    @inline(__always)
    mutating func append(word: UInt64) {
        // Safety: the bytes of a number.
        unsafe Swift.withUnsafeBytes(of: word.littleEndian) { unsafe append(contentsOf: $0) }
    }

    /// Appends a count, seven bits in a byte, the lowest first.
    @inline(__always)
    mutating func append(varint count: Int) {
        var rest = UInt64(count)
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(rest))
    }

    mutating func append(text: String) {
        append(varint: text.utf8.count)
        append(contentsOf: text.utf8)
    }
}
