import Primitives
import ServiceRuntime
import Synchronization

/// Asks a server the questions of a book, one after the other, on a thread of its own. The thread
/// of the pages only looks.
final class QuestionDesk<Key: Choosable, Value: Sendable>: Sendable {
    private let book = Mutex(QuestionBook<Key, Value>())
    /// A new question ends the sleep of the thread.
    private let calls = Mailbox<Void>(capacity: 1)

    func look(_ key: Key, at now: MonotonicTime) -> QuestionBook<Key, Value>.Look {
        let (look, isNew) = book.withLock { $0.look(key, at: now) }
        if isNew { _ = calls.send(()) }
        return look
    }

    /// Starts the thread. `makeAsk` is called on it; what it returns may block for two seconds.
    func start(
        _ name: String, _ context: ServiceContext,
        _ makeAsk: @escaping @Sendable (ThreadBeat) -> (Key) throws -> Value
    ) throws(ServiceError) -> ServiceThread {
        let metrics = QuestionMetrics(name, context.telemetry.metrics)
        let beat = context.threads.thread("ask-\(name)", within: ThreadWatch.callLimit)
        return try ServiceThread(name: "ask-\(name)") { [self] in
            let ask = makeAsk(beat)
            while !context.shutdown.isRequested {
                beat.beat()
                let now = context.clock.monotonic()
                if let key = book.withLock({ $0.next(at: now) }) {
                    answer(key, context.clock, metrics, ask)
                } else {
                    waitForCall(context.clock)
                }
            }
            beat.retire()
        }
    }

    private func answer(
        _ key: Key, _ clock: SystemClock, _ metrics: QuestionMetrics,
        _ ask: (Key) throws -> Value
    ) {
        let begun = clock.monotonic()
        do {
            let value = try ask(key)
            book.withLock { $0.put(key, Known(value: value, measuredAt: begun)) }
            metrics.note(isAnswered: true)
        } catch {
            book.withLock { $0.fail(key, "\(error)", at: clock.monotonic()) }
            metrics.note(isAnswered: false)
        }
    }

    /// Waits for the next question, at most the interval after which the shutdown is looked at.
    private func waitForCall(_ clock: SystemClock) {
        let due = book.withLock { $0.dueAt }.map { clock.remaining(until: $0) }
        let timeout = min(due ?? CockpitLimits.questionInterval, CockpitLimits.questionInterval)
        var taken: [Void] = []
        _ = calls.receive(into: &taken, max: 1, timeout: max(timeout, .milliseconds(1)))
    }
}
