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
