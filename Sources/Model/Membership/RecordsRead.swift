public import MarketModel
public import Primitives

/// The result of reading the bucket of owners.
public struct RecordsRead: Equatable, Sendable {
    public struct Change: Equatable, Sendable {
        public enum Content: Equatable, Sendable {
            case record(OwnershipRecord)
            /// The value was deleted.
            case deleted
            /// The value cannot be read.
            case refused(VersionedJSON.Refusal)
        }

        public var partition: Partition
        /// The number of this write in the bucket.
        public var revision: UInt64
        public var content: Content

        public init(partition: Partition, revision: UInt64, content: Content) {
            self.partition = partition
            self.revision = revision
            self.content = content
        }
    }

    /// The number of the effect `read` that this answers.
    public var number: UInt64
    /// The changes are all existing records, not only those after the requested number: either all
    /// were requested, or the bucket is another one than before.
    public var isWhole: Bool
    /// The bucket's last write. Everything up to it was read.
    public var last: UInt64
    /// The changes in the order of their revisions.
    public var changes: [Change]
    /// The bucket has more than one copy.
    public var isReplicated: Bool

    public init(
        number: UInt64, isWhole: Bool, last: UInt64, changes: [Change], isReplicated: Bool
    ) {
        self.number = number
        self.isWhole = isWhole
        self.last = last
        self.changes = changes
        self.isReplicated = isReplicated
    }
}

/// A change of one record. It is stored only if the record's last write is `expected`.
public struct RecordWrite: Equatable, Sendable {
    /// Is part of the answer.
    public var id: UInt64
    public var partition: Partition
    public var record: OwnershipRecord
    /// The expected revision; 0: there was none.
    public var expected: UInt64

    public init(id: UInt64, partition: Partition, record: OwnershipRecord, expected: UInt64) {
        self.id = id
        self.partition = partition
        self.record = record
        self.expected = expected
    }
}

/// The outcome of a write.
public enum WriteOutcome: Equatable, Sendable {
    case stored(revision: UInt64)
    /// The record's last write is another one.
    case conflict
    /// Not stored, or the outcome is unknown.
    case unsettled(String)
}
