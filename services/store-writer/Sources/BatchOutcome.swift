import MarketModel
import Primitives
import StoreSinks

/// The records of one packet, counted by what happened to them. Each record is in exactly one
/// count.
struct TickCount: Hashable, Sendable {
    /// Records that became rows.
    var written: UInt64 = 0
    /// Records whose table is switched off (STORE_TABLES), and records of dropped packets.
    var skipped: UInt64 = 0
    /// Records of which no row can be made, or whose row the database refuses. They are kept in
    /// dead letters.
    var deadLettered: UInt64 = 0
    /// Records whose ordinals were stored before, with other records. They are left out.
    var givenTwice: UInt64 = 0
    /// Records that were left to groups of tables that wait apart.
    var apart: UInt64 = 0

    static func + (left: TickCount, right: TickCount) -> TickCount {
        TickCount(
            written: left.written + right.written, skipped: left.skipped + right.skipped,
            deadLettered: left.deadLettered + right.deadLettered,
            givenTwice: left.givenTwice + right.givenTwice, apart: left.apart + right.apart)
    }
}

/// The result of writing the rows of a batch.
struct BatchOutcome: Sendable {
    /// The number of rows that COPY sent, by table. For a table with a merge it includes `ignored`.
    var rows: [SinkName: Int] = [:]
    /// For tables with a merge: the number of rows that changed nothing, because the table has the
    /// same or a later revision.
    var ignored: [SinkName: Int] = [:]
    /// The number of records whose table is switched off, by table.
    var skipped: [SinkName: UInt64] = [:]
    /// The counts of each item of the batch.
    var counts: [TickCount] = []
    /// The earliest receive time among trades and quotes; undefined when there are none.
    var oldestReceiveTime = Timestamp.undefined
    /// By item: its cancels and corrections by id that became rows, in order.
    var changes: [Int: [ChangeByID]] = [:]
    /// By item: what a packet of bars says of groups.
    var groups: [Int: [SourceName: SourceName]] = [:]
}
