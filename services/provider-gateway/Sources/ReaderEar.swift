import Primitives
import ServiceRuntime
import TapeTransport

/// What readers have of the source, heard all the time: a gateway that stands by knows it when the
/// source becomes its own, and need not wait for answers then. One thread owns it.
final class ReaderEar {
    /// How long readers have to answer: those that are alive do within a few milliseconds.
    private static let answerNanoseconds: Int64 = 300_000_000
    /// Between two questions of a gateway that stands by: of answers that a link has swallowed.
    private static let questionNanoseconds: Int64 = 5_000_000_000

    private let listener: PositionListener
    private let clock = SystemClock()
    private var askedFirstAt: Int64?
    private var askedAt = Int64.min

    init(_ listener: PositionListener) { self.listener = listener }

    /// Asks all readers. Throws when there is no link.
    func ask() throws(TapeError) {
        try listener.ask()
        askedAt = clock.monotonic().nanoseconds
        askedFirstAt = askedFirstAt ?? askedAt
    }

    /// Nobody has been asked, or too long ago.
    var isToAsk: Bool {
        askedAt == Int64.min
            || clock.monotonic().nanoseconds >= askedAt + Self.questionNanoseconds
    }

    /// When everybody who was alive has answered; nil: nobody was asked yet. What is asked later
    /// is to hear what the first answers left out: nobody has to wait for it.
    var heardAt: Int64? { askedFirstAt.map { $0 + Self.answerNanoseconds } }

    /// All that was heard so far.
    var known: SourceRecord { listener.known }

    /// What was heard, when it has risen since the last call.
    func news() -> SourceRecord? { listener.news() }
}
