internal import CPostgres

/// A statement and its parameters in the form that the extended protocol sends.
struct Statement {
    private let sql: String
    private let parameters: [EncodedParameter]

    init(
        _ sql: String, _ values: [PostgresValue], _ operation: String
    ) throws(PostgresError) {
        try refuseNUL(sql, operation)
        self.sql = sql
        var encoded: [EncodedParameter] = []
        encoded.reserveCapacity(values.count)
        for value in values { encoded.append(try value.encoded(for: operation)) }
        // The protocol counts parameters in 16 bits.
        guard encoded.count <= Int(UInt16.max) else {
            throw .invalidValue(
                operation: operation, reason: "\(encoded.count) parameters; at most 65535")
        }
        parameters = encoded
    }

    /// False when libpq refused to queue it; its message says why.
    func send(on connection: OpaquePointer) -> Bool {
        var bytes: [UInt8] = []
        var offsets: [Int?] = []
        for parameter in parameters {
            offsets.append(parameter.bytes == nil ? nil : bytes.count)
            bytes.append(contentsOf: parameter.bytes ?? [])
        }
        // An empty value still needs an address: nil would say NULL.
        bytes.append(0)
        let types = parameters.map(\.type)
        let lengths = parameters.map { Int32(clamping: $0.bytes?.count ?? 0) }
        let formats: [Int32] = parameters.map { $0.isBinary ? 1 : 0 }
        // Safety: libpq copies all of it before it returns; every offset lies inside the buffer.
        let sent = unsafe bytes.withUnsafeBytes { buffer in
            let start = unsafe buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
            let values: [UnsafePointer<CChar>?] = unsafe offsets.map { offset in
                guard let offset, let start = unsafe start else { return nil }
                return unsafe start + offset
            }
            return unsafe PQsendQueryParams(
                connection, sql, Int32(clamping: parameters.count), types, values, lengths, formats,
                0)
        }
        return sent == 1
    }
}
