import Primitives

/// Answers `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`, to everybody, to those who name the service,
/// and to those who name this instance. It ends with `stop()`, the connection, or its last
/// reference.
public final class ServiceResponder: Sendable {
    /// More questions at once than these are dropped: whoever asks, asks again.
    static let pendingMax = 64

    public let announcement: ServiceAnnouncement
    private let subscriptions: [NatsSubscription]

    /// `onAnswer` hears of each question, and why it could not be answered (nil: it was), on a
    /// thread of libnats.
    public init(
        _ announcement: ServiceAnnouncement, on connection: NatsConnection,
        onAnswer: @escaping @Sendable (ServiceQuestion, NatsError?) -> Void = { _, _ in }
    ) throws(NatsError) {
        if let problem = announcement.problem {
            throw connection.invalid(
                "announce service \(announcement.name.debugDescription)", problem)
        }
        self.announcement = announcement
        var subscriptions: [NatsSubscription] = []
        // One for each length, not one for all: a question to a service that is not there shall
        // have no responder.
        for address in ["", ".\(announcement.name)", ".\(announcement.name).\(announcement.id)"] {
            subscriptions.append(
                try connection.subscribe("$SRV.*\(address)", pendingMessagesMax: Self.pendingMax) {
                    // Weak: what libnats still holds must not keep a connection alive.
                    [weak connection] message in
                    guard let connection else { return }
                    Self.answer(message, as: announcement, on: connection, onAnswer)
                })
        }
        self.subscriptions = subscriptions
    }

    public func stop() {
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
            try question.answer(of: service).withRawSpan { span throws(NatsError) in
                try connection.publish(span, to: replyTo)
            }
            onAnswer(question, nil)
        } catch {
            onAnswer(question, error)
        }
    }
}
