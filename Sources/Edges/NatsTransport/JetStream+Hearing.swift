import Primitives

// Whether a new consumer of a cluster hears this connection.
extension JetStream {
    /// The waits for an answer: the first one, and the longest.
    private static let hearingWaitFirst = Duration.milliseconds(10)
    private static let hearingWaitMax = Duration.milliseconds(400)

    /// Waits until a consumer answers. Its server tells the others to which subject pulls go, and
    /// that it exists, on two connections, so the news that it exists may be here first. A server
    /// that does not know the subject yet answers 503, or drops a pull without a word.
    func waitUntilHeard(
        _ stream: String, _ consumer: String, _ operation: String
    ) throws(JetStreamError) {
        let end = ContinuousClock.now + timeout
        var wait = Self.hearingWaitFirst
        while true {
            let sent = ContinuousClock.now
            do throws(NatsError) {
                onCall(wait)
                return try connection.probe(stream, consumer, timeout: wait)
            } catch {
                guard error.isUnheard, ContinuousClock.now < end else {
                    throw failure(error, operation)
                }
                // A 503 comes at once.
                connection.waitWhileLinked(sent + wait - .now)
            }
            wait = min(wait * 2, Self.hearingWaitMax)
        }
    }
}

extension NatsConnection {
    /// Sends a pull that takes no message, and waits for its end.
    fileprivate func probe(
        _ stream: String, _ consumer: String, timeout: Duration
    ) throws(NatsError) {
        // No message is so small, so it ends by 409 where one is there, and else by 404.
        var body = JSONWriter(capacity: 64)
        body.object { json in
            json.member("batch", 1)
            json.member("max_bytes", 1)
            json.member("no_wait", true)
        }
        _ = try request(
            body.bytes, to: "$JS.API.CONSUMER.MSG.NEXT.\(stream).\(consumer)", timeout: timeout)
    }

    /// Waits for a time, or until the link is lost.
    fileprivate func waitWhileLinked(_ time: Duration) {
        guard time > .zero, let number = requests.open() else { return }
        _ = requests.wait(number, time)
    }
}

extension NatsError {
    fileprivate var isUnheard: Bool {
        switch self {
        case .timedOut, .noResponders: true
        case _: false
        }
    }
}
