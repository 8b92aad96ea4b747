public import Primitives

/// A parameter of a statement.
package enum PostgresValue: Equatable, Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    /// A text of the type that the statement requires: text, jsonb, name, inet …
    case text(String)
    case bytes([UInt8])
    /// A time, rounded down to microseconds, as the server stores it; undefined is NULL.
    case timestamp(Timestamp)
    /// value × 10^-scale; scale within `NumericEncoding.scaleRange`.
    case numeric(Int128, scale: Int)
    case textArray([String])
    case integerArray([Int64])
}

/// One parameter in the form of the extended protocol.
struct EncodedParameter {
    /// 0 lets the server infer the type.
    var type: UInt32
    var bytes: [UInt8]?
    var isBinary: Bool

    static let null = EncodedParameter(type: 0, bytes: nil, isBinary: false)
}

extension PostgresValue {
    func encoded(for operation: String) throws(PostgresError) -> EncodedParameter {
        switch self {
        case .null:
            return .null
        case .bool(let value):
            return EncodedParameter(type: TypeOID.bool, bytes: [value ? 1 : 0], isBinary: true)
        case .integer(let value):
            return binary(TypeOID.int8) { $0.append(bigEndian: value) }
        case .text(let value):
            return EncodedParameter(type: 0, bytes: try cText(value, operation), isBinary: false)
        case .bytes(let value):
            return EncodedParameter(type: TypeOID.bytea, bytes: value, isBinary: true)
        case .timestamp(let value):
            guard value.isDefined else { return .null }
            return binary(TypeOID.timestamptz) { $0.append(bigEndian: value.postgresMicroseconds) }
        case .numeric(let value, let scale):
            return binary(TypeOID.numeric) { NumericEncoding.append(value, scale: scale, to: &$0) }
        case .textArray(let values):
            for value in values where value.utf8.contains(0) { throw nul(operation) }
            return binary(TypeOID.textArray) { buffer in
                append(TypeOID.text, values, to: &buffer) { $0.append(contentsOf: $1.utf8) }
            }
        case .integerArray(let values):
            return binary(TypeOID.int8Array) { buffer in
                append(TypeOID.int8, values, to: &buffer) { $0.append(bigEndian: $1) }
            }
        }
    }

    private func binary(
        _ type: UInt32, _ write: (inout [UInt8]) -> Void
    ) -> EncodedParameter {
        var bytes: [UInt8] = []
        write(&bytes)
        return EncodedParameter(type: type, bytes: bytes, isBinary: true)
    }

    /// Encodes a text. Text parameters end at the first NUL, so one inside would cut the value
    /// without notice; it is refused.
    private func cText(_ text: String, _ operation: String) throws(PostgresError) -> [UInt8] {
        guard !text.utf8.contains(0) else { throw nul(operation) }
        return Array(text.utf8) + [0]
    }

    private func nul(_ operation: String) -> PostgresError {
        .invalidValue(operation: operation, reason: "a text parameter holds a NUL character")
    }

    /// Appends an array: dimensions, has-null flag, element type, length, lower bound, then each
    /// element with its length.
    private func append<Element>(
        _ type: UInt32, _ values: [Element], to buffer: inout [UInt8],
        _ write: (inout [UInt8], Element) -> Void
    ) {
        buffer.append(bigEndian: Int32(values.isEmpty ? 0 : 1))
        buffer.append(bigEndian: Int32(0))
        buffer.append(bigEndian: type)
        if values.isEmpty { return }
        buffer.append(bigEndian: Int32(clamping: values.count))
        buffer.append(bigEndian: Int32(1))
        for value in values {
            var element: [UInt8] = []
            write(&element, value)
            buffer.append(bigEndian: Int32(clamping: element.count))
            buffer.append(contentsOf: element)
        }
    }
}

extension Array where Element == UInt8 {
    mutating func append(bigEndian value: some FixedWidthInteger) {
        // Safety: reads the bytes of an integer on the stack.
        unsafe Swift.withUnsafeBytes(of: value.bigEndian) { unsafe append(contentsOf: $0) }
    }
}

extension Timestamp {
    /// Returns the microseconds since 2000-01-01 UTC, rounded down: the server's own count.
    @inlinable @inline(__always)
    var postgresMicroseconds: Int64 {
        let quotient = nanoseconds / 1_000
        let floored = nanoseconds % 1_000 < 0 ? quotient - 1 : quotient
        return floored - 946_684_800_000_000
    }

    /// Converts the server's count of microseconds since 2000, clamped to the range.
    init(postgresMicroseconds value: Int64) {
        let (sum, overflow) = value.addingReportingOverflow(946_684_800_000_000)
        let (nanoseconds, tooLarge) = sum.multipliedReportingOverflow(by: 1_000)
        if overflow || tooLarge {
            self.init(nanoseconds: value < 0 ? Int64.min : Int64.max - 1)
        } else {
            self.init(nanoseconds: nanoseconds)
        }
    }
}
