/// Reads `ExportTraceServiceResponse` of OTLP 1, in which a collector can say that it refused a
/// part of what it was sent.
enum CollectorAnswer {
    /// Returns how many spans were refused; 0 for what is no such answer.
    static func refused(_ body: [UInt8]) -> UInt64 {
        // `partial_success`, and in it `rejected_spans`.
        guard case .bytes(let partial)? = value(of: 1, in: body[...]),
            case .number(let spans)? = value(of: 1, in: partial), Int64(bitPattern: spans) > 0
        else { return 0 }
        return spans
    }

    private enum Value {
        case number(UInt64)
        case bytes(ArraySlice<UInt8>)
    }

    /// Returns the first value of a field; `nil` when there is none before the end, or before what
    /// cannot be read.
    private static func value(of field: UInt64, in message: ArraySlice<UInt8>) -> Value? {
        var rest = message
        while let key = varint(&rest) {
            guard let value = value(wire: key & 7, &rest) else { return nil }
            if key >> 3 == field { return value }
        }
        return nil
    }

    private static func value(wire: UInt64, _ rest: inout ArraySlice<UInt8>) -> Value? {
        let count: UInt64
        switch wire {
        case 0: return varint(&rest).map { .number($0) }
        case 1: count = 8
        case 2:
            guard let given = varint(&rest) else { return nil }
            count = given
        case 5: count = 4
        default: return nil
        }
        guard count <= rest.count else { return nil }
        let bytes = rest.prefix(Int(count))
        rest = rest.dropFirst(Int(count))
        return .bytes(bytes)
    }

    private static func varint(_ rest: inout ArraySlice<UInt8>) -> UInt64? {
        var number: UInt64 = 0
        for shift in stride(from: 0, to: 64, by: 7) {
            guard let byte = rest.popFirst() else { return nil }
            number |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return number }
        }
        return nil
    }
}
