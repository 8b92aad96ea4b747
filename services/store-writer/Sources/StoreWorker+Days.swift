import PostgresClient

// The days of a batch are made before its rows, a few at a time: a year of daily bars has hundreds
// of them, and rows of today's ticks do not wait for all of these.
extension StoreWorker {
    /// The next ones for what waits.
    func makeSomeDays() throws(PostgresError) {
        let days = Store.portion(daysToMake[...])
        guard !days.isEmpty else { return }
        try store.makeDays(days)
        daysToMake.removeFirst(days.count)
    }

    /// Makes the days of the batch if they are few. Otherwise what touches one that is missing
    /// waits for them, and the rest of the batch stays.
    func prepareDays() throws(PostgresError) {
        guard !batch.isEmpty else { return }
        let missing = try store.missingDays(of: batch)
        // Beside a full one nothing more waits: it is made at once then.
        guard missing.count > Store.newDaysMax, !waiting.isFull else {
            return try store.makeAll(missing)
        }
        let inputs = batch.inputs(on: Set(missing), store.catalogue)
        waiting.append(batch.split(off: inputs))
        daysToMake = Set(daysToMake).union(missing).sorted()
    }

    /// Their rows are somebody else's, or are read again.
    func removeFromBatches(_ inputs: Set<Int>) {
        batch.remove(inputs: inputs)
        waiting.remove(inputs: inputs)
        if waiting.isEmpty { daysToMake = [] }
    }
}
