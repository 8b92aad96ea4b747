/// A store of one's own, as one thread of the writer uses it: a connection that adds rows and sets
/// *marks* together. A mark is a text with a name. The writer keeps in marks how far it is, who
/// owns what, and which rows are dead letters; the store need not understand them. A mark has some
/// 200 bytes for each source of its partition: there must be room for 64 KiB.
///
/// That is all a store has to do. The writer makes batches of the tape, decides who may write, sets
/// refused rows aside, and tries again after a failure. It makes a connection for each of its
/// threads. After an error of `settle` it uses the connection again; after any other error it makes
/// a new one. `StoreProof` tests what is promised here.
public protocol RowStore: AnyObject {
    /// Adds the rows and sets the marks in one transaction, and returns when they outlive a crash.
    ///
    /// 1. It adds the rows. It throws here if it refuses one of them, also for what its database
    ///    would only check at the commit (`SET CONSTRAINTS ALL IMMEDIATE`).
    /// 2. It reads the marks with these names. From here to its end no other transaction changes
    ///    them, or this one fails; that holds also for a mark that is not there yet.
    /// 3. It calls `settle` once with those that are there, by name. That may take seconds.
    /// 4. It sets the marks that `settle` returns, and commits.
    ///
    /// There may be no tables, and no names, or a name for each of many refused rows
    /// (`WRITER_DEAD_LETTERS_MAX`). After an error, also one of `settle`, nothing of it is there,
    /// and the error is thrown on.
    /// Waiting for another transaction ends with an error after a minute at most.
    ///
    /// It is called once for each batch, and never for a row: a table comes as columns, whose
    /// values are arrays. Rows that are refused are found by further calls, whose `settle` throws:
    /// what outlives such a transaction, like a number of a sequence, must do no harm.
    func transact(
        _ tables: [StoreTable], marks names: [String],
        _ settle: (_ present: [String: String]) throws -> [String: String]
    ) throws

    /// Returns what an error of `transact` means.
    func fault(of error: any Error) -> StoreFault

    /// Returns what a table has of a partition, by the column `source`; nothing for a table that is
    /// not there. `nil`: the store cannot count, and `store-writer audit` says so.
    func ordinals(of table: String, partition: Int) throws -> [StoredOrdinals]?
}

extension RowStore {
    public func ordinals(of table: String, partition: Int) throws -> [StoredOrdinals]? { nil }

    public func fault(of error: any Error) -> StoreFault { .away }
}

/// What an error of a store means for the writer.
public enum StoreFault: Sendable {
    /// The store, or the way to it, failed. The writer connects and tries again.
    case away
    /// Tables or rights are not as they have to be. The writer waits longer: a person mends it.
    case schema
    /// The store does not take one of the rows. The writer finds out which, and makes dead letters
    /// of them.
    case rows
    /// The batch is too large for a statement, a limit or a deadline. The writer makes smaller
    /// ones; so it does when `away` comes twice in a row.
    case tooLarge
    /// The connection is of no use, for a reason that is not known.
    case fatal
}
