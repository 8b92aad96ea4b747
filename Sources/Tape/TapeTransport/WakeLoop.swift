internal import NatsTransport
internal import ServiceRuntime

/// Ends a thread's wait for the messages of its inbox: sends one to the inbox.
///
/// A thread of its own sends it. A write to NATS may take long, and the threads that have something
/// for the waiting one, above all that of the membership, must not wait for it.
final class WakeLoop: Sendable {
    /// Between two wakes the thread waits this often for nothing.
    private static let waitMax = Duration.seconds(3_600)

    /// Holds one element when a message has to be sent.
    private let wanted = Mailbox<Void>(capacity: 1)

    init(_ connection: NatsConnection, subject: String) throws(ServiceError) {
        let wanted = wanted
        _ = try ServiceThread(name: "wake") { [weak connection] in
            var received: [Void] = []
            while !wanted.isClosed {
                received.removeAll(keepingCapacity: true)
                guard wanted.receive(into: &received, max: 1, timeout: Self.waitMax) > 0 else {
                    continue
                }
                guard let connection else { return }
                do throws(NatsError) {
                    try connection.publish([], to: subject)
                } catch {
                    // Without a link no message can end the wait, which then ends by its time.
                    continue
                }
            }
        }
    }

    /// Ends the wait. Never blocks.
    func wake() {
        // If it is full, a message is about to be sent.
        _ = wanted.send(())
    }

    deinit { wanted.close() }
}
