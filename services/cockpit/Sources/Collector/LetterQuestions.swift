import DeadLetters
import NatsTransport
import PostgresClient
import Primitives
import ServiceRuntime
import TapeTransport

/// Reads the stream of dead letters, a piece with each question. One thread calls it.
final class LetterReading {
    /// The most messages of one question.
    static let messagesMax = 1_000
    /// No further message is asked for after this time.
    static let timeMax = Duration.milliseconds(300)

    private var tally = LetterTally()

    func ask(_ reader: LetterReader, _ clock: SystemClock) throws -> LetterNews {
        guard let info = try reader.info() else {
            tally = LetterTally()
            return tally.news
        }
        tally.follow(
            .init(
                created: info.created, first: info.firstSequence, last: info.lastSequence,
                messages: info.messages))
        let end = clock.deadline(after: Self.timeMax)
        for _ in 0..<Self.messagesMax where clock.remaining(until: end) > .zero {
            let found = try reader.next(from: tally.next, to: tally.extent.last)
            guard let message = found else {
                tally.finish()
                break
            }
            tally.take(message)
        }
        return tally.news
    }
}

/// Asks the database what a replay would do with the letters that are shown, as many as the time
/// of one question allows. One thread calls it.
final class ReplayReading {
    static let timeMax = Duration.milliseconds(300)

    private var outlooks = ReplayOutlooks()
    private let session: DatabaseSession
    private let clock: SystemClock

    init(_ session: DatabaseSession, _ clock: SystemClock) {
        self.session = session
        self.clock = clock
    }

    func ask(_ news: LetterNews?) throws -> ReplayOutlooks {
        guard let news else { throw NotRead() }
        let review = LetterReview { [session] sql, values throws(PostgresError) in
            try session.rows(sql, values)
        }
        let end = clock.deadline(after: Self.timeMax)
        for claim in outlooks.due(news) where clock.remaining(until: end) > .zero {
            let now = clock.monotonic()
            outlooks.note(try review.outlook(claim), of: claim, at: now)
        }
        return outlooks
    }

    private struct NotRead: Error, CustomStringConvertible {
        let description = "no dead letters are read yet"
    }
}
