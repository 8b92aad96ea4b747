internal import Primitives

extension PostgresValue {
    /// Encodes the value in the binary form of the type that the server wants. Text is sent as
    /// text, from which every type can be read. Throws when a value does not fit.
    func encoded(
        as type: UInt32, for operation: String
    ) throws(PostgresError) -> EncodedParameter {
        switch self {
        case .null: return .null
        case .text: return try encoded(for: operation)
        case .integer(let value):
            if let bytes = Self.bytes(of: value, as: type) {
                return EncodedParameter(type: type, bytes: bytes, isBinary: true)
            }
            throw .invalidValue(
                operation: operation, reason: "an integer does not fit type \(type)")
        case .bool, .bytes, .timestamp, .numeric, .textArray, .integerArray:
            let parameter = try encoded(for: operation)
            guard parameter.bytes == nil || parameter.type == type else {
                throw .invalidValue(
                    operation: operation,
                    reason: "a parameter of type \(parameter.type) where \(type) is wanted")
            }
            return parameter
        }
    }

    private static func bytes(of value: Int64, as type: UInt32) -> [UInt8]? {
        var bytes: [UInt8] = []
        switch type {
        case TypeOID.int2:
            guard let small = Int16(exactly: value) else { return nil }
            bytes.append(bigEndian: small)
        case TypeOID.int4:
            guard let small = Int32(exactly: value) else { return nil }
            bytes.append(bigEndian: small)
        case TypeOID.oid:
            guard let small = UInt32(exactly: value) else { return nil }
            bytes.append(bigEndian: small)
        case TypeOID.int8: bytes.append(bigEndian: value)
        case TypeOID.float8: bytes.append(bigEndian: Double(value).bitPattern)
        case TypeOID.numeric: NumericEncoding.append(Int128(value), scale: 0, to: &bytes)
        default: return nil
        }
        return bytes
    }
}

extension Timestamp {
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
