public import PostgresClient
public import Primitives
public import TapeCodec

/// One table of the store: which records of the tape it takes, and how one of them becomes a row.
///
/// A new table is one file with such a value, and its line in `SinkCatalogue`.
public struct Sink: Sendable {
    /// False: the record is none of this table's, or does not say enough for a row (its symbol is
    /// not defined); nothing was written then.
    public typealias Write =
        @Sendable (
            _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan,
            _ ordinal: UInt64, _ row: inout BinaryCopyWriter
        ) throws(PostgresError) -> Bool

    /// The time of a record's row, by which its table is cut; nil: it is none of this table's, or
    /// is damaged. What is not defined stands at `Timestamp.storable`.
    public typealias Time =
        @Sendable (
            _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan
        ) -> Timestamp?

    /// For tables whose rows come again in a later version: COPY knows no conflicts, so rows go to
    /// a staging table, and from there the higher revision wins.
    public struct Merge: Sendable {
        /// Once per session. COMMIT empties the table.
        public let makeStaging: String
        /// Answers how many rows were inserted or changed.
        public let statement: String
        /// The same for rows of which no two have one key: does without sorting and counting them.
        public let statementForUnique: String
        /// Of a record that is a row: the same for two rows of one key.
        public let key: @Sendable (_ record: Record, _ context: borrowing PacketContext) -> UInt64

        public func statement(_ keys: MergeKeys) -> String {
            keys.areUnique ? statementForUnique : statement
        }
    }

    public let name: SinkName
    /// Of which stream its records are.
    public let input: PacketKind
    /// `WireFormat.Template`s of its records. Each template is of one sink; `events` takes those of
    /// none, too.
    public let templates: [UInt16]
    /// `COPY … FROM STDIN (FORMAT binary)`, into the staging table if there is one.
    public let copy: String
    /// Nil: rows are only ever added.
    public let merge: Merge?
    public let write: Write
    /// What `write` puts into `ts`: `copyColumns` has one, or this answers nil for all records.
    public let time: Time

    init(
        _ name: SinkName, input: PacketKind = .ticks, templates: [UInt16], copy: String,
        merge: Merge? = nil, time: @escaping Time = Sink.eventTime, write: @escaping Write
    ) {
        self.name = name
        self.input = input
        self.templates = templates
        self.copy = copy
        self.merge = merge
        self.time = time
        self.write = write
    }
}

/// A table of the store, by its name in the database and in WRITER_SINKS.
public enum SinkName: String, CaseIterable, Sendable {
    case trades
    case quotes
    case depth
    case options
    case news
    case fundamentals
    case indicators
    case providerBars = "provider_bars"
    case gaps
    case events
    case bars
    case lateTicks = "late_ticks"
}
