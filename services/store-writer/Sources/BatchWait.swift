import Primitives

/// Decides when a worker writes fewer rows than WRITER_BATCH_ROWS. A transaction costs the database
/// as much as hundreds of rows, but rows should be stored soon. The aim (WRITER_LATENCY) decides
/// between the two while the database is fast:
///
/// - *frugal*: rows wait `frugalNanoseconds` for others. So a worker with few rows makes about
///   fourteen transactions a second.
/// - *quick*: rows do not wait for others, but two transactions begin `quickNanoseconds` apart. So
///   single rows are written immediately, and the worker makes at most 67 small transactions a
///   second.
///
/// On a slow database a session also rests after a transaction for as long as that one took. So
/// small batches take no more than half of its time, and the batches grow. Rows wait no longer than
/// WRITER_BATCH_WAIT for all that, and the first row after a rest of that length is written
/// immediately: then even the smallest transactions are few.
///
/// Pure. `StoreWorker` has one, and its rows only.
struct BatchWait: Sendable {
    enum Aim: String, Sendable, CaseIterable {
        case frugal
        case quick
    }

    /// How long rows wait for others with the aim `frugal`.
    static let frugalNanoseconds: Int64 = 70_000_000
    /// The least time between the beginnings of two transactions with the aim `quick`.
    static let quickNanoseconds: Int64 = 15_000_000

    /// The longest time that rows wait (WRITER_BATCH_WAIT).
    private let longest: Int64
    private let aim: Aim
    /// When the last transaction ended.
    private var writtenAt = MonotonicTime.distantPast
    /// From when on the next one may begin.
    private var nextAt = MonotonicTime.distantPast

    init(_ aim: Aim, longest: Int64) {
        precondition(longest > 0, "rows wait for some time")
        self.aim = aim
        self.longest = longest
    }

    /// Notes a transaction that was committed.
    mutating func wrote(from start: MonotonicTime, to end: MonotonicTime) {
        writtenAt = end
        nextAt = end + min(max(0, end - start), longest)
        if aim == .quick { nextAt = max(nextAt, start + Self.quickNanoseconds) }
    }

    /// Returns when to write a batch whose oldest row came at this time.
    func due(_ oldest: MonotonicTime) -> MonotonicTime {
        guard oldest < writtenAt + longest else { return oldest }
        let collected = aim == .frugal ? oldest + Self.frugalNanoseconds : oldest
        return min(oldest + longest, max(collected, nextAt))
    }
}
