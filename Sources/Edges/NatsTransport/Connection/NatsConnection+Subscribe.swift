internal import CNats
import Primitives

extension NatsConnection {
    /// Calls `onMessage` on libnats' delivery thread of this subscription, one message at a time,
    /// in order. At most `pendingMessagesMax` messages wait for it; more are dropped and reported
    /// as `.asyncError`. It is also allowed while disconnected: the subscription then starts with
    /// the link, and the call may wait as long as one try to reconnect takes. Of all subscriptions
    /// with the same `queue` one gets each message.
    package func subscribe(
        _ subject: String, pendingMessagesMax: Int, queue: String? = nil,
        onMessage: @escaping @Sendable (NatsMessage) -> Void
    ) throws(NatsError) -> NatsSubscription {
        let operation = "subscribe to \(subject)"
        if let problem = NatsSubject.problem(subject, .pattern) {
            throw error(
                NATS_INVALID_SUBJECT, "subscribe to \(subject.debugDescription)", detail: problem)
        }
        let (peer, retired) = (peer, subscriptions.retired)
        let limit = Int32(clamping: max(1, pendingMessagesMax))
        let place = try open { link throws(NatsError) in
            // Safety: released in `deliveryEnded`, or here when libnats did not accept it.
            let context = unsafe Unmanaged.passRetained(SubscriptionContext(onMessage))
            var made: OpaquePointer?
            let status =
                if let queue {
                    unsafe natsConnection_QueueSubscribe(
                        &made, link.handle, subject, queue, deliver, context.toOpaque())
                } else {
                    unsafe natsConnection_Subscribe(
                        &made, link.handle, subject, deliver, context.toOpaque())
                }
            guard status == NATS_OK, let subscription = unsafe made else {
                unsafe context.release()
                throw NatsError(status, operation, peer: peer, detail: lastErrorText())
            }
            let owned = unsafe SubscriptionHandle(owning: subscription)
            let completion = unsafe natsSubscription_SetOnCompleteCB(
                subscription, deliveryEnded, context.toOpaque())
            guard completion == NATS_OK else {
                // The connection was closed a moment ago. It is unknown whether `deliver` runs
                // right now, so the few bytes of the context stay allocated.
                throw NatsError(NATS_CONNECTION_CLOSED, operation, peer: peer)
            }
            let limits = unsafe natsSubscription_SetPendingLimits(
                subscription, limit, Int32(NatsLimits.pendingBytesMax))
            guard limits == NATS_OK else {
                owned.unsubscribe()
                retired.add(owned)
                throw NatsError(NATS_CONNECTION_CLOSED, operation, peer: peer)
            }
            return owned
        }
        return NatsSubscription(place, subject: subject, of: subscriptions)
    }

    /// Makes a subscription on the present link, and on each later one.
    func open(_ make: @escaping SubscriptionPlace.Making) throws(NatsError) -> SubscriptionPlace {
        do throws(NatsError) {
            let link = present
            let place = try SubscriptionPlace(on: link, events, make)
            subscriptions.add(place)
            // A renewal may have looked at the table before this one was in it.
            let now = present
            if now !== link {
                do throws(NatsError) { try subscriptions.renew(place, on: now) } catch {
                    subscriptions.end(place)
                    throw error
                }
            }
            return place
        } catch {
            throw ofPresent(error)
        }
    }

    /// Sends a request and waits for the answer. It blocks the calling thread up to `timeout`, so
    /// never call it on a thread of libnats (in a callback). It throws `.noResponders` immediately
    /// when the subject has no responder, and `.disconnected` immediately when the link breaks
    /// meanwhile.
    package func request(
        _ payload: [UInt8], to subject: String,
        headers: [(name: String, value: String)] = [], timeout: Duration
    ) throws(NatsError) -> NatsMessage {
        try finishRequest(
            try beginRequest(payload, to: subject, headers: headers), to: subject,
            timeout: timeout)
    }

    /// Sends a request and returns its number. `finishRequest` must be called with it.
    func beginRequest(
        _ payload: [UInt8], to subject: String, headers: [(name: String, value: String)]
    ) throws(NatsError) -> UInt64 {
        try listenForAnswers()
        guard let number = requests.open() else {
            throw error(
                NATS_ERR, "request to \(subject)",
                detail: "\(NatsLimits.requestsOutstandingMax) requests are waiting already")
        }
        do throws(NatsError) {
            try payload.withRawSpan { span throws(NatsError) in
                let inbox = "\(answerPrefix).\(number)"
                if headers.isEmpty {
                    try publish(span, to: subject, replyTo: inbox)
                } else {
                    try publish(span, to: subject, replyTo: inbox, headers: headers)
                }
            }
        } catch {
            requests.forget(number)
            throw error
        }
        return number
    }

    func finishRequest(
        _ number: UInt64, to subject: String, timeout: Duration
    ) throws(NatsError) -> NatsMessage {
        let operation = "request to \(subject)"
        switch requests.wait(number, timeout) {
        case .answered(let message):
            guard message.status != 503 else { throw error(NATS_NO_RESPONDERS, operation) }
            return message
        case .failed(let status): throw error(status, operation)
        case nil: throw error(NATS_TIMEOUT, operation, detail: "after \(timeout)")
        }
    }

    private func listenForAnswers() throws(NatsError) {
        let requests = requests
        try answers.withLock { answers throws(NatsError) in
            guard answers == nil else { return }
            answers = try subscribe(
                "\(answerPrefix).*", pendingMessagesMax: NatsLimits.requestsOutstandingMax
            ) { requests.received($0) }
        }
    }
}
