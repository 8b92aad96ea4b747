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

    /// Queues the statement. Returns false when libpq refused it; libpq's message contains the
    /// reason.
    func send(on connection: OpaquePointer) -> Bool {
        let types = parameters.map(\.type)
        let lengths = parameters.map { Int32(clamping: $0.bytes?.count ?? 0) }
        let formats: [Int32] = parameters.map { $0.isBinary ? 1 : 0 }
        let sent = unsafe ParameterBytes(parameters).withPointers { values in
            unsafe PQsendQueryParams(
                connection, sql, Int32(clamping: parameters.count), types, values, lengths, formats,
                0)
        }
        return sent == 1
    }
}
