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
        var bytes: [CChar] = []
        var offsets: [Int?] = []
        for parameter in parameters {
            offsets.append(parameter.bytes == nil ? nil : bytes.count)
            bytes.append(contentsOf: (parameter.bytes ?? []).lazy.map { CChar(bitPattern: $0) })
        }
        // An empty value still needs an address: nil would say NULL.
        bytes.append(0)
        let types = parameters.map(\.type)
        let lengths = parameters.map { Int32(clamping: $0.bytes?.count ?? 0) }
        let formats: [Int32] = parameters.map { $0.isBinary ? 1 : 0 }
        // Safety: libpq copies all of it before it returns; every offset lies inside the buffer.
        let sent = unsafe bytes.withUnsafeBufferPointer { buffer in
            let values: [UnsafePointer<CChar>?] = unsafe offsets.map { offset in
                guard let offset, let base = buffer.baseAddress else { return nil }
                return unsafe base + offset
            }
            return unsafe PQsendQueryParams(
                connection, sql, Int32(clamping: parameters.count), types, values, lengths, formats,
                0)
        }
        return sent == 1
    }
}
