import PostgresClient
import StoreSinks

extension StoreError {
    /// The session or a statement failed. `table` is the one that the statement was about.
    static func database(_ error: PostgresError, of table: SinkName? = nil) -> StoreError {
        let hasWaited = error.sqlState == .lockNotAvailable || error.sqlState == .queryCanceled
        let isOfTable = error.serverError != nil && [.schema, .fatal].contains(error.category)
        return .failed(
            Failure(
                category: error.category.ofStore, isTooMuchAtOnce: error.mayBeTooMuchAtOnce,
                table: table, isOfTableAlone: table != nil && (hasWaited || isOfTable),
                hasWaited: hasWaited, isSlow: error.sqlState == .queryCanceled,
                code: error.sqlState?.rawValue, cause: error))
    }

    /// The database has no row for some of these positions, or one that cannot be read.
    static func unreadable(_ places: [SinkPlace]) -> StoreError {
        .failed(Failure(category: .schema, cause: UnreadableError(places: places)))
    }

    /// The database's own error; `nil` when the writer found the fault.
    var ofDatabase: PostgresError? { failure?.cause as? PostgresError }

    /// Uses the database, and returns the result of `body`.
    /// `table` is the one that it is about.
    @discardableResult
    static func using<Result>(
        of table: SinkName? = nil, _ body: () throws(PostgresError) -> Result
    ) throws(StoreError) -> Result {
        do throws(PostgresError) {
            return try body()
        } catch {
            throw .database(error, of: table)
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
