import PostgresClient

/// Why a worker could not read or write the database, or would not.
enum StoreError: Error, CustomStringConvertible {
    /// The session or a statement failed.
    case database(PostgresError)
    /// The writer itself decided not to commit a batch, whose bad rows cannot be set aside.
    case withheld(Withheld)
    /// The database has no row for some of these positions, or one that cannot be read.
    case unreadable([SinkPlace])

    /// A batch that the writer did not commit.
    struct Withheld {
        let operation: String
        /// Host, port, database and user, for messages.
        let peer: String
        let remedy: Remedy
        let reason: String
    }

    /// What has to happen before a withheld batch can be written.
    enum Remedy {
        /// A person mends a table, or what writes the tape.
        case mendTable
        /// NATS or the folder accepts dead letters again.
        case waitForLetters
    }

    /// The way to handle it.
    var category: PostgresErrorCategory {
        switch self {
        case .database(let error): error.category
        case .withheld(let batch):
            switch batch.remedy {
            case .mendTable: .schema
            case .waitForLetters: .retryable
            }
        case .unreadable: .schema
        }
    }

    /// The database's own error; `nil` when the writer found the fault.
    var ofDatabase: PostgresError? {
        if case .database(let error) = self { error } else { nil }
    }

    var description: String {
        switch self {
        case .database(let error): error.description
        case .withheld(let batch):
            "\(batch.operation) at PostgreSQL \(batch.peer) was held back: \(oneLine(batch.reason))"
        case .unreadable(let places):
            "the positions of "
                + places.sorted().map { "\($0.input) of partition \($0.partition)" }
                .joined(separator: ", ")
                + " cannot be read from sink_positions: run 'store-writer migrate'"
        }
    }

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
