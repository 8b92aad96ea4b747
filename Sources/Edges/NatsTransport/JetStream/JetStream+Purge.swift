import Primitives

// Removes messages from a stream permanently. The stream's leader does it while its publishers
// wait. After a timeout it is unknown whether it was done; doing it again does no harm.
extension JetStream {
    /// Removes all messages below this sequence, whatever their subject, and returns how many there
    /// were. It costs the server little, because most of them are complete blocks. A sequence after
    /// the end of the stream would move that end: the next message would get this sequence.
    package func purge(
        stream: String, below sequence: UInt64
    ) throws(JetStreamError) -> UInt64 {
        let operation = "purge what is below \(sequence) of stream \(stream)"
        return try purge(stream, below: sequence, operation) { _ in }
    }

    /// Does the same for the messages on the subject (a literal one, or a pattern). The server
    /// searches the complete stream, however little there is to purge.
    package func purge(
        stream: String, subject: String, below sequence: UInt64
    ) throws(JetStreamError) -> UInt64 {
        let operation = "purge \(subject) below \(sequence) of stream \(stream)"
        if let problem = NatsSubject.problem(subject, .pattern) {
            throw .invalid(operation: operation, detail: problem)
        }
        return try purge(stream, below: sequence, operation) { $0.member("filter", subject) }
    }

    /// Removes one message. Returns false when there is none at this sequence any more. A sequence
    /// after the stream's end is an error.
    package func deleteMessage(
        stream: String, sequence: UInt64
    ) throws(JetStreamError) -> Bool {
        let operation = "delete message \(sequence) of stream \(stream)"
        try requireToken(stream, operation)
        guard sequence > 0 else { return false }
        var body = JSONWriter(capacity: 64)
        body.object { json in
            json.member("seq", sequence)
            // The message is removed, not overwritten.
            json.member("no_erase", true)
        }
        guard
            let answer = try call(
                "STREAM.MSG.DELETE.\(stream)", body.bytes, operation,
                absentCode: JetStreamCode.noMessageAtSequence)
        else { return false }
        try requireSuccess(answer, operation)
        return true
    }

    private func purge(
        _ stream: String, below sequence: UInt64, _ operation: String,
        _ filter: (inout JSONWriter) -> Void
    ) throws(JetStreamError) -> UInt64 {
        try requireToken(stream, operation)
        // Nothing is below 1. The server would treat 1, like 0, as a purge of everything.
        guard sequence > 1 else { return 0 }
        var body = JSONWriter(capacity: 96)
        body.object { json in
            filter(&json)
            json.member("seq", sequence)
        }
        // No error code is 0, so no refusal is treated as "absent".
        let answer = try parsed(
            call("STREAM.PURGE.\(stream)", body.bytes, operation, absentCode: 0), operation)
        try requireSuccess(answer, operation)
        return answer["purged"]?.uint64 ?? 0
    }

    private func requireSuccess(
        _ answer: JSONValue, _ operation: String
    ) throws(JetStreamError) {
        guard answer["success"]?.bool == true else {
            throw .malformed(operation: operation, detail: "it does not say that it succeeded")
        }
    }
}
