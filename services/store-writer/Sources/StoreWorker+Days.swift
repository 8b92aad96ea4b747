// How the days of a batch (`TableDay`) are made before its rows, a few per write. A year of daily
// bars needs hundreds of days, and the rows of today must not wait for all of them.
extension StoreWorker {
    /// Makes the next of `daysToMake`, at most as many as one transaction makes.
    func makeSomeDays() throws(StoreError) {
        let days = TableDay.portion(daysToMake[...])
        guard !days.isEmpty else { return }
        try session.makeDays(days)
        daysToMake.removeFirst(days.count)
    }

    /// Makes the missing days of the batch if they are few. Otherwise all packets of the inputs
    /// with missing days move to `waitingForDays`, and the rest of the batch stays.
    func prepareDays() throws(StoreError) {
        guard !batch.isEmpty else { return }
        let missing = try session.missingDays(of: batch)
        // When `waitingForDays` is full, nothing can be added to it, and the days are made now.
        guard missing.count > TableDay.newDaysMax, !waitingForDays.isFull else {
            return try session.makeAll(missing)
        }
        let inputs = session.inputs(of: batch, on: Set(missing))
        waitingForDays.append(batch.split(off: inputs))
        daysToMake = Set(daysToMake).union(missing).sorted()
    }

    /// Removes the packets of inputs whose rows another owner writes, or which are read again.
    func removeFromBatches(_ inputs: Set<Int>) {
        batch.remove(inputs: inputs)
        waitingForDays.remove(inputs: inputs)
        if waitingForDays.isEmpty { daysToMake = [] }
    }
}
