package import NatsTransport

/// The events of a data-plane thread. It has one mailbox, through which everything comes.
package enum TapeEvent: Sendable {
    /// A message on the inbox of this thread's readers.
    case delivery(NatsMessage)
    /// The answer to a publish of this thread.
    case answer(NatsMessage)
    /// The connection was lost and is back.
    case reconnected
    /// The connection is closed permanently: the process has to end.
    case closed(String)
    /// Something changed that comes another way: check it again.
    case wake
}
