import PostgresClient

extension StoreError {
    /// The session or a statement failed.
    static func database(_ error: PostgresError) -> StoreError {
        .failed(
            Failure(
                category: error.category.ofStore, isTooMuchAtOnce: error.mayBeTooMuchAtOnce,
                cause: error))
    }

    /// The database has no row for some of these positions, or one that cannot be read.
    static func unreadable(_ places: [SinkPlace]) -> StoreError {
        .failed(Failure(category: .schema, cause: UnreadableError(places: places)))
    }

    /// The database's own error; `nil` when the writer found the fault.
    var ofDatabase: PostgresError? { failure?.cause as? PostgresError }

    /// Uses the database, and returns the result of `body`.
    @discardableResult
    static func using<Result>(
        _ body: () throws(PostgresError) -> Result
    ) throws(StoreError) -> Result {
        do throws(PostgresError) {
            return try body()
        } catch {
            throw .database(error)
        }
    }
}

private struct UnreadableError: Error, CustomStringConvertible {
    let places: [SinkPlace]

    var description: String {
        "the positions of "
            + places.sorted().map { "\($0.input) of partition \($0.partition)" }
            .joined(separator: ", ")
            + " cannot be read from sink_positions: run 'store-writer migrate'"
    }
}

extension PostgresErrorCategory {
    /// What a worker does about it. Rows that are refused are dead letters before it comes to that.
    fileprivate var ofStore: StoreError.Category {
        switch self {
        case .retryable, .authentication, .data, .missingPartition: .retryable
        case .schema: .schema
        case .fenced: .fenced
        case .fatal: .fatal
        }
    }
}
