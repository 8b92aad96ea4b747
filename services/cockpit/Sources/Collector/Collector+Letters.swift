import DeadLetters
import Primitives
import ServiceRuntime

extension Collector {
    /// Starts the threads that read the dead letters, and ask what a replay would do with them.
    func startLetters() throws(ServiceError) -> [ServiceThread] {
        let (context, settings, documents) = (context, settings, documents)
        let isWanted = { @Sendable (now: MonotonicTime) in documents.isWanted(.dead, at: now) }
        return [
            try letters.start("letters", context, audience, while: isWanted) { beat in
                let reading = LetterReading()
                return { [self] in
                    try withTape(beat) { client, jetStream in
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
