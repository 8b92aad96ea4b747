package import PostgresClient
package import Primitives
package import TapeCodec

/// One table of the database, as the writer fills it: which records of the tape it takes, and how a
/// record becomes a row. The store-writer and `tapeline dlq replay` use it.
///
/// Each closure gets a record with its packet: `context` has the packet's header and definitions,
/// `packet` its bytes, in which records other than trades, quotes and bars are read.
///
/// A new table is one file with such a value, and its line in `SinkCatalogue`.
package struct Sink: Sendable {
    /// Writes a record as a row. Returns false, and writes nothing, when the record does not belong
    /// to this table, is damaged, or refers to a symbol or series that its packet does not define.
    package typealias Write =
        @Sendable (
            _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan,
            _ ordinal: UInt64, _ row: inout BinaryCopyWriter
        ) throws(PostgresError) -> Bool

    /// The same for a store that takes columns.
    package typealias WriteColumns =
        @Sendable (
            _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan,
            _ ordinal: UInt64, _ row: inout ColumnWriter
        ) -> Bool

    /// The same for blocks of ClickHouse.
    package typealias WriteNative =
        @Sendable (
            _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan,
            _ ordinal: UInt64, _ row: inout NativeRows
        ) -> Bool

    /// The same for QuestDB.
    package typealias WriteLines =
        @Sendable (
            _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan,
            _ ordinal: UInt64, _ row: inout LineRowWriter
        ) -> Bool

    /// Returns the time of a record's row, by which its table is divided into days; `nil` when the
    /// record does not belong to this table, or is damaged. It may be undefined: the row then has
    /// its `Timestamp.storable`.
    package typealias Time =
        @Sendable (
            _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan
        ) -> Timestamp?

    /// The second step for tables whose rows come again in a later version. COPY cannot handle
    /// conflicts of keys. So it fills a staging table, and a merge moves the rows on: of two rows
    /// with one key, the higher revision wins.
    package struct Merge: Sendable {
        /// Creates the session's staging table, which each COMMIT empties.
        package let makeStaging: String
        /// Move all rows of the staging table, of which several may have the same key: one
        /// statement for each of the sink's tables. The server reports how many rows were inserted
        /// or changed.
        package let statements: [String]
        /// Move rows of which no two have the same key. They are faster, because they need not
        /// choose among rows with one key.
        package let statementsForUnique: [String]
        /// Move rows of which a later version is in the table already, each with another key. The
        /// writer has none, because it writes the versions in their order.
        package let statementsForEarlier: [String]
        /// Returns the hash of the key of a record's row: equal for two rows with the same key.
        /// Call it only for a record that `write` accepted.
        package let key: @Sendable (_ record: Record, _ context: borrowing PacketContext) -> UInt64

        /// Returns the statements to run for a batch with these keys.
        package func statements(_ keys: MergeKeys) -> [String] {
            keys.areUnique ? statementsForUnique : statements
        }
    }

    package let name: SinkName
    /// The tables that get its rows: the one of its name, or for bars those of short and of long
    /// windows, and that of replaced versions.
    package let tables: [String]
    /// The kind of packets in which its records normally come.
    package let input: PacketKind
    /// The `WireFormat.Template`s of its records: the numbers of their kinds on the tape. Each
    /// belongs to one sink; `events` also takes those that belong to none.
    package let templates: [UInt16]
    /// `COPY … FROM STDIN (FORMAT binary)`, into the staging table if there is one.
    package let copy: String
    /// The merge of the staging table; `nil` when COPY adds rows to the table itself.
    package let merge: Merge?
    /// Makes a row of a record, for a COPY.
    package let write: Write
    /// Makes a row of a record, for a store that takes columns.
    package let writeColumns: WriteColumns
    /// Makes a row of a record, for a block of ClickHouse.
    package let writeNative: WriteNative
    /// Makes a row of a record, for QuestDB.
    package let writeLines: WriteLines
    /// Makes a row of a record, for any kind of store.
    package let row: any TableRow.Type
    /// Returns the time that `write` puts into the column `ts`; for a table without that column,
    /// `nil` for all records.
    package let time: Time

    init<Row: TableRow>(
        _ name: SinkName, tables: [String]? = nil, input: PacketKind = .ticks,
        templates: [UInt16], copy: String, merge: Merge? = nil,
        time: @escaping Time = Sink.eventTime, row: Row.Type
    ) {
        self.name = name
        self.tables = tables ?? [name.rawValue]
        self.input = input
        self.templates = templates
        self.copy = copy
        self.merge = merge
        self.time = time
        self.row = row
        write = { record, context, packet, ordinal, writer throws(PostgresError) in
            try Row.write(record, context, packet, ordinal, &writer)
        }
        // Rows of bars have the tape's time and the sender's apart.
        let isTimed = name == .bars
        writeColumns = { record, context, packet, ordinal, writer in
            guard Row.write(record, context, packet, ordinal, &writer) else { return false }
            if !isTimed { writer.timestamptz(context.takenAt) }
            return true
        }
        writeNative = { record, context, packet, ordinal, writer in
            guard Row.write(record, context, packet, ordinal, &writer) else { return false }
            if !isTimed { writer.timestamptz(context.takenAt) }
            return true
        }
        writeLines = { record, context, packet, ordinal, writer in
            guard Row.write(record, context, packet, ordinal, &writer) else { return false }
            if !isTimed { writer.timestamptz(context.takenAt) }
            return true
        }
    }

    /// A sink whose COPY fills these columns of a table: the one of its name, or the one behind the
    /// view of its name.
    init<Row: TableRow>(
        _ name: SinkName, table: String? = nil, input: PacketKind = .ticks, templates: [UInt16],
        columns: String, time: @escaping Time = Sink.eventTime, row: Row.Type
    ) {
        let table = table ?? name.rawValue
        self.init(
            name, tables: [table], input: input, templates: templates,
            copy: Sink.copy(table, columns), time: time, row: row)
    }
}

/// A table of the store, by its name in the database and in STORE_TABLES. `bars` is a view on two.
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
    case tradeChanges = "trade_changes"
}
