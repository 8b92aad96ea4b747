package import MarketModel
package import Primitives

/// The result of reading the bucket of owners.
package struct RecordsRead: Equatable, Sendable {
    package struct Change: Equatable, Sendable {
        package enum Content: Equatable, Sendable {
            case record(OwnershipRecord)
            /// The value was deleted.
            case deleted
            /// The value cannot be read.
            case refused(VersionedJSON.Refusal)
        }

        package var partition: Partition
        /// The number of this write in the bucket.
        package var revision: UInt64
        package var content: Content

        package init(partition: Partition, revision: UInt64, content: Content) {
            self.partition = partition
            self.revision = revision
            self.content = content
        }
    }

    /// The number of the effect `read` that this answers.
    package var number: UInt64
    /// The changes are all existing records, not only those after the requested number: either all
    /// were requested, or the bucket is another one than before.
    package var isWhole: Bool
    /// The bucket's last write. Everything up to it was read.
    package var last: UInt64
    /// The changes in the order of their revisions.
    package var changes: [Change]
    /// The bucket has more than one copy.
    package var isReplicated: Bool
    /// What a person asked of this member.
    package var drain: DrainNews

    package init(
        number: UInt64, isWhole: Bool, last: UInt64, changes: [Change], isReplicated: Bool,
        drain: DrainNews = .unchanged
    ) {
        self.number = number
        self.isWhole = isWhole
        self.last = last
        self.changes = changes
        self.isReplicated = isReplicated
        self.drain = drain
    }
}

/// A change of one record. It is stored only if the record's last write is `expected`.
package struct RecordWrite: Equatable, Sendable {
    /// Is part of the answer.
    package var id: UInt64
    package var partition: Partition
    package var record: OwnershipRecord
    /// The expected revision; 0: there was none.
    package var expected: UInt64
}

/// The outcome of a write.
package enum WriteOutcome: Equatable, Sendable {
    case stored(revision: UInt64)
    /// The record's last write is another one.
    case conflict
    /// Not stored, or the outcome is unknown.
    case unsettled(String)
}
