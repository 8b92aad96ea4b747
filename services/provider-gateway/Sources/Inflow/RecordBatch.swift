import MarketModel
import Primitives
import ProviderKit

/// The batch that is being taken: its records one after the other, and the last numbered tick.
struct RecordBatch {
    private var records: [ProviderRecord] = []
    /// The index of the record that is due.
    private var position = 0
    /// The number of records that were taken in this tenure.
    private(set) var takenCount: UInt64 = 0
    /// The last tick before this batch, if the provider numbers its ticks; else `nil`.
    private var passedBefore: PassedTick?

    init(passed: PassedTick?) {
        passedBefore = passed
    }

    var isTaken: Bool { position == records.count }
    var isEmpty: Bool { records.isEmpty }
    /// The number of records that were not taken yet.
    var waiting: Int { records.count - position }
    /// The header of the record that is due; `nil` when it has none.
    var dueHeader: TickHeader? { isTaken ? nil : records[position].header }

    /// The properties of the record that is due.
    @inline(__always)
    var due: DueRecord { records[position].due }

    /// Takes the record that is due; `nil` when none is.
    @inline(__always)
    mutating func take() -> ProviderRecord? {
        guard position < records.count else { return nil }
        position += 1
        takenCount &+= 1
        return records[position - 1]
    }

    /// Makes the record that was taken last due again, because there is no room for it.
    mutating func putBack() {
        precondition(position > 0, "what is put back was taken")
        position -= 1
        takenCount &-= 1
    }

    /// Begins the next batch, which `fill` brings.
    mutating func begin<Result>(_ fill: (inout [ProviderRecord]) -> Result) -> Result {
        precondition(isTaken, "a batch begins after the one before it")
        passedBefore = passed
        records.removeAll(keepingCapacity: true)
        position = 0
        return fill(&records)
    }

    /// Appends what `more` brings to the rest of the batch, and drops what is not `kept`.
    mutating func filterRest(
        with more: (inout [ProviderRecord]) -> Void, _ isKept: (ProviderRecord) -> Bool
    ) {
        passedBefore = passed
        records.removeFirst(position)
        position = 0
        // A channel gives its records to an empty array only.
        var added: [ProviderRecord] = []
        more(&added)
        records += added
        records.removeAll { !isKept($0) }
    }

    /// The last numbered tick that was taken, or passed over because the tape has it; `nil` if the
    /// provider does not number its ticks.
    var passed: PassedTick? {
        guard var passed = passedBefore, position > 0, let header = records[position - 1].header
        else { return passedBefore }
        passed.pass(header)
        return passed
    }
}
