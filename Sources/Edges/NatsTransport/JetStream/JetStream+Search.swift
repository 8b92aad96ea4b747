package import Primitives

// Requests for tools that people use, beside those that the services need. The stream's leader
// answers all of them.
extension JetStream {
    /// The most subjects that one answer may list.
    package static let subjectsMax = 100_000

    /// Returns the first message at this sequence or after it whose subject matches the filter;
    /// `nil` when there is none (yet).
    package func firstMessage(
        stream: String, from sequence: UInt64, subject: String
    ) throws(JetStreamError) -> StoredMessage? {
        let operation = "read the first message from \(sequence) on \(subject) of stream \(stream)"
        return try storedMessage(stream, operation) {
            $0.member("seq", max(1, sequence))
            $0.member("next_by_subj", subject)
        }
    }

    /// Returns the sequence of the first message of the stream that was stored at this time or
    /// later; that of the next message to come when there is none.
    package func sequence(
        ofStream stream: String, at time: Timestamp
    ) throws(JetStreamError) -> UInt64? {
        let operation = "find the first message since \(time) of stream \(stream)"
        // First the end, so that what comes in between is not left out.
        guard let info = try streamInfo(stream) else { return nil }
        let found = try storedMessage(stream, operation) {
            $0.member("start_time", time.description)
            $0.member("next_by_subj", ">")
        }
        return found?.sequence ?? info.lastSequence + 1
    }

    /// Returns the subjects of the stream that match the filter, and how many messages each has.
    package func subjects(
        stream: String, matching filter: String
    ) throws(JetStreamError) -> [String: UInt64] {
        let operation = "list the subjects of stream \(stream)"
        try requireToken(stream, operation)
        var body = JSONWriter()
        body.object { $0.member("subjects_filter", filter) }
        guard
            let answer = try call("STREAM.INFO.\(stream)", body.bytes, operation, absentCode: 0)
        else { throw .malformed(operation: operation, detail: "an empty answer") }
        var found: [String: UInt64] = [:]
        for member in answer.at("state", "subjects")?.members ?? [] {
            found[member.key] = member.value.uint64 ?? 0
        }
        if let total = answer["total"]?.int, total > found.count {
            throw .invalid(
                operation: operation, detail: "\(total) subjects, \(Self.subjectsMax) are the most")
        }
        return found
    }

    /// Deletes a consumer that the caller has made. One that is not there any more is deleted: the
    /// server has forgotten it, or an earlier request whose answer was lost has done it.
    package func deleteConsumer(
        stream: String, _ consumer: String
    ) throws(JetStreamError) {
        let operation = "delete consumer \(consumer) of stream \(stream)"
        try requireToken(stream, operation)
        try requireToken(consumer, operation)
        _ = try call(
            "CONSUMER.DELETE.\(stream).\(consumer)", [], operation,
            absentCode: JetStreamCode.consumerNotFound)
    }

    /// Opens a bucket whatever its limits are, for tools that show buckets of others. Returns `nil`
    /// when there is none of this name.
    package func bucketAsFound(_ name: String) throws(JetStreamError) -> KeyValueBucket? {
        let asked = KeyValueConfiguration(bucket: name)
        guard let found = try streamInfo(asked.stream.name) else { return nil }
        var configuration = asked
        configuration.bytesMax = found.configuration.maxBytes
        configuration.replicas = found.configuration.replicas
        return KeyValueBucket(self, configuration)
    }
}
