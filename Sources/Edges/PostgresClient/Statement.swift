internal import CPostgres

/// A statement and its parameters in the form that the extended protocol sends.
struct Statement {
    /// The statement's first words.
    let operation: String
    /// The approximate size in the pipeline's buffers.
    let byteCount: Int
    private let sql: String
    private let parameters: [EncodedParameter]

    init(_ sql: String, _ values: [PostgresValue]) throws(PostgresError) {
        operation = operationName(sql)
        try refuseNUL(sql, operation)
        self.sql = sql
        // The protocol counts parameters in 16 bits.
        guard values.count <= Int(UInt16.max) else {
            throw .invalidValue(
                operation: operation, reason: "\(values.count) parameters; at most 65535")
        }
        var encoded: [EncodedParameter] = []
        encoded.reserveCapacity(values.count)
        for value in values { encoded.append(try value.encoded(for: operation)) }
        parameters = encoded
        byteCount = encoded.reduce(sql.utf8.count + 64) { $0 + ($1.bytes?.count ?? 0) + 16 }
    }

    /// Queues the statement, with results in binary form or as text. Returns false when libpq
    /// refused it; libpq's message contains the reason.
    func send(on connection: OpaquePointer, isBinary: Bool) -> Bool {
        let types = parameters.map(\.type)
        let lengths = parameters.map { Int32(clamping: $0.bytes?.count ?? 0) }
        let formats: [Int32] = parameters.map { $0.isBinary ? 1 : 0 }
        let sent = unsafe ParameterBytes(parameters).withPointers { values in
            unsafe PQsendQueryParams(
                connection, sql, Int32(clamping: parameters.count), types, values, lengths, formats,
                isBinary ? 1 : 0)
        }
        return sent == 1
    }
}

/// The values of the parameters in one buffer.
struct ParameterBytes {
    private var bytes: [UInt8] = []
    private var offsets: [Int?] = []

    init(_ parameters: [EncodedParameter]) {
        for parameter in parameters {
            offsets.append(parameter.bytes == nil ? nil : bytes.count)
            bytes.append(contentsOf: parameter.bytes ?? [])
        }
        // An empty value also needs an address, because a null pointer means NULL.
        bytes.append(0)
    }

    /// The pointers are valid while `body` runs; libpq copies the values before it returns.
    func withPointers<Result>(_ body: ([UnsafePointer<CChar>?]) -> Result) -> Result {
        // Safety: every offset is inside the buffer.
        unsafe bytes.withUnsafeBytes { buffer in
            let start = unsafe buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
            let values: [UnsafePointer<CChar>?] = unsafe offsets.map { offset in
                guard let offset, let start = unsafe start else { return nil }
                return unsafe start + offset
            }
            return unsafe body(values)
        }
    }
}
