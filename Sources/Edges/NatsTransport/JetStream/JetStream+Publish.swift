import Primitives

/// A message for a stream that recognises repeats by their ids.
package struct IdentifiedMessage: Equatable, Sendable {
    package let payload: [UInt8]
    /// A stream stores no second message with the same id within its window. One line.
    package let id: String

    package init(payload: [UInt8], id: String) {
        self.payload = payload
        self.id = id
    }
}

extension JetStream {
    private static let idHeader = "Nats-Msg-Id"
    /// The most messages in flight. An acknowledgement costs the server a write to its disk, which
    /// it does once for all waiting messages.
    private static let publishWindow = 128

    /// Publishes all messages on one subject and waits for each outcome, at most `timeout` per
    /// window. `nil`: the outcome is unknown; publishing the message again with its id does no
    /// harm.
    package func publish(
        _ messages: [IdentifiedMessage], to subject: String
    ) -> (outcomes: [PublishOutcome?], failure: NatsError?) {
        var outcomes: [PublishOutcome?] = []
        var failure: NatsError?
        while outcomes.count < messages.count {
            // After the connection has failed, the remaining messages would only wait for the same
            // failure.
            guard failure == nil else {
                outcomes.append(nil)
                continue
            }
            let window = messages[outcomes.count...].prefix(Self.publishWindow)
            var numbers: [UInt64] = []
            onCall(timeout)
            do throws(NatsError) {
                for message in window {
                    numbers.append(
                        try connection.beginRequest(
                            message.payload, to: subject,
                            headers: [(name: Self.idHeader, value: message.id)]))
                }
            } catch {
                failure = error
            }
            let deadline = ContinuousClock.now + timeout
            for number in numbers {
                do throws(NatsError) {
                    let left = max(.zero, deadline - ContinuousClock.now)
                    let reply = try connection.finishRequest(number, to: subject, timeout: left)
                    outcomes.append(Self.publishOutcome(of: reply))
                } catch .noResponders {
                    outcomes.append(.noResponders)
                } catch {
                    failure = failure ?? error
                    outcomes.append(nil)
                }
            }
        }
        return (outcomes, failure)
    }
}
