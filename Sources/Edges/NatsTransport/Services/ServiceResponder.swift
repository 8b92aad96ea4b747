import Primitives

/// Answers `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS` when they are addressed to all services, to
/// this service's name, or to this instance. It ends with `stop()`, the connection, or its last
/// reference.
package final class ServiceResponder: Sendable {
    /// Beyond this number of waiting requests, further ones are dropped; the sender can ask again.
    static let pendingMax = 64

    package let announcement: ServiceAnnouncement
    private let subscriptions: [NatsSubscription]

    /// `onAnswer` is called for each request, on a thread of libnats, with the reason why it could
    /// not be answered (`nil`: it was).
    package init(
        _ announcement: ServiceAnnouncement, on connection: NatsConnection,
        onAnswer: @escaping @Sendable (ServiceQuestion, NatsError?) -> Void = { _, _ in }
    ) throws(NatsError) {
        if let problem = announcement.problem {
            throw connection.invalid(
                "announce service \(announcement.name.debugDescription)", problem)
        }
        self.announcement = announcement
        var subscriptions: [NatsSubscription] = []
        // There is one subscription for each length instead of one for all, so that a request to a
        // service that is not there has no responder.
        for address in ["", ".\(announcement.name)", ".\(announcement.name).\(announcement.id)"] {
            subscriptions.append(
                try connection.subscribe("$SRV.*\(address)", pendingMessagesMax: Self.pendingMax) {
                    // The reference is weak, so that what libnats still holds does not keep a
                    // connection alive.
                    [weak connection] message in
                    guard let connection else { return }
                    Self.answer(message, as: announcement, on: connection, onAnswer)
                })
        }
        self.subscriptions = subscriptions
    }

    package func stop() {
        for subscription in subscriptions { subscription.unsubscribe() }
    }

    private static func answer(
        _ message: NatsMessage, as service: ServiceAnnouncement, on connection: NatsConnection,
        _ onAnswer: @Sendable (ServiceQuestion, NatsError?) -> Void
    ) {
        let tokens = message.subject.split(separator: ".", maxSplits: 2)
        guard tokens.count > 1, let question = ServiceQuestion(rawValue: String(tokens[1])),
            let replyTo = message.replyTo
        else { return }
        do throws(NatsError) {
            try connection.publish(question.answer(of: service), to: replyTo)
            onAnswer(question, nil)
        } catch {
            onAnswer(question, error)
        }
    }
}
