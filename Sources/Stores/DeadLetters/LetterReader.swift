package import NatsTransport
internal import TapeProtocol
package import TapeTransport

/// Reads the messages of the stream of dead letters one after the other. Every call blocks.
package struct LetterReader {
    /// A message of the stream.
    package struct Message {
        package let sequence: UInt64
        package let letter: Result<DeadLetter, DeadLetter.Unreadable>

        /// Reads what a message of the stream says.
        package init(sequence: UInt64, payload: [UInt8]) {
            self.sequence = sequence
            letter = Result { () throws(DeadLetter.Unreadable) in
                try DeadLetter(json: payload)
            }
        }
    }

    private let jetStream: JetStream
    private let stream: String
    private let subject: String

    /// `jetStream` is used instead of the client's own one, for another timeout.
    package init(_ client: TapeClient, _ jetStream: JetStream? = nil) {
        self.jetStream = jetStream ?? client.jetStream
        stream = client.names.deadLetterStream
        subject = client.names.deadLetters
    }

    /// Returns the stream as the server describes it; `nil` without a stream.
    package func info() throws(JetStreamError) -> StreamInfo? {
        try jetStream.streamInfo(stream)
    }

    /// Returns the first message from `sequence` on; `nil` when there is none up to `last`.
    package func next(
        from sequence: UInt64, to last: UInt64
    ) throws(JetStreamError) -> Message? {
        guard sequence <= last,
            let message = try jetStream.firstMessage(
                stream: stream, from: sequence, subject: subject),
            message.sequence <= last
        else { return nil }
        return Message(sequence: message.sequence, payload: message.payload)
    }
}
