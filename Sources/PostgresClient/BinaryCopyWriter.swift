public import Primitives

/// Writes the rows of one COPY in the server's binary format.
///
/// `row(columns:)`, then exactly that many values in the table's order and types: the server reads
/// an `int8` only from eight bytes. A wrong number of values is a bug and stops the process. A
/// value that cannot be sent makes the COPY fail as a whole at the next row, with `invalidValue`.
public struct BinaryCopyWriter: ~Copyable {
    /// Sends a full buffer; part of the connection that the COPY runs on.
    private let send: ([UInt8]) throws(PostgresError) -> Void
    private let operation: String
    private var buffer: [UInt8] = []
    private var valuesLeft = 0
    private var failure: PostgresError?
    /// How many rows were begun.
    public private(set) var rows = 0

    init(operation: String, send: @escaping ([UInt8]) throws(PostgresError) -> Void) {
        self.operation = operation
        self.send = send
        buffer.reserveCapacity(PostgresLimits.copyFlushBytes * 2)
        // Signature, flags, length of the header's extension.
        buffer.append(contentsOf: Array("PGCOPY\n".utf8) + [0xff, 0x0d, 0x0a, 0x00])
        buffer.append(contentsOf: [UInt8](repeating: 0, count: 8))
    }

    /// Begins a row; sends what stands before it when that is a buffer full.
    public mutating func row(columns: Int16) throws(PostgresError) {
        try endRow()
        if buffer.count >= PostgresLimits.copyFlushBytes { try flush() }
        buffer.append(bigEndian: columns)
        valuesLeft = Int(columns)
        rows += 1
    }

    public mutating func null() {
        take()
        buffer.append(bigEndian: Int32(-1))
    }

    public mutating func bool(_ value: Bool) {
        take()
        buffer.append(bigEndian: Int32(1))
        buffer.append(value ? 1 : 0)
    }

    public mutating func int16(_ value: Int16) { fixed(value) }
    public mutating func int32(_ value: Int32) { fixed(value) }
    public mutating func int64(_ value: Int64) { fixed(value) }

    public mutating func text(_ value: String) {
        take()
        guard accepts(value.utf8.count) else { return }
        buffer.append(bigEndian: Int32(truncatingIfNeeded: value.utf8.count))
        buffer.append(contentsOf: value.utf8)
    }

    public mutating func bytes(_ value: [UInt8]) {
        take()
        guard accepts(value.count) else { return }
        buffer.append(bigEndian: Int32(truncatingIfNeeded: value.count))
        buffer.append(contentsOf: value)
    }

    /// Rounded down to microseconds; undefined is NULL.
    public mutating func timestamptz(_ value: Timestamp) {
        guard value.isDefined else { return null() }
        fixed(value.postgresMicroseconds)
    }

    /// value × 10^-scale, without trailing zeros; scale within `NumericEncoding.scaleRange`.
    public mutating func numeric(_ value: Int128, scale: Int) {
        take()
        let start = buffer.count
        buffer.append(bigEndian: Int32(0))
        NumericEncoding.append(value, scale: scale, to: &buffer)
        let length = UInt32(truncatingIfNeeded: buffer.count - start - 4)
        for index in 0..<4 {
            buffer[start + index] = UInt8(truncatingIfNeeded: length >> (24 - 8 * UInt32(index)))
        }
    }

    /// Sends the rest and the end mark.
    mutating func finish() throws(PostgresError) {
        try endRow()
        buffer.append(bigEndian: Int16(-1))
        try flush()
    }

    private mutating func fixed(_ value: some FixedWidthInteger) {
        take()
        buffer.append(bigEndian: Int32(truncatingIfNeeded: value.bitWidth / 8))
        buffer.append(bigEndian: value)
    }

    private mutating func take() {
        precondition(valuesLeft > 0, "a value more than the row of \(operation) has columns")
        valuesLeft -= 1
    }

    private mutating func accepts(_ count: Int) -> Bool {
        if count <= PostgresLimits.fieldBytesMax { return true }
        failure =
            failure
            ?? .invalidValue(
                operation: operation,
                reason: "a value of \(count) bytes; at most \(PostgresLimits.fieldBytesMax)")
        return false
    }

    private mutating func endRow() throws(PostgresError) {
        if let failure { throw failure }
        precondition(valuesLeft == 0, "a row of \(operation) lacks \(valuesLeft) values")
    }

    private mutating func flush() throws(PostgresError) {
        try send(buffer)
        buffer.removeAll(keepingCapacity: true)
    }
}
