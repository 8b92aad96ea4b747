import Primitives

/// How long a transaction waits for one table, by settings of the server for the transaction alone.
/// So a table that another session has locked, or whose trigger takes long, does not hold up the
/// rows of others for longer.
struct TableWaits: Sendable {
    /// How long it waits for a lock.
    var lock = Duration.zero
    /// How long a statement may take.
    var statement = Duration.zero
    /// Whether deferred constraints are checked with each statement, so that COMMIT waits for none.
    var isImmediate = false

    /// Where the rows of all tables wait for each other: no limits.
    static let none = TableWaits()
    /// For batches with the rows of all groups of tables.
    static let common = TableWaits(lock: .seconds(1), statement: .seconds(5))
    /// For a group that waits apart: nothing else waits for it.
    static let apart = TableWaits(
        lock: .seconds(2), statement: .seconds(20), isImmediate: true)

    /// The statements that begin the transaction.
    var opening: [String] {
        guard isLimited else { return ["BEGIN"] }
        let begin = [
            "BEGIN", lockLimit,
            "SET LOCAL statement_timeout = \(statement.clampedNanoseconds / 1_000_000)",
        ]
        return isImmediate ? begin + ["SET CONSTRAINTS ALL IMMEDIATE"] : begin
    }

    var isLimited: Bool { lock > .zero }

    var lockLimit: String { "SET LOCAL lock_timeout = \(lock.clampedNanoseconds / 1_000_000)" }
}
