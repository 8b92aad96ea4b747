internal import CNats
import Primitives

// Whether a new consumer of a cluster hears this connection.
extension JetStream {
    /// The waits between questions: the first one, and the longest.
    private static let hearingWaitFirst = Duration.milliseconds(10)
    private static let hearingWaitMax = Duration.milliseconds(400)

    /// Waits until a consumer answers a pull, at most up to `timeout`.
    ///
    /// Its server tells the others to which subject pulls go, and that it exists, on two
    /// connections, so the news that it exists may be here first. A server that does not know the
    /// subject yet answers 503, or drops a pull without a word. So a pull that takes no message is
    /// repeated. The answer to any of them counts, however late it is.
    package func waitUntilHeard(stream: String, consumer: String) throws(JetStreamError) {
        try waitUntilHeard(stream, consumer, until: .now + timeout)
    }

    /// At least one question is sent.
    func waitUntilHeard(
        _ stream: String, _ consumer: String, until end: ContinuousClock.Instant
    ) throws(JetStreamError) {
        let operation = "hear consumer \(consumer) on stream \(stream)"
        try requireToken(stream, operation)
        try requireToken(consumer, operation)
        let subject = "$JS.API.CONSUMER.MSG.NEXT.\(stream).\(consumer)"
        var asked: [UInt64] = []
        defer { for number in asked { connection.requests.forget(number) } }
        var wait = Self.hearingWaitFirst
        repeat {
            onCall(wait)
            do throws(NatsError) {
                asked.append(
                    try connection.beginRequest(Self.emptyPull, to: subject, headers: []))
                let turn = min(ContinuousClock.now + wait, max(end, .now + Self.hearingWaitFirst))
                if try connection.isAnswered(&asked, until: turn, operation) { return }
            } catch {
                throw .transport(error)
            }
            wait = min(wait * 2, Self.hearingWaitMax)
        } while ContinuousClock.now < end
        throw .transport(
            connection.error(NATS_TIMEOUT, operation, detail: "it exists and answers no pull"))
    }

    /// No message is so small. So it ends by 409 where one is there, and else by 404.
    private static let emptyPull: [UInt8] = {
        JSONWriter.made(capacity: 64) { json in
            json.member("batch", 1)
            json.member("max_bytes", 1)
            json.member("no_wait", true)
        }.bytes
    }()
}

extension NatsConnection {
    /// Waits until one of these requests is answered by somebody. Those that nobody received are
    /// removed from them.
    fileprivate func isAnswered(
        _ numbers: inout [UInt64], until end: ContinuousClock.Instant, _ operation: String
    ) throws(NatsError) -> Bool {
        while let found = requests.wait(anyOf: numbers, end - .now) {
            numbers.removeAll { $0 == found.number }
            switch found.outcome {
            case .answered(let message) where message.status != 503: return true
            case .answered: continue
            case .failed(let status): throw error(status, operation)
            }
        }
        return false
    }
}
