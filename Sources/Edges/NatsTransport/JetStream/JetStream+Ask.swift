import Primitives

// Requests that do not wait: their answers come to `replyTo`, or never.
extension JetStream {
    /// The answer is a message for `lastMessage(in:)`.
    package func askLastMessage(
        stream: String, subject: String, replyTo: String
    ) throws(NatsError) {
        var body = JSONWriter(capacity: 96)
        body.object { $0.member("last_by_subj", subject) }
        try ask("STREAM.MSG.GET.\(stream)", body.bytes, replyTo)
    }

    /// Returns the message in an answer; `nil` when there is none.
    package func lastMessage(in reply: NatsMessage) throws(JetStreamError) -> StoredMessage? {
        try storedMessage(in: reply, "read the last message of a subject")
    }

    /// Returns the message in an answer; `nil` when there is none.
    func storedMessage(
        in reply: NatsMessage, _ operation: String
    ) throws(JetStreamError) -> StoredMessage? {
        guard
            let answer = try answer(in: reply, operation, absentCode: JetStreamCode.noMessageFound)
        else { return nil }
        return try parsed(StoredMessage(answer["message"]), operation)
    }

    /// The answer is a message for `streamInfo(in:)`.
    package func askStreamInfo(_ stream: String, replyTo: String) throws(NatsError) {
        try ask("STREAM.INFO.\(stream)", [], replyTo)
    }

    package func streamInfo(in reply: NatsMessage) throws(JetStreamError) -> StreamInfo {
        let operation = "look up a stream"
        return try parsed(
            StreamInfo(parsed(answer(in: reply, operation, absentCode: 0), operation)), operation)
    }

    private func ask(
        _ path: String, _ body: [UInt8], _ replyTo: String
    ) throws(NatsError) {
        try connection.publish(body, to: "$JS.API.\(path)", replyTo: replyTo)
    }
}
