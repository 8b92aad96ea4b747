import Primitives

/// A worker's connection to its store, on the worker's thread: it claims positions, and writes
/// batches together with the positions after them.
///
/// Records whose row the store refuses, or of which no row can be made, become dead letters inside
/// of `write`. Errors are for the worker: the store is away, its schema does not fit, another
/// writer has a position (a fence), or too much is refused (`StoreError.withheld`).
///
/// After an error the worker closes the session and forgets the batch, except after a fence. The
/// positions in the store show what was written, and the tape has the rest.
///
/// A worker calls it a few times per batch, and never per row.
protocol StoreSession: AnyObject {
    var isOpen: Bool { get }
    /// The address of the store, and which server it is; empty when the session is not open.
    var serverText: String { get }
    /// Whether the last COMMIT waited for a synchronous standby; false where that is not asked.
    var isOnStandby: Bool { get }

    /// Connects, unless it is open.
    func open() throws(StoreError)
    func close()
    /// Throws when the store has ended the session, or must not be used any more.
    func checkAlive() throws(StoreError)

    /// Makes the worker the owner of positions, which fences all earlier owners. Returns a row for
    /// each claim, granted, refused, or to be repeated later.
    func claim(_ claims: [SinkClaim]) throws(StoreError) -> [SinkRow]
    /// Returns positions and their owners, without claiming them.
    func read(_ places: [SinkPlace]) throws(StoreError) -> [SinkRow]

    /// Writes rows and positions so that both are there, or neither. `settle` returns the positions
    /// after the batch for the outcome of its rows. It may be called once per attempt, and the last
    /// call counts.
    func write(
        _ batch: WriteBatch, settle: (BatchOutcome) -> [SinkPosition]
    ) throws(StoreError) -> BatchOutcome

    /// Returns the days that have to be made before the batch's rows, in order of table and time;
    /// none for a store that needs none.
    func missingDays(of batch: WriteBatch) throws(StoreError) -> [TableDay]
    /// Makes days of one table apart from all rows, at most `TableDay.newDaysMax`.
    func makeDays(_ days: ArraySlice<TableDay>) throws(StoreError)
    /// Returns the inputs that have rows of the batch on one of these days.
    func inputs(of batch: WriteBatch, on days: Set<TableDay>) -> Set<Int>
}

extension StoreSession {
    /// Makes all these days, a portion at a time.
    func makeAll(_ days: [TableDay]) throws(StoreError) {
        var rest = days[...]
        while !rest.isEmpty {
            let part = TableDay.portion(rest)
            try makeDays(part)
            rest.removeFirst(part.count)
        }
    }
}

/// A UTC day of one table, for which the table needs a time partition or chunk. The partition may
/// be longer.
struct TableDay: Hashable, Comparable, Sendable {
    /// The length of a day.
    static let nanoseconds: Int64 = 86_400_000_000_000
    /// The maximum number of days that are made at once, so that others wait only briefly.
    static let newDaysMax = 8

    /// The table's index in the catalogue's tables.
    let table: Int
    /// The day as days since 1970.
    let number: Int64

    static func < (left: TableDay, right: TableDay) -> Bool {
        (left.table, left.number) < (right.table, right.number)
    }

    /// Returns the first of these days, as many as are made at once: at most `newDaysMax`, of one
    /// table.
    static func portion(_ days: ArraySlice<TableDay>) -> ArraySlice<TableDay> {
        days.prefix(newDaysMax).prefix { $0.table == days.first?.table }
    }
}
