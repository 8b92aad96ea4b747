import Primitives

/// How long a transaction waits for one table, by settings of the server. So a table that another
/// session has locked, or whose trigger takes long, does not hold up the rows of others for longer.
///
/// A session has them from its first batch on, so that no transaction sets them, and lays them off
/// for everything else that it does.
struct TableWaits: Hashable, Sendable {
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
        isImmediate ? ["BEGIN", "SET CONSTRAINTS ALL IMMEDIATE"] : ["BEGIN"]
    }

    /// Returns the statements by which a session with the limits `before` gets these. Instead of
    /// none it gets the `usual` ones, those of its connection: a pooler may have dropped them from
    /// what the server would go back to.
    func settings(after before: TableWaits, usual: TableWaits) -> [String] {
        guard (lock, statement) != (before.lock, before.statement) else { return [] }
        let limits = isLimited ? self : usual
        return [
            "SET lock_timeout = \(Self.milliseconds(limits.lock))",
            "SET statement_timeout = \(Self.milliseconds(limits.statement))",
        ]
    }

    var isLimited: Bool { lock > .zero }

    /// Limits a transaction that is not a batch's.
    var lockLimit: String { "SET LOCAL lock_timeout = \(Self.milliseconds(lock))" }

    private static func milliseconds(_ duration: Duration) -> Int64 {
        duration.clampedNanoseconds / 1_000_000
    }
}
