package import PostgresClient
package import Primitives
package import TapeCodec

/// One table of the store: which records of the tape it stores, and how a record becomes a row.
///
/// A new table is one file with such a value, and its line in `SinkCatalogue`.
package struct Sink: Sendable {
    /// Writes a row. Returns false, and writes nothing, when the record does not belong to this
    /// table or lacks something that a row needs (its symbol is not defined).
    package typealias Write =
        @Sendable (
            _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan,
            _ ordinal: UInt64, _ row: inout BinaryCopyWriter
        ) throws(PostgresError) -> Bool

    /// Returns the time of a record's row, by which its table is partitioned; `nil` when the record
    /// does not belong to this table, or is damaged. An undefined time becomes
    /// `Timestamp.storable`.
    package typealias Time =
        @Sendable (
            _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan
        ) -> Timestamp?

    /// For tables whose rows come again in a later version. COPY cannot handle conflicts, so rows
    /// go to a staging table, and from there the higher revision wins.
    package struct Merge: Sendable {
        /// Creates the staging table, once per session. COMMIT empties it.
        package let makeStaging: String
        /// Moves the rows. Returns how many rows were inserted or changed.
        package let statement: String
        /// Moves rows of which no two have the same key, without sorting and counting them.
        package let statementForUnique: String
        /// Returns the key's hash for a record that is a row: equal for two rows with the same key.
        package let key: @Sendable (_ record: Record, _ context: borrowing PacketContext) -> UInt64

        /// Returns the statement to run for a batch with these keys.
        package func statement(_ keys: MergeKeys) -> String {
            keys.areUnique ? statementForUnique : statement
        }
    }

    package let name: SinkName
    /// The kind of packets that its records come in.
    package let input: PacketKind
    /// The `WireFormat.Template`s of its records. Each template belongs to one sink; `events` also
    /// takes those that belong to none.
    package let templates: [UInt16]
    /// `COPY … FROM STDIN (FORMAT binary)`, into the staging table if there is one.
    package let copy: String
    /// `nil` when rows are only added.
    package let merge: Merge?
    /// Makes a row of a record.
    package let write: Write
    /// Returns the time that `write` puts into `ts`. `copyColumns` has that column, or this returns
    /// `nil` for all records.
    package let time: Time

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
package enum SinkName: String, CaseIterable, Sendable {
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
