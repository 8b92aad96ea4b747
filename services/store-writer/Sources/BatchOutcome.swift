import Primitives
import StoreSinks

/// What became of the ticks of one packet.
struct TickCount: Hashable, Sendable {
    var written: UInt64 = 0
    /// Of kinds whose table is switched off, or that have none.
    var skipped: UInt64 = 0
    /// No row can be made of them, or the database refuses it: each is kept in a dead letter.
    var deadLettered: UInt64 = 0
    /// Under ordinals that were stored before.
    var givenTwice: UInt64 = 0

    static func + (left: TickCount, right: TickCount) -> TickCount {
        TickCount(
            written: left.written + right.written, skipped: left.skipped + right.skipped,
            deadLettered: left.deadLettered + right.deadLettered,
            givenTwice: left.givenTwice + right.givenTwice)
    }
}

/// What the rows of a batch came to.
struct BatchOutcome: Sendable {
    /// Rows by table.
    var rows: [SinkName: Int] = [:]
    /// Of those tables where a higher revision wins: rows that were there in the same or a later
    /// one.
    var ignored: [SinkName: Int] = [:]
    /// Ticks of tables that are switched off.
    var skipped: [SinkName: UInt64] = [:]
    /// Per item of the batch.
    var counts: [TickCount] = []
    /// The earliest receive time among the ticks; undefined when there are none.
    var oldestReceiveTime = Timestamp.undefined
}
