import Primitives
import Synchronization

/// Decides which worker may write an *early* batch: one that is smaller than WRITER_BATCH_ROWS and
/// has not waited for WRITER_BATCH_WAIT. Rows come into the database sooner so, but each
/// transaction costs a durable commit. So only one session at a time has the turn, and all rest
/// after it, the longer, the longer the transaction took.
///
/// The worker after the last one is the first that may take the next turn. Each other one waits a
/// little longer, so that a worker with nothing to write costs only that.
///
/// When rows are many, batches fill within WRITER_BATCH_WAIT, and an early one would only make the
/// next ones smaller: more commits for the same rows, at the time when the database can spare them
/// least. So a worker whose last two batches were full ones, less than that time apart, takes no
/// turn until twice their distance has passed without another one.
struct EarlyTurn: Sendable {
    /// The rest is this many times as long as the transaction, up to `restMax`, but never shorter
    /// than the transaction: a slow database gets no more than half of the time for early batches.
    private static let restFactor: Int64 = 9
    /// How much longer each next worker waits.
    private static let stepNanosecondsMax: Int64 = 1_000_000

    private let workers: Int
    /// So long that each of the workers, one after the other, has a turn well within the time that
    /// rows may wait: in a third of it, and the time of their transactions.
    private let restMax: Int64
    /// The worker that has the turn, and since when; `nil` between turns.
    private var holder: (worker: Int, since: MonotonicTime)?
    private var lastWorker: Int
    private var restUntil = MonotonicTime.distantPast
    private var step: Int64 = 0
    /// By worker: when its last full batch began, and until when the next one is expected.
    private var filledAt: [MonotonicTime]
    private var expectedUntil: [MonotonicTime]
    private let waitNanoseconds: Int64

    /// `waitNanoseconds` is the longest time that rows wait for others.
    init(workers: Int, waitNanoseconds: Int64) {
        precondition(workers > 0 && waitNanoseconds > 0, "some worker has some time")
        self.workers = workers
        restMax = max(1, waitNanoseconds / Int64(3 * workers))
        lastWorker = workers - 1
        filledAt = Array(repeating: .distantPast, count: workers)
        expectedUntil = filledAt
        self.waitNanoseconds = waitNanoseconds
    }

    /// Notes that the worker writes a batch that has as many rows as one waits for.
    mutating func filled(_ worker: Int, now: MonotonicTime) {
        let distance = max(0, now - filledAt[worker])
        filledAt[worker] = now
        expectedUntil[worker] = distance < waitNanoseconds ? now + 2 * distance : now
    }

    /// Returns when the worker may take the turn; `nil` while another one has it.
    func beginning(of worker: Int) -> MonotonicTime? {
        guard holder == nil else { return nil }
        let place = (worker - lastWorker - 1 + workers) % workers
        return max(restUntil + Int64(place) * step, expectedUntil[worker])
    }

    /// Gives the worker the turn if it may take it. Then it has to call `end`.
    mutating func take(_ worker: Int, now: MonotonicTime) -> Bool {
        guard let beginning = beginning(of: worker), now >= beginning else { return false }
        holder = (worker, now)
        return true
    }

    /// Ends the turn of this worker, and begins the rest.
    mutating func end(_ worker: Int, now: MonotonicTime) {
        guard let holder, holder.worker == worker else { return }
        self.holder = nil
        lastWorker = worker
        let spent = max(0, now - holder.since)
        let (wanted, overflow) = spent.multipliedReportingOverflow(by: Self.restFactor)
        let rest = max(spent, overflow ? restMax : min(wanted, restMax))
        restUntil = now + rest
        step = min(Self.stepNanosecondsMax, rest / Int64(workers))
    }
}

/// The early turn of all workers of this process. Any worker may call it.
final class EarlyTurns: Sendable {
    private let turn: Mutex<EarlyTurn>

    init(_ turn: EarlyTurn) { self.turn = Mutex(turn) }

    /// Returns when the worker may take the turn; `nil` while another one has it.
    func beginning(of worker: Int) -> MonotonicTime? { turn.withLock { $0.beginning(of: worker) } }

    /// Notes that the worker writes a full batch.
    func filled(_ worker: Int, now: MonotonicTime) {
        turn.withLock { $0.filled(worker, now: now) }
    }

    /// Gives the worker the turn if it may take it.
    func take(_ worker: Int, now: MonotonicTime) -> Bool {
        turn.withLock { $0.take(worker, now: now) }
    }

    /// Ends the turn of this worker.
    func end(_ worker: Int, now: MonotonicTime) { turn.withLock { $0.end(worker, now: now) } }
}
