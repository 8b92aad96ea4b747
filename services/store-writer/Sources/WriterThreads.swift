import HotState
import Primitives
import ServiceRuntime

/// The threads of a writer, as far as they were started.
struct WriterThreads {
    /// How long they may take to end, all together.
    private static let endTimeout = Duration.seconds(2)
    /// How long the upkeep, and the hot state's reading of the database, may take: enough for
    /// a session that is being opened, but not for a statement.
    private static let upkeepTimeout: Duration = .milliseconds(500)

    var intake: ServiceThread?
    var workers: [ServiceThread] = []
    /// The courier of dead letters, and the hot state.
    var others: [ServiceThread] = []
    /// Those that the store needs beside the workers.
    var upkeep: [ServiceThread] = []
    /// The one that reads the store for the hot state.
    var hotFiller: ServiceThread?
    var queues: WorkerQueues?
    /// The packets on their way from the intake to the hot state.
    var hotQueue: HotQueue?

    /// Waits for the threads after they were told to end. A thread that is in a call without an
    /// answer is left behind. That loses nothing: a worker's session ends with the process, and its
    /// packets stay on the tape.
    func end(_ context: ServiceContext, within timeout: Duration = WriterThreads.endTimeout) {
        let deadline = context.clock.deadline(after: timeout)
        join(intake, until: deadline, context)
        // Not earlier: what the intake has read until a partition is handed over is written to
        // Valkey by this process or by nobody.
        hotQueue?.close()
        for queue in queues?.all ?? [] { queue.wake() }
        for (number, thread) in workers.enumerated()
        where !join(thread, until: deadline, context) {
            context.telemetry.emit(.workerLeftBehind(thread: number))
        }
        for thread in others { join(thread, until: deadline, context) }
        let last = context.clock.deadline(after: Self.upkeepTimeout)
        for thread in upkeep + [hotFiller] { join(thread, until: last, context) }
    }

    /// Returns false, and leaves the thread behind, if it has not ended at the deadline.
    @discardableResult
    private func join(
        _ thread: ServiceThread?, until deadline: MonotonicTime, _ context: ServiceContext
    ) -> Bool {
        guard let thread, !thread.join(timeout: context.clock.remaining(until: deadline)) else {
            return true
        }
        context.leaveThreadBehind()
        return false
    }
}
