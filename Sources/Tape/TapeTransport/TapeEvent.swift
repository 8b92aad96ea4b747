public import NatsTransport

/// What a data-plane thread waits for: it has one mailbox, and everything comes there.
public enum TapeEvent: Sendable {
    /// Something arrived on the inbox of this thread's readers.
    case delivery(NatsMessage)
    /// The answer to a publish of this thread.
    case answer(NatsMessage)
    case reconnected
    /// The connection is gone for good: the process has to end.
    case closed(String)
    /// Look again: something changed that comes by another way.
    case wake
}
