import Primitives

/// Decides when a worker writes fewer rows than WRITER_BATCH_ROWS. A transaction costs the database
/// as much as hundreds of rows, so rows wait for others; but they should be stored soon.
///
/// - Rows wait for `aimNanoseconds`. So a worker with few rows makes about ten transactions a
///   second, and its rows are stored within a little more than that time.
/// - On a slow database they wait longer: `factor` times as long as the last transaction took. So
///   small batches take no more than half of a session's time, and the batches grow.
/// - WRITER_BATCH_WAIT is the longest wait.
/// - The first row after a rest of that length is written immediately: then even the smallest
///   transactions are few.
///
/// Pure. `StoreWorker` has one, and its rows only.
struct BatchWait: Sendable {
    /// How long rows wait while transactions are fast.
    static let aimNanoseconds: Int64 = 70_000_000
    /// How many times as long as the last transaction rows wait at least.
    static let factor: Int64 = 2

    /// The longest time that rows wait (WRITER_BATCH_WAIT).
    let longest: Int64
    /// How long rows wait now.
    private(set) var nanoseconds: Int64
    /// When the last transaction ended.
    private var writtenAt = MonotonicTime.distantPast

    init(longest: Int64) {
        precondition(longest > 0, "rows wait for some time")
        self.longest = longest
        nanoseconds = min(longest, Self.aimNanoseconds)
    }

    /// Notes a transaction that was committed.
    mutating func wrote(from start: MonotonicTime, to end: MonotonicTime) {
        let spent = min(max(0, end - start), longest)
        nanoseconds = min(longest, max(Self.aimNanoseconds, spent * Self.factor))
        writtenAt = end
    }

    /// Returns when to write a batch whose oldest row came at this time.
    func due(_ oldest: MonotonicTime) -> MonotonicTime {
        oldest >= writtenAt + longest ? oldest : oldest + nanoseconds
    }
}
