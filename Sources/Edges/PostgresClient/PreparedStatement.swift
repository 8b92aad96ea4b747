internal import CPostgres

/// A statement that the server has parsed once. It belongs to the session that prepared it, and
/// ends with it.
package struct PreparedStatement: Sendable {
    /// The statement's name on the server.
    let name: String
    /// The session that prepared it.
    let session: Session.Identity
    let operation: String
    package let parameterTypes: [UInt32]
    package let columns: [PostgresRows.Column]
}

extension PostgresConnection {
    /// Parses a statement with parameters `$1` … once. It takes two round trips, because the server
    /// is also asked for the types. The same text again takes none.
    package func prepare(
        _ sql: String, timeout: Duration
    ) throws(PostgresError) -> PreparedStatement {
        let operation = operationName(sql)
        if let known = session.prepared[sql] { return known }
        try refuseNUL(sql, operation)
        guard session.prepared.count < PostgresLimits.preparedMax else {
            throw .invalidValue(
                operation: operation,
                reason: "the session has \(PostgresLimits.preparedMax) prepared statements: "
                    + "prepare texts that do not change, with parameters")
        }
        let deadline = Deadline(after: timeout)
        session.preparedNumber += 1
        let name = "s\(session.preparedNumber)"
        let open = unsafe try session.require(operation)
        guard unsafe PQsendPrepare(open, name, sql, 0, nil) == 1 else {
            throw session.lost(operation)
        }
        try session.flush(operation, deadline)
        _ = try collect(operation, deadline)
        guard unsafe PQsendDescribePrepared(try session.require(operation), name) == 1 else {
            throw session.lost(operation)
        }
        try session.flush(operation, deadline)
        let statement = try described(name, operation, deadline)
        session.prepared[sql] = statement
        return statement
    }

    private func described(
        _ name: String, _ operation: String, _ deadline: Deadline
    ) throws(PostgresError) -> PreparedStatement {
        var statement: PreparedStatement?
        var failure: PostgresError?
        while let result = try session.nextResult(operation, deadline) {
            guard result.status == PGRES_COMMAND_OK else {
                failure = failure ?? error(in: result, operation)
                continue
            }
            let columns = (0..<result.columnCount).map {
                PostgresRows.Column(name: result.name($0), type: result.type($0))
            }
            statement = PreparedStatement(
                name: name, session: session.identity, operation: operation,
                parameterTypes: result.parameterTypes, columns: columns)
        }
        if let failure { throw failure }
        guard let statement else {
            session.close()
            throw .unexpected(
                operation: operation, peer: peer, reason: "the statement was not described")
        }
        return statement
    }

    /// Runs a prepared statement. Parameters and results are in binary form.
    package func execute(
        _ statement: PreparedStatement, _ parameters: [PostgresValue] = [], timeout: Duration
    ) throws(PostgresError) -> PostgresRows {
        let deadline = Deadline(after: timeout)
        let bound = try BoundStatement(statement, parameters)
        try refuseForeign(statement)
        let open = unsafe try session.require(statement.operation)
        guard unsafe bound.send(on: open), unsafe PQsetSingleRowMode(open) == 1 else {
            throw session.lost(statement.operation)
        }
        try session.flush(statement.operation, deadline)
        var rows = PostgresRows()
        var failure: PostgresError?
        while let result = try session.nextResult(statement.operation, deadline) {
            try take(result, statement.operation, into: &rows, &failure)
        }
        if !session.isOpen { session.close() }
        if let failure {
            forgetIfUnknown(failure)
            throw failure
        }
        return rows
    }

    func refuseForeign(_ statement: PreparedStatement) throws(PostgresError) {
        guard statement.session !== session.identity else { return }
        throw .unexpected(
            operation: statement.operation, peer: peer,
            reason: "the statement was prepared by another session")
    }

    /// Forgets the prepared statements after they were deallocated on the server, so that the next
    /// `prepare` makes them again.
    func forgetIfUnknown(_ failure: PostgresError) {
        if failure.sqlState?.rawValue == "26000" { session.prepared.removeAll() }
    }

    /// Reads one result of a statement: rows or an error. Throws an error that ends the session.
    func take(
        _ result: borrowing ResultHandle, _ operation: String, into rows: inout PostgresRows,
        _ failure: inout PostgresError?
    ) throws(PostgresError) {
        switch result.status {
        case PGRES_SINGLE_TUPLE, PGRES_TUPLES_OK, PGRES_COMMAND_OK:
            guard rows.append(result) else {
                session.close()
                throw .unexpected(
                    operation: operation, peer: peer,
                    reason: "a value has not the size of its type")
            }
            if rows.byteCount > PostgresLimits.resultBytesMax {
                session.close()
                throw .invalidValue(
                    operation: operation,
                    reason: "the result is larger than \(PostgresLimits.resultBytesMax) bytes")
            }
        case PGRES_EMPTY_QUERY: return
        case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
            session.close()
            throw .unexpected(
                operation: operation, peer: peer, reason: "COPY needs its own operation")
        default: failure = failure ?? error(in: result, operation)
        }
    }
}

/// A statement with its parameters in the form that their types require.
struct BoundStatement {
    /// `nil` when the text is sent.
    let name: String?
    let sql: String
    let operation: String
    let parameters: [EncodedParameter]
    /// The approximate size in the pipeline's buffers.
    let byteCount: Int

    init(_ statement: PreparedStatement, _ values: [PostgresValue]) throws(PostgresError) {
        let types = statement.parameterTypes
        guard types.count == values.count else {
            throw .invalidValue(
                operation: statement.operation,
                reason: "\(values.count) parameters for \(types.count)")
        }
        var encoded: [EncodedParameter] = []
        encoded.reserveCapacity(values.count)
        for (type, value) in zip(types, values) {
            encoded.append(try value.encoded(as: type, for: statement.operation))
        }
        self.init(
            name: statement.name, sql: "", operation: statement.operation, parameters: encoded)
    }

    init(_ sql: String, _ values: [PostgresValue]) throws(PostgresError) {
        let operation = operationName(sql)
        try refuseNUL(sql, operation)
        guard values.count <= Int(UInt16.max) else {
            throw .invalidValue(
                operation: operation, reason: "\(values.count) parameters; at most 65535")
        }
        var encoded: [EncodedParameter] = []
        encoded.reserveCapacity(values.count)
        for value in values { encoded.append(try value.encoded(for: operation)) }
        self.init(name: nil, sql: sql, operation: operation, parameters: encoded)
    }

    private init(
        name: String?, sql: String, operation: String, parameters: [EncodedParameter]
    ) {
        self.name = name
        self.sql = sql
        self.operation = operation
        self.parameters = parameters
        byteCount = parameters.reduce(sql.utf8.count + 64) { $0 + ($1.bytes?.count ?? 0) + 16 }
    }

    /// Queues the statement with results in binary form. Returns false when libpq refused to queue
    /// it.
    func send(on connection: OpaquePointer) -> Bool {
        let lengths = parameters.map { Int32(clamping: $0.bytes?.count ?? 0) }
        let formats: [Int32] = parameters.map { $0.isBinary ? 1 : 0 }
        let count = Int32(clamping: parameters.count)
        return unsafe ParameterBytes(parameters).withPointers { values in
            if let name {
                return unsafe PQsendQueryPrepared(
                    connection, name, count, values, lengths, formats, 1) == 1
            }
            let types = parameters.map(\.type)
            return unsafe PQsendQueryParams(
                connection, sql, count, types, values, lengths, formats, 1) == 1
        }
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
