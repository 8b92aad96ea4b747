import DeadLetters
import Primitives
import ServiceRuntime

/// Reads the dead letters, and asks what a replay would do with them, while somebody looks at them.
final class LetterDesk: Sendable {
    private let letters = Question<LetterNews>()
    private let replays = Question<ReplayOutlooks>()

    /// Returns what is known now. It does not block.
    func document(at now: MonotonicTime, of stack: String) -> LettersDocument {
        LettersDocument(letters: letters.known, replays: replays.known, now: now, stack: stack)
    }

    /// Starts a thread for each of both questions.
    func start(_ collector: Collector) throws(ServiceError) -> [ServiceThread] {
        let (context, settings) = (collector.context, collector.settings)
        let (audience, documents) = (collector.audience, collector.documents)
        let isWanted = { @Sendable (now: MonotonicTime) in documents.isWanted(.dead, at: now) }
        return [
            try letters.start("letters", context, audience, while: isWanted) { beat in
                let reading = LetterReading()
                return {
                    try collector.withTape(beat) { client, jetStream in
                        try reading.ask(LetterReader(client, jetStream), context.clock)
                    }
                }
            },
            try replays.start("replays", context, audience, while: isWanted) { [letters] beat in
                let reading = ReplayReading(
                    DatabaseSession(settings.postgres, beat), context.clock)
                return { try reading.ask(letters.known.value) }
            },
        ]
    }
}
