import Primitives
import ServiceRuntime
import Synchronization

/// Answers what people ask in SQL, at most `AskBook.countMax` of them at a time, each on a thread
/// of its own. The thread of the pages only looks.
final class AskDesk: Sendable {
    private struct Call: Sendable {
        let sql: String
        let person: String
        let origin: String
    }

    let right: AskRight
    private let book = Mutex(AskBook())
    /// One for each place of the book, which is free when its thread waits here.
    private let calls = (0..<AskBook.countMax).map { _ in Mailbox<Call>(capacity: 2) }

    init(_ right: AskRight) { self.right = right }

    /// Takes a question. Returns why it is refused; `nil`: it is under way.
    func submit(
        _ sql: String, _ number: UInt64, of person: String, from origin: String,
        at now: MonotonicTime
    ) -> String? {
        switch book.withLock({ $0.submit(number, of: person, at: now) }) {
        case .refused(let reason): return reason
        case .taken(let place):
            let isSent = calls[place].send(Call(sql: sql, person: person, origin: origin))
            precondition(isSent, "a place of the book is free, and its thread has work")
            return nil
        }
    }

    func look(_ number: UInt64, of person: String, at now: MonotonicTime) -> AskBook.Look {
        book.withLock { $0.look(number, of: person, at: now) }
    }

    func leave(_ number: UInt64, of person: String) {
        book.withLock { $0.leave(number, of: person) }
    }

    /// Starts the threads; none while SQL is off.
    func start(
        _ settings: CockpitSettings, _ context: ServiceContext
    ) throws(ServiceError) -> [ServiceThread] {
        guard right != .off else { return [] }
        let asker = SQLAsker(settings.postgres, namespace: settings.namespace)
        let metrics = QuestionMetrics("sql", context.telemetry.metrics)
        var threads: [ServiceThread] = []
        for place in calls.indices {
            let beat = context.threads.thread("sql-\(place)", within: ThreadWatch.callLimit)
            threads.append(
                try ServiceThread(name: "sql-\(place)") { [self] in
                    while !context.shutdown.isRequested {
                        beat.beat()
                        var taken: [Call] = []
                        _ = calls[place].receive(
                            into: &taken, max: 1, timeout: CockpitLimits.questionInterval)
                        for call in taken {
                            beat.beat(before: SQLAsker.timeout)
                            answer(call, place, asker, context, metrics)
                        }
                    }
                    beat.retire()
                })
        }
        return threads
    }

    private func answer(
        _ call: Call, _ place: Int, _ asker: SQLAsker, _ context: ServiceContext,
        _ metrics: QuestionMetrics
    ) {
        let begun = context.clock.monotonic()
        var outcome: String
        let json: [UInt8]
        do {
            let document = try asker.ask(call.sql) {
                let now = context.clock.monotonic()
                return book.withLock { $0.isWanted(place, at: now) }
                    && !context.shutdown.isRequested
            }
            let seconds = Double(context.clock.monotonic() - begun) / 1e9
            outcome = "\(document.count) rows"
            json = document.json(seconds: seconds, at: context.clock.now())
            metrics.note(isAnswered: true)
        } catch {
            outcome = SQLAsker.reason(error)
            json = AskedDocument.refused(outcome)
            metrics.note(isAnswered: false)
        }
        let now = context.clock.monotonic()
        if !book.withLock({ $0.isWanted(place, at: now) }) { outcome = "its page has left" }
        book.withLock { $0.put(place, json, at: now) }
        context.telemetry.emit(
            .sqlAnswered(
                person: call.person, origin: call.origin, sql: call.sql, outcome: outcome))
    }
}
