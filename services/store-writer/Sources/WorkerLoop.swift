import MarketModel
import Primitives
import ServiceRuntime
import TapeTransport

/// The loop of a worker's thread. It runs one `StoreWorker` after the other: each has a *life*,
/// which ends with the service or with a failure that no retry can remedy. Then the next life
/// begins.
struct WorkerLoop: Sendable {
    /// The first wait before the next life, so that it begins within the promised 200 ms.
    private static let restartFirst = Duration.milliseconds(100)
    /// The longest wait, when one life after the other ends soon.
    private static let restartMax = Duration.seconds(10)
    /// After a life of this length, the wait begins again at `restartFirst`, because the causes are
    /// not related.
    private static let lifeNanoseconds: Int64 = 60_000_000_000

    let queue: WorkerQueue
    /// The partitions that this worker serves when this process owns them.
    let partitions: [Partition]
    let parts: StoreWorker.Parts

    /// Runs on the worker's thread until `isOver`. Partitions and answers outlive each life in the
    /// assignment.
    func run(until isOver: () -> Bool) {
        let clock = SystemClock()
        let beat = parts.context.threads.thread(
            "writer-\(queue.number)", within: ThreadWatch.callLimit)
        defer { beat.retire() }
        var random = SystemRandomNumberGenerator()
        var backoff = Backoff(first: Self.restartFirst, limit: Self.restartMax)
        var assignment = StoreWorker.Assignment(
            partitions, owner: StoreWorker.newOwner(thread: queue.number))
        var begin = clock.monotonic()
        while true {
            let worker = StoreWorker(queue, assignment, parts, beat, begin: begin)
            let bornAt = clock.monotonic()
            do throws(StoreWorker.Death) {
                try worker.run(until: isOver)
                parts.report.ended(thread: queue.number)
                return
            } catch {
                assignment = worker.assignment
                let now = clock.monotonic()
                if now - bornAt > Self.lifeNanoseconds { backoff.reset() }
                let wait = backoff.next(using: &random)
                begin = now.advanced(by: wait)
                parts.report.died(thread: queue.number)
                parts.metrics.restarts.add()
                parts.context.telemetry.emit(
                    .workerRestarted(thread: queue.number, reason: error.reason, wait: wait))
            }
        }
    }
}
