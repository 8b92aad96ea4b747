import Primitives

// Taking messages off a stream, for good. All of it is done by the stream's leader while its
// publishers wait. After a time-out nobody knows whether it was done; doing it again does no harm.
extension JetStream {
    /// Takes what is below this sequence off, whatever its subject; says how many messages that
    /// were. It costs the server little: most of it are whole blocks. Behind the end of the stream
    /// it would move that end: the next message gets this sequence.
    public func purge(
        stream: String, below sequence: UInt64
    ) throws(JetStreamError) -> UInt64 {
        let operation = "purge what is below \(sequence) of stream \(stream)"
        return try purge(stream, below: sequence, operation) { _ in }
    }

    /// The same of what is on the subject (a literal one, or a pattern). The server looks through
    /// the whole stream for it, however little there is to purge.
    public func purge(
        stream: String, subject: String, below sequence: UInt64
    ) throws(JetStreamError) -> UInt64 {
        let operation = "purge \(subject) below \(sequence) of stream \(stream)"
        if let problem = NatsSubject.problem(subject, .pattern) {
            throw .invalid(operation: operation, detail: problem)
        }
        return try purge(stream, below: sequence, operation) { $0.member("filter", subject) }
    }

    /// Takes one message off; false: there is none at this sequence any more. Behind the stream's
    /// end it is an error.
    public func deleteMessage(
        stream: String, sequence: UInt64
    ) throws(JetStreamError) -> Bool {
        let operation = "delete message \(sequence) of stream \(stream)"
        try requireToken(stream, operation)
        guard sequence > 0 else { return false }
        var body = JSONWriter(capacity: 64)
        body.object { json in
            json.member("seq", sequence)
            // It is forgotten, not written over.
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
        // Nothing is below 1. The server takes it, as it does 0, for a purge of everything.
        guard sequence > 1 else { return 0 }
        var body = JSONWriter(capacity: 96)
        body.object { json in
            filter(&json)
            json.member("seq", sequence)
        }
        // No code is 0, so nothing is taken for "absent".
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
