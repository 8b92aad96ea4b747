internal import CNats
import Primitives

/// A unique subject prefix whose messages one thread fetches by itself. No other thread is between
/// libnats' read thread and that thread, which saves a context switch per message.
///
/// One thread calls `receive`; the messages of all subjects below `prefix` come in order.
package final class NatsInbox: Sendable {
    /// The unique prefix. Reply subjects are `<prefix>.<tokens>`.
    package let prefix: String
    private let place: SubscriptionPlace
    private let subscriptions: SubscriptionTable

    init(_ place: SubscriptionPlace, prefix: String, of subscriptions: SubscriptionTable) {
        self.place = place
        self.prefix = prefix
        self.subscriptions = subscriptions
    }

    /// The result of waiting for messages.
    package struct Outcome: Equatable, Sendable {
        /// The number of messages that were appended; 0 when none came in time.
        package var received: Int
        /// The number of reports by the server that a request, to be answered here, had no
        /// responder. libnats does not report which request; any that waits for an answer may be
        /// meant.
        package var noResponders: Int
        /// No more messages will come: the connection is closed.
        package var isClosed: Bool

        package init(received: Int = 0, noResponders: Int = 0, isClosed: Bool = false) {
            self.received = received
            self.noResponders = noResponders
            self.isClosed = isClosed
        }
    }

    /// Appends the messages that have arrived, at most `max`, and waits for the first one.
    package func receive(
        into messages: inout [NatsMessage], max: Int, timeout: Duration
    ) -> Outcome {
        var outcome = Outcome()
        // Rounded up: a wait that ends before its time is followed by another one, and for less
        // than a millisecond libnats does not wait at all.
        var milliseconds =
            timeout <= .zero ? 0 : (timeout + .nanoseconds(999_999)).natsMilliseconds
        while outcome.received < max {
            // To ask an empty list for its next message costs more than to look at its length:
            // libnats writes the text of an error.
            if outcome.received > 0, waiting == 0 { return outcome }
            let (status, message) = place.next(milliseconds: milliseconds)
            milliseconds = 0
            if let message {
                messages.append(message)
                outcome.received += 1
                continue
            }
            switch status {
            case NATS_NO_RESPONDERS: outcome.noResponders += 1
            // Messages were dropped. libnats reports it once; later messages follow.
            case NATS_SLOW_CONSUMER: continue
            case NATS_TIMEOUT: return outcome
            default:
                outcome.isClosed = true
                return outcome
            }
        }
        return outcome
    }

    /// The number of messages that were not fetched yet.
    package var waiting: Int { place.handle.waitingMessages }

    deinit { subscriptions.end(place) }
}

extension NatsConnection {
    /// Subscribes to a new prefix. At most `NatsLimits.pendingMessagesMax` messages wait to be
    /// fetched; more are dropped and reported as `.asyncError`.
    package func openInbox() throws(NatsError) -> NatsInbox {
        let prefix = newInbox()
        let operation = "subscribe to \(prefix).>"
        let (peer, retired) = (peer, subscriptions.retired)
        let place = try open { link throws(NatsError) in
            var made: OpaquePointer?
            let status = unsafe natsConnection_SubscribeSync(&made, link.handle, "\(prefix).>")
            guard status == NATS_OK, let subscription = unsafe made else {
                throw NatsError(status, operation, peer: peer, detail: lastErrorText())
            }
            let owned = unsafe SubscriptionHandle(owning: subscription)
            let limits = unsafe natsSubscription_SetPendingLimits(
                subscription, Int32(NatsLimits.pendingMessagesMax),
                Int32(NatsLimits.pendingBytesMax))
            guard limits == NATS_OK else {
                owned.unsubscribe()
                retired.add(owned)
                throw NatsError(NATS_CONNECTION_CLOSED, operation, peer: peer)
            }
            return owned
        }
        return NatsInbox(place, prefix: prefix, of: subscriptions)
    }
}
