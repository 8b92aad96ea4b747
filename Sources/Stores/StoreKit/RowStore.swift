/// A store of one's own, as one thread of the writer uses it: a connection that adds rows and sets
/// *marks* together. A mark is a short text with a name. The writer keeps in marks how far it is,
/// and who owns what; the store need not understand them.
///
/// That is all a store has to do. The writer makes batches of the tape, decides who may write, sets
/// refused rows aside, and tries again after a failure. It makes a connection for each of its
/// threads, and a new one after each failure. `StoreProof` tests what is promised here.
public protocol RowStore: AnyObject {
    /// Adds the rows and sets the marks in one transaction, and returns when they outlive a crash.
    ///
    /// 1. It adds the rows.
    /// 2. It reads the marks with these names. From here to its end no other transaction changes
    ///    them, or this one fails; that holds also for a mark that is not there yet.
    /// 3. It calls `settle` once with those that are there, by name.
    /// 4. It sets the marks that `settle` returns, and commits.
    ///
    /// After an error, also one of `settle`, nothing of it is there, and the error is thrown on.
    /// Waiting for another transaction ends with an error after a minute at most.
    ///
    /// It is called once for each batch, and never for a row: a table comes as columns, whose
    /// values are arrays.
    func transact(
        _ tables: [StoreTable], marks names: [String],
        _ settle: (_ present: [String: String]) throws -> [String: String]
    ) throws

    /// Returns what an error of `transact` means.
    func fault(of error: any Error) -> StoreFault
}

extension RowStore {
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
    /// The connection is of no use, for a reason that is not known.
    case fatal
}
