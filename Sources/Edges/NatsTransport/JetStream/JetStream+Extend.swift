import Primitives

extension JetStream {
    /// Does what `createStream` does, but adds missing subjects to a stream that is otherwise the
    /// same. It removes none: subjects that only the existing stream has are a difference.
    ///
    /// A different size is no difference: use `growStream` for that.
    package func createOrExtendStream(_ configuration: StreamConfiguration) throws(JetStreamError)
        -> StreamInfo
    {
        do throws(JetStreamError) {
            return try createStream(configuration)
        } catch {
            guard case .differs(let name, _) = error, let existing = try streamInfo(name),
                configuration.differsInRoomAndSubjects(from: existing.configuration)
            else { throw error }
            let subjects = configuration.subjects.sorted()
            guard existing.configuration.subjects.sorted() != subjects else { return existing }
            let list = JSONValue.array(subjects.map(JSONValue.string))
            return try change("subjects", to: list, of: name, "add subjects to stream \(name)")
        }
    }

    /// Makes a stream larger. One that is as large already, or has no limit, stays as it is.
    package func growStream(_ stream: StreamInfo, to bytesMax: Int64) throws(JetStreamError)
        -> StreamInfo
    {
        let (name, present) = (stream.configuration.name, stream.configuration.maxBytes)
        guard present >= 0, present < bytesMax else { return stream }
        return try change(
            "max_bytes", to: .number(String(bytesMax)), of: name, "make stream \(name) larger")
    }

    /// Gives a stream the limit of its consumers. A limit that it has stays as it is.
    package func limitConsumers(_ stream: StreamInfo, as wanted: StreamConfiguration)
        throws(JetStreamError) -> StreamInfo
    {
        let present = stream.configuration.consumerInactiveMax
        guard wanted.consumerInactiveMax > .zero, present == .zero else { return stream }
        return try change(
            "consumer_limits", to: wanted.consumerLimits, of: wanted.name,
            "limit the consumers of stream \(wanted.name)")
    }

    /// Changes a field. All others are sent unchanged, including those that this client does not
    /// know, because an update removes a field that it leaves out.
    ///
    /// The update also notes when the stream was made, if that is not noted. A server that was
    /// restarted since then writes the time of its restart in place of it, and reports that after
    /// the next restart (fixed after nats-server 2.12.8). Readers would stop, because such a stream
    /// looks like one that was made again.
    func change(
        _ field: String, to value: JSONValue, of stream: String, _ operation: String
    ) throws(JetStreamError) -> StreamInfo {
        let path = "STREAM.INFO.\(stream)"
        // No error code is 0, so no refusal is treated as "absent".
        let found = try parsed(call(path, [], operation, absentCode: 0), operation)
        var metadata = found["config"]?["metadata"]?.members ?? []
        if let created = found["created"], !metadata.contains(where: { $0.key == StreamInfo.made })
        {
            metadata.append(JSONValue.Member(key: StreamInfo.made, value: created))
        }
        var body = JSONWriter()
        body.object { json in
            for member in found["config"]?.members ?? []
            where member.key != field && member.key != "metadata" {
                json.key(member.key)
                json.value(member.value)
            }
            json.key(field)
            json.value(value)
            json.key("metadata")
            json.value(.object(metadata))
        }
        let answer = try call("STREAM.UPDATE.\(stream)", body.bytes, operation, absentCode: 0)
        return try parsed(StreamInfo(try parsed(answer, operation)), operation)
    }
}

extension StreamConfiguration {
    /// Returns true when the existing stream has no unwanted subjects, and differs in nothing but
    /// its subjects and its size.
    fileprivate func differsInRoomAndSubjects(from existing: StreamConfiguration) -> Bool {
        var same = self
        same.subjects = existing.subjects
        same.maxBytes = existing.maxBytes
        return same.differences(from: existing).isEmpty
            && Set(existing.subjects).isSubset(of: subjects)
    }
}
