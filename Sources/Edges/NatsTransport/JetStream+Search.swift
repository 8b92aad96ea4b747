import Primitives

// What a person's tools ask of a stream, beside what the services need. All of it is answered by
// the stream's leader.
extension JetStream {
    /// How many subjects one answer may name.
    public static let subjectsMax = 100_000

    /// The first message at this sequence or behind it whose subject the filter takes; nil: there
    /// is none (yet).
    public func firstMessage(
        stream: String, from sequence: UInt64, subject: String
    ) throws(JetStreamError) -> StoredMessage? {
        let operation = "read the first message from \(sequence) on \(subject) of stream \(stream)"
        return try storedMessage(stream, operation) {
            $0.member("seq", max(1, sequence))
            $0.member("next_by_subj", subject)
        }
    }

    /// The subjects of the stream that the filter takes, and how many messages each has.
    public func subjects(
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

    /// A bucket whatever its limits are: for tools that look at what others have made. nil: there
    /// is none of this name.
    public func bucketAsFound(_ name: String) throws(JetStreamError) -> KeyValueBucket? {
        let asked = KeyValueConfiguration(bucket: name)
        guard let found = try streamInfo(asked.stream.name) else { return nil }
        var configuration = asked
        configuration.bytesMax = found.configuration.maxBytes
        configuration.replicas = found.configuration.replicas
        return KeyValueBucket(self, configuration)
    }
}
