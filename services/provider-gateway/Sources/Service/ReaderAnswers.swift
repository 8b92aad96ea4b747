import Primitives
import ServiceRuntime
import TapeTransport

/// The positions of readers in the source. A gateway listens to readers all the time, also while it
/// stands by. So it knows their positions when it gets the source and need not wait for answers.
/// One thread owns it.
final class ReaderAnswers {
    /// How long readers have to answer. Readers that are alive answer within a few milliseconds.
    private static let answerNanoseconds: Int64 = 300_000_000
    /// The time between two questions of a gateway that stands by. A question is repeated because
    /// answers can be lost with a connection.
    private static let questionNanoseconds: Int64 = 5_000_000_000

    private let listener: PositionListener
    private let clock = SystemClock()
    /// Monotonic times of the first and the last question.
    private var askedFirstAt: MonotonicTime?
    private var askedAt = MonotonicTime.distantPast

    init(_ listener: PositionListener) { self.listener = listener }

    /// Asks all readers. Throws when there is no link.
    func ask() throws(TapeError) {
        try listener.ask()
        askedAt = clock.monotonic()
        askedFirstAt = askedFirstAt ?? askedAt
    }

    /// Whether the readers were never asked, or too long ago.
    var isToAsk: Bool { clock.monotonic() >= askedAt + Self.questionNanoseconds }

    /// The monotonic time by which all readers that are alive have answered the first question;
    /// `nil` before it. Later questions only find what the first answers lacked, so nothing waits
    /// for them.
    var answeredBy: MonotonicTime? { askedFirstAt.map { $0 + Self.answerNanoseconds } }

    /// The highest epochs and ordinals that readers have reported so far.
    var known: SourceRecord { listener.known }

    /// Returns what readers have reported, if it has risen since the last call, else `nil`.
    func takeRisen() -> SourceRecord? { listener.takeRisen() }
}
