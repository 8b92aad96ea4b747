import Primitives
import StoreSinks

/// The ticks of one packet, counted by what happened to them.
struct TickCount: Hashable, Sendable {
    /// Ticks that became rows.
    var written: UInt64 = 0
    /// Ticks of kinds whose table is switched off, or that have no table.
    var skipped: UInt64 = 0
    /// Ticks of which no row can be made, or whose row the database refuses. Each is kept in a dead
    /// letter.
    var deadLettered: UInt64 = 0
    /// Ticks under ordinals that were stored before.
    var givenTwice: UInt64 = 0

    static func + (left: TickCount, right: TickCount) -> TickCount {
        TickCount(
            written: left.written + right.written, skipped: left.skipped + right.skipped,
            deadLettered: left.deadLettered + right.deadLettered,
            givenTwice: left.givenTwice + right.givenTwice)
    }
}

/// The result of writing the rows of a batch.
struct BatchOutcome: Sendable {
    /// Written rows by table.
    var rows: [SinkName: Int] = [:]
    /// For tables in which the higher revision wins: rows that were stored already in the same or a
    /// later revision.
    var ignored: [SinkName: Int] = [:]
    /// Ticks of tables that are switched off.
    var skipped: [SinkName: UInt64] = [:]
    /// The counts of each item of the batch.
    var counts: [TickCount] = []
    /// The earliest receive time among the ticks; undefined when there are none.
    var oldestReceiveTime = Timestamp.undefined
}
