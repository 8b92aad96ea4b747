import Primitives

extension JetStream {
    /// As `createStream`, but a stream that is the same in all else and lacks some of the subjects
    /// gets them. None is taken away: those that only the existing stream has are a difference.
    public func createOrExtendStream(_ configuration: StreamConfiguration) throws(JetStreamError)
        -> StreamInfo
    {
        do throws(JetStreamError) {
            return try createStream(configuration)
        } catch {
            guard case .differs = error, let existing = try streamInfo(configuration.name),
                let extended = configuration.extending(existing.configuration)
            else { throw error }
            let operation = "add subjects to stream \(configuration.name)"
            var body = JSONWriter()
            extended.write(into: &body)
            let path = "STREAM.UPDATE.\(configuration.name)"
            // No code is 0, so nothing is taken for "absent".
            let answer = try call(path, body.bytes, operation, absentCode: 0)
            return try parsed(StreamInfo(try parsed(answer, operation)), operation)
        }
    }
}

extension StreamConfiguration {
    /// The existing stream with these subjects, when that is all that it lacks.
    fileprivate func extending(_ existing: StreamConfiguration) -> StreamConfiguration? {
        var extended = self
        extended.subjects = existing.subjects
        guard extended.differences(from: existing).isEmpty,
            Set(existing.subjects).isSubset(of: subjects)
        else { return nil }
        extended.subjects = subjects
        // Others may have left their notes there.
        extended.metadata.merge(existing.metadata) { wanted, _ in wanted }
        return extended
    }
}
