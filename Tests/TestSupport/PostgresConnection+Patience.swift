package import PostgresClient

/// Returns the error with which `body` ends; `nil` if it does not fail.
package func sessionFailure(_ body: () throws -> Void) -> PostgresError? {
    do {
        try body()
    } catch let error as PostgresError {
        return error
    } catch {
        preconditionFailure("not an error of PostgreSQL: \(error)")
    }
    return nil
}

/// The calls of a session, with the deadline of tests.
extension PostgresConnection {
    package convenience init(_ configuration: PostgresConfiguration) throws(PostgresError) {
        try self.init(configuration, timeout: patience)
    }

    @discardableResult
    package func execute(
        _ sql: String, _ parameters: [PostgresValue] = []
    ) throws(PostgresError) -> PostgresResult {
        try execute(sql, parameters, timeout: patience)
    }

    package func rows(
        _ sql: String, _ parameters: [PostgresValue] = []
    ) throws(PostgresError) -> PostgresRows {
        try rows(sql, parameters, timeout: patience)
    }

    package func run(_ pipeline: PostgresPipeline) throws(PostgresError) -> [PipelineOutcome] {
        try run(pipeline, timeout: patience)
    }

    package func script(_ sql: String) throws(PostgresError) { try script(sql, timeout: patience) }

    @discardableResult
    package func copyIn(
        _ copy: String, _ rows: (inout BinaryCopyWriter) throws(PostgresError) -> Void
    ) throws(PostgresError) -> Int {
        try copyIn(copy, timeout: patience, rows)
    }
}
