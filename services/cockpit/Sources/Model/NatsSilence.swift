import NatsTransport
import Primitives
import TapeTransport

/// What a question says that could not be sent.
struct NotConnected: Error, CustomStringConvertible {
    let description = "NATS is not connected"
}

/// Whether NATS answers, for a connection that looks alive: a server that is stopped closes none.
/// Pure.
enum NatsSilence {
    /// What a question says that got no answer in its time. One that is refused was answered.
    struct NoAnswer: Error, CustomStringConvertible {
        let description = "NATS does not answer"
    }

    /// Returns since when NATS has been silent, in words. `nil` if it answers. `heardAt` is when
    /// the last message of a service came: a stream without a leader does not answer either, and
    /// messages come all the same.
    static func problem<Value>(
        _ facts: Known<Value>, heardAt: MonotonicTime, at now: MonotonicTime
    ) -> String? {
        guard facts.problem == NoAnswer().description, !facts.isFresh(at: now),
            now - heardAt > Freshness.nanoseconds
        else { return nil }
        let last = max(facts.measuredAt, heardAt)
        guard last != .distantPast else { return "it has not answered yet" }
        return "no answer for \(Freshness.seconds(now - last)) s"
    }

    static func isTimeout(_ error: any Error) -> Bool {
        switch error {
        case NatsError.timedOut, JetStreamError.transport(.timedOut), TapeError.nats(.timedOut),
            TapeError.jetStream(.transport(.timedOut)):
            true
        case _: false
        }
    }
}
