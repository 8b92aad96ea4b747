import StoreSinks

/// Why a worker could not read or write its store, or would not.
enum StoreError: Error, CustomStringConvertible {
    /// The store failed, as its kind judges it.
    case failed(Failure)
    /// The writer itself decided not to commit a batch, whose bad rows cannot be set aside.
    case withheld(Withheld)

    /// What a worker does about an error.
    enum Category: Sendable {
        /// Tries again later: the store or the way to it failed.
        case retryable
        /// Waits for a person: tables, rights or rows are not as this version writes them.
        case schema
        /// Gives the partition up: a position has a newer owner.
        case fenced
        /// Begins a new life: neither waiting nor a person's help is known to do.
        case fatal
    }

    /// A failure of the store.
    struct Failure: Sendable {
        let category: Category
        /// Whether the same work may succeed in smaller batches.
        var isTooMuchAtOnce = false
        /// The table whose rows or days were being written; `nil` when the failure is of none.
        var table: SinkName?
        /// Whether the store works, and only that table does not take its rows now.
        var isOfTableAlone = false
        /// Whether it was waited for the table before it failed.
        var hasWaited = false
        /// Whether a statement took too long, and not the wait for a lock.
        var isSlow = false
        /// The store's code of the fault; `nil` when it has none.
        var code: String?
        /// The error of the store's client.
        let cause: any Error
    }

    /// A batch that the writer did not commit.
    struct Withheld {
        let operation: String
        /// The store and its address, for messages.
        let peer: String
        let remedy: Remedy
        /// One line.
        let reason: String
        /// The table that refuses its rows; `nil` when it is not one table.
        var table: SinkName?
    }

    /// What has to happen before a withheld batch can be written.
    enum Remedy {
        /// A person mends a table, or what writes the tape.
        case mendTable
        /// NATS or the folder accepts dead letters again.
        case waitForLetters
    }

    /// The way to handle it.
    var category: Category {
        switch self {
        case .failed(let failure): failure.category
        case .withheld(let batch):
            switch batch.remedy {
            case .mendTable: .schema
            case .waitForLetters: .retryable
            }
        }
    }

    /// The table that alone is at fault, so that the others can be written without it.
    var blockedTable: SinkName? {
        switch self {
        case .failed(let failure): failure.isOfTableAlone ? failure.table : nil
        case .withheld(let batch): batch.remedy == .mendTable ? batch.table : nil
        }
    }

    /// The store's failure; `nil` when the writer found the fault.
    var failure: Failure? {
        if case .failed(let failure) = self { failure } else { nil }
    }

    var description: String {
        switch self {
        case .failed(let failure): "\(failure.cause)"
        case .withheld(let batch):
            "\(batch.operation) at \(batch.peer) was held back: \(batch.reason)"
        }
    }
}
