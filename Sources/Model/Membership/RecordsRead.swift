public import MarketModel

/// What was found in the bucket of owners.
public struct RecordsRead: Equatable, Sendable {
    public struct Change: Equatable, Sendable {
        public enum Content: Equatable, Sendable {
            case record(OwnershipRecord)
            /// Somebody took the value away.
            case deleted
            case damaged
        }

        public var partition: Partition
        public var revision: UInt64
        public var content: Content

        public init(partition: Partition, revision: UInt64, content: Content) {
            self.partition = partition
            self.revision = revision
            self.content = content
        }
    }

    public var number: UInt64
    /// All records that there are, instead of those behind the number that was asked for: because
    /// all were asked for, or because the bucket is another one than before.
    public var isWhole: Bool
    /// The bucket's last write: everything up to it was looked at.
    public var last: UInt64
    /// In the order of their revisions.
    public var changes: [Change]
    /// There is more than one copy of the bucket.
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

/// A change of one record; nothing is stored unless the record's last write is `expected`.
public struct RecordWrite: Equatable, Sendable {
    public var id: UInt64
    public var partition: Partition
    public var record: OwnershipRecord
    /// 0: there was none.
    public var expected: UInt64

    public init(id: UInt64, partition: Partition, record: OwnershipRecord, expected: UInt64) {
        self.id = id
        self.partition = partition
        self.record = record
        self.expected = expected
    }
}

/// What became of a write.
public enum WriteOutcome: Equatable, Sendable {
    case stored(revision: UInt64)
    /// The record's last write is another one.
    case conflict
    /// Not stored, or nobody knows.
    case unsettled(String)
}
