import Primitives
import ServiceRuntime
import Synchronization

/// A question to a server, on a thread of its own, so that one that does not answer delays no
/// other. It is asked once a second while somebody looks, however many they are.
final class Question<Value: Sendable>: Sendable {
    private let state = Mutex(Known<Value>())
    private let rarely: Duration?

    /// `rarely`: it is asked once in this time also while nobody wants it. `nil`: it is not.
    init(rarely: Duration? = nil) { self.rarely = rarely }

    /// The last answer and what is wrong since then.
    var known: Known<Value> { state.withLock { $0 } }

    /// Starts the thread. `makeAsk` is called on it; what it returns may block for two seconds.
    /// Nothing is asked while `isWanted` returns false, or nobody looks, but `rarely`.
    func start(
        _ name: String, _ context: ServiceContext, _ audience: Audience,
        while isWanted: @escaping @Sendable (MonotonicTime) -> Bool = { _ in true },
        _ makeAsk: @escaping @Sendable (ThreadBeat) -> () throws -> Value
    ) throws(ServiceError) -> ServiceThread {
        let metrics = QuestionMetrics(name, context.telemetry.metrics)
        let beat = context.threads.thread("ask-\(name)", within: ThreadWatch.callLimit)
        return try ServiceThread(name: "ask-\(name)") { [self] in
            let ask = makeAsk(beat)
            var due = rarely == nil ? MonotonicTime.never : .distantPast
            while !context.shutdown.isRequested {
                beat.beat()
                let begun = context.clock.monotonic()
                if begun >= due || (audience.isThere(at: begun) && isWanted(begun)) {
                    if let rarely { due = begun.advanced(by: rarely) }
                    put(context.clock, metrics, ask)
                }
                let next = begun.advanced(by: CockpitLimits.questionInterval)
                _ = context.shutdown.wait(timeout: context.clock.remaining(until: next))
            }
            beat.retire()
        }
    }

    private func put(_ clock: SystemClock, _ metrics: QuestionMetrics, _ ask: () throws -> Value) {
        let begun = clock.monotonic()
        state.withLock { $0.askedAt = begun }
        do {
            let value = try ask()
            state.withLock { $0 = Known(value: value, measuredAt: begun) }
            metrics.note(isAnswered: true)
        } catch {
            state.withLock {
                $0.problem = "\(error)"
                $0.askedAt = nil
            }
            metrics.note(isAnswered: false)
        }
    }
}

struct QuestionMetrics: Sendable {
    private let answered: Counter
    private let failed: Counter

    init(_ name: String, _ metrics: MetricRegistry) {
        func counter(_ outcome: String) -> Counter {
            metrics.counter(
                "mds_cockpit_questions_total", "a question to a server",
                "failed grows: the pages say why. Where nobody runs `tapeline actions serve`, "
                    + "carrier grows by four a minute with actions switched on",
                by: "question: tape, database, gaps, pages, alerts, chart, letters, replays, "
                    + "packets, latest, market, actions, carrier, sql; outcome: answered, failed",
                labels: [("question", name), ("outcome", outcome)])
        }
        answered = counter("answered")
        failed = counter("failed")
    }

    func note(isAnswered: Bool) { (isAnswered ? answered : failed).add() }
}
