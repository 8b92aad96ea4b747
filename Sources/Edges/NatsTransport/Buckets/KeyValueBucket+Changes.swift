package import Primitives

/// One write to a bucket, as the bucket stores it.
package struct KeyValueChange: Equatable, Sendable {
    package let key: String
    package let revision: UInt64
    package let time: Timestamp
    /// `nil`: the value was deleted.
    package let value: [UInt8]?
}

/// A write that expects a revision, see `KeyValueBucket.put`.
package struct KeyValuePut: Equatable, Sendable {
    package var key: String
    package var value: [UInt8]
    package var expected: UInt64

    package init(key: String, value: [UInt8], expected: UInt64) {
        self.key = key
        self.value = value
        self.expected = expected
    }
}

// For callers that follow a bucket, or write many of its keys.
extension KeyValueBucket {
    /// Returns the first change with this revision or a later one, among the last writes of the
    /// keys that match the pattern; `nil` when there is none. Calling it again after each result
    /// lists a bucket, including writes that are made meanwhile, in the order of the writes.
    package func firstChange(
        from revision: UInt64, matching pattern: String = ">"
    ) throws(JetStreamError) -> KeyValueChange? {
        try requirePattern(pattern, from: revision)
        return try jetStream.firstMessage(
            stream: stream, from: revision, subject: subject(pattern)
        ).map(change)
    }

    /// Returns the changes with these revisions among the last writes of the keys that match the
    /// pattern, in the order of the writes. Many are requested at the same time. With a last
    /// revision of `UInt64.max`, writes that are made meanwhile are included. When there are `max`
    /// or more, later ones may be missing.
    package func changes(
        _ revisions: ClosedRange<UInt64>, matching pattern: String, max: Int
    ) throws(JetStreamError) -> [KeyValueChange] {
        try requirePattern(pattern, from: revisions.lowerBound)
        var walk = MessageWalk(
            stream: stream, subject: subject(pattern), from: revisions.lowerBound,
            through: revisions.upperBound)
        var found: [KeyValueChange] = []
        while !walk.isOver, found.count < max {
            found += try walk.step(jetStream).map(change)
        }
        return found
    }

    private func requirePattern(
        _ pattern: String, from revision: UInt64
    ) throws(JetStreamError) {
        guard let problem = NatsSubject.problem(pattern, .pattern) else { return }
        throw .invalid(
            operation: "read bucket \(configuration.bucket) from \(revision)", detail: problem)
    }

    private func change(_ message: StoredMessage) -> KeyValueChange {
        KeyValueChange(
            key: String(message.subject.utf8.dropFirst(subject("").utf8.count)) ?? "",
            revision: message.sequence, time: message.time,
            value: KeyValueEntry.isMarker(message.headers) ? nil : message.payload)
    }

    /// Returns what `get` returns for each of the keys, in their order. Many are requested at the
    /// same time.
    package func get(all keys: [String]) throws(JetStreamError) -> [KeyValueEntry?] {
        for key in keys { try requireReadable(key) }
        let messages = try jetStream.lastMessages(
            keys.map { (stream: stream, subject: subject($0)) })
        return zip(keys, messages).map { key, message in
            message.flatMap { KeyValueEntry($0, key: key) }
        }
    }

    /// Sends several writes of different keys at the same time; they take little longer than one.
    /// All answers are awaited within one timeout. The most writes are
    /// `NatsLimits.requestsOutstandingMax` minus the other requests in progress; further ones are
    /// `.failed`.
    package func put(
        all puts: [KeyValuePut]
    ) -> [Result<KeyValueOutcome, JetStreamError>] {
        var results: [Result<KeyValueOutcome, JetStreamError>] = []
        results.reserveCapacity(puts.count)
        put(all: puts) { results.append($0) }
        return results
    }

    /// The same, with a call for each write in their order, as soon as its answer has come.
    package func put(
        all puts: [KeyValuePut], _ settled: (Result<KeyValueOutcome, JetStreamError>) -> Void
    ) {
        jetStream.onCall(jetStream.timeout)
        let deadline = ContinuousClock.now + jetStream.timeout
        let begun = puts.map { put -> Result<UInt64, JetStreamError> in
            do throws(JetStreamError) { return .success(try begin(put)) } catch {
                return .failure(error)
            }
        }
        for (put, begun) in zip(puts, begun) {
            settled(
                begun.flatMap { number in
                    do throws(JetStreamError) {
                        return .success(try finish(put, number, deadline))
                    } catch {
                        return .failure(error)
                    }
                })
        }
    }

    private func begin(_ put: KeyValuePut) throws(JetStreamError) -> UInt64 {
        let operation = operation("put", put.key)
        try requireWritable(put.key, put.value, operation)
        do throws(NatsError) {
            return try jetStream.connection.beginRequest(
                put.value, to: subject(put.key),
                headers: [(Self.expectedHeader, String(put.expected))])
        } catch {
            throw .transport(error)
        }
    }

    private func finish(
        _ put: KeyValuePut, _ number: UInt64, _ deadline: ContinuousClock.Instant
    ) throws(JetStreamError) -> KeyValueOutcome {
        let operation = operation("put", put.key)
        let answer: NatsMessage
        do throws(NatsError) {
            answer = try jetStream.connection.finishRequest(
                number, to: subject(put.key), timeout: max(.zero, deadline - .now))
        } catch {
            return try outcome(of: error, operation)
        }
        return try outcome(of: answer, operation)
    }
}
