import Primitives

/// A bucket of keys and values in one JetStream stream, changed by compare-and-set and read from
/// the stream's leader. Any thread may use it; every call blocks it up to the timeout of
/// `jetStream`.
///
/// A leader that is cut off from its cluster can return old values for some seconds, but cannot
/// store. So a decision that must be right needs a write that expects a revision.
package struct KeyValueBucket: Sendable {
    package let jetStream: JetStream
    package let configuration: KeyValueConfiguration
    let stream: String

    private static let operationHeader = "KV-Operation"
    static let expectedHeader = "Nats-Expected-Last-Subject-Sequence"

    init(_ jetStream: JetStream, _ configuration: KeyValueConfiguration) {
        self.jetStream = jetStream
        self.configuration = configuration
        stream = configuration.stream.name
    }

    /// Returns the same bucket for another thread, or with another timeout.
    package func asked(by jetStream: JetStream) -> KeyValueBucket {
        KeyValueBucket(jetStream, configuration)
    }

    // MARK: reading

    /// Returns `nil` when there is no value (any more).
    package func get(_ key: String) throws(JetStreamError) -> KeyValueEntry? {
        try last(key).flatMap { KeyValueEntry($0, key: key) }
    }

    /// Returns the number of the bucket's last write. As long as it stays the same, nothing has
    /// changed. 0: nothing was written yet.
    package func lastRevision() throws(JetStreamError) -> UInt64 {
        try info().lastSequence
    }

    /// Returns the bucket's stream: when it was made, how many keys and bytes it holds.
    package func info() throws(JetStreamError) -> StreamInfo {
        guard let info = try jetStream.streamInfo(stream) else {
            throw .refused(
                operation: "look up bucket \(configuration.bucket)", code: 404,
                errorCode: JetStreamCode.streamNotFound, description: "bucket not found")
        }
        return info
    }

    /// Returns the keys that match a pattern: complete tokens may be `*`, the last one `>`.
    package func keys(matching pattern: String = ">") throws(JetStreamError) -> KeyValueKeys {
        let operation = "list keys \(pattern) of bucket \(configuration.bucket)"
        if let problem = NatsSubject.problem(pattern, .pattern) {
            throw .invalid(operation: operation, detail: problem)
        }
        var body = JSONWriter()
        body.object { $0.member("subjects_filter", subject(pattern)) }
        guard
            let answer = try jetStream.call(
                "STREAM.INFO.\(stream)", body.bytes, operation, absentCode: 0),
            let lastRevision = answer.at("state", "last_seq")?.uint64
        else {
            throw .malformed(operation: operation, detail: "there is no last sequence in it")
        }
        let subjects = answer.at("state", "subjects")?.members ?? []
        if let total = answer["total"]?.int, total > subjects.count {
            throw .invalid(
                operation: operation,
                detail: "\(total) keys, at most \(KeyValueLimits.keysMax) can be listed")
        }
        let prefixBytes = subject("").utf8.count
        return KeyValueKeys(
            lastRevision: lastRevision,
            keys: subjects.map { String($0.key.utf8.dropFirst(prefixBytes)) ?? "" }.sorted())
    }

    /// Returns keys with their values. It sends one request for each key.
    package func entries(matching pattern: String = ">") throws(JetStreamError) -> KeyValueEntries {
        let found = try keys(matching: pattern)
        var entries: [KeyValueEntry] = []
        for key in found.keys {
            if let entry = try jetStream.lastMessage(stream: stream, subject: subject(key))
                .flatMap({ KeyValueEntry($0, key: key) })
            {
                entries.append(entry)
            }
        }
        return KeyValueEntries(lastRevision: found.lastRevision, entries: entries)
    }

    // MARK: writing

    /// Stores the value if the key has none, because it was never written or was deleted.
    package func create(
        _ key: String, _ value: [UInt8]
    ) throws(JetStreamError) -> KeyValueOutcome {
        let outcome = try put(key, value, expected: 0)
        guard case .conflict = outcome, let last = try last(key),
            KeyValueEntry.isMarker(last.headers)
        else { return outcome }
        return try put(key, value, expected: last.sequence)
    }

    /// Stores the value if the key's last write, including a delete, is `expected`; 0: if it was
    /// never written.
    package func put(
        _ key: String, _ value: [UInt8], expected: UInt64
    ) throws(JetStreamError) -> KeyValueOutcome {
        try write(key, value, "put", [(Self.expectedHeader, String(expected))])
    }

    /// Stores the value if the key was not written since it was read: `revision` is that of the
    /// value found; 0: there was none, because it was never written or was deleted.
    package func put(
        _ key: String, _ value: [UInt8], after revision: UInt64
    ) throws(JetStreamError) -> KeyValueOutcome {
        revision == 0 ? try create(key, value) : try put(key, value, expected: revision)
    }

    /// Deletes the value if the key's last write is `expected` (`nil`: whatever it is). A marker
    /// without a value stays for ever, so a bucket's keys have to be a bounded set.
    package func delete(
        _ key: String, expected: UInt64? = nil
    ) throws(JetStreamError) -> KeyValueOutcome {
        var headers = [(name: Self.operationHeader, value: "DEL")]
        if let expected { headers.append((Self.expectedHeader, String(expected))) }
        return try write(key, [], "delete", headers)
    }

    // MARK: parts

    func subject(_ key: String) -> String { "$KV.\(configuration.bucket).\(key)" }

    func requireKey(_ key: String, _ operation: String) throws(JetStreamError) {
        guard !KeyValueKey.isValid(key) else { return }
        throw .invalid(
            operation: operation,
            detail: "a key has 1 to \(KeyValueLimits.keyBytesMax) characters A-Z a-z 0-9 - _ / = "
                + "and single dots between them, and does not begin with _kv")
    }

    func requireReadable(_ key: String) throws(JetStreamError) {
        try requireKey(key, "read \(key.debugDescription) of bucket \(configuration.bucket)")
    }

    private func last(_ key: String) throws(JetStreamError) -> StoredMessage? {
        try requireReadable(key)
        return try jetStream.lastMessage(stream: stream, subject: subject(key))
    }

    private func write(
        _ key: String, _ value: [UInt8], _ verb: String, _ headers: [(name: String, value: String)]
    ) throws(JetStreamError) -> KeyValueOutcome {
        let operation = operation(verb, key)
        try requireWritable(key, value, operation)
        let answer: NatsMessage
        jetStream.onCall(jetStream.timeout)
        do throws(NatsError) {
            answer = try jetStream.connection.request(
                value, to: subject(key), headers: headers, timeout: jetStream.timeout)
        } catch {
            return try outcome(of: error, operation)
        }
        return try outcome(of: answer, operation)
    }
}

extension KeyValueBucket {
    func operation(_ verb: String, _ key: String) -> String {
        "\(verb) \(key.debugDescription) in bucket \(configuration.bucket)"
    }

    func requireWritable(
        _ key: String, _ value: [UInt8], _ operation: String
    ) throws(JetStreamError) {
        try requireKey(key, operation)
        guard value.count <= configuration.valueBytesMax else {
            throw .invalid(
                operation: operation,
                detail: "\(value.count) bytes, the bucket takes \(configuration.valueBytesMax)")
        }
    }

    /// Returns the outcome in an answer to a write.
    func outcome(
        of answer: NatsMessage, _ operation: String
    ) throws(JetStreamError) -> KeyValueOutcome {
        switch JetStream.publishOutcome(of: answer) {
        case .stored(let sequence, _): return .stored(revision: sequence)
        case .wrongLastSequence(let present): return .conflict(present: present)
        // No write after the expected one is stored yet, and the write in process may be an earlier
        // copy of this one.
        case .inProcess: return .unknown("\(operation): another write is in process")
        case .malformed(let detail): return .unknown("\(operation): \(detail)")
        case .noResponders:
            throw .unavailable(operation: operation, peer: jetStream.connection.peer)
        case .refused(let code, let errorCode, let description):
            throw .refused(
                operation: operation, code: code, errorCode: errorCode, description: description)
        }
    }

    /// Returns the outcome of a write without an answer.
    func outcome(
        of error: NatsError, _ operation: String
    ) throws(JetStreamError) -> KeyValueOutcome {
        switch error {
        // It may have been sent before the link broke.
        case .timedOut, .disconnected, .failed: return .unknown("\(error)")
        case .noResponders:
            throw .unavailable(operation: operation, peer: jetStream.connection.peer)
        default: throw .transport(error)
        }
    }
}

// MARK: making buckets

extension JetStream {
    /// Makes the bucket. An existing bucket with the same configuration is accepted. A different
    /// one throws `.differs` and stays as it is.
    package func createBucket(
        _ configuration: KeyValueConfiguration
    ) throws(JetStreamError) -> KeyValueBucket {
        try requireValid(configuration)
        _ = try createStream(configuration.stream)
        return KeyValueBucket(self, configuration)
    }

    /// Opens the bucket for a caller that may not make one. Returns `nil` when it does not exist.
    /// Throws `.differs` when it differs from the requested one.
    package func openBucket(
        _ configuration: KeyValueConfiguration
    ) throws(JetStreamError) -> KeyValueBucket? {
        try requireValid(configuration)
        let wanted = configuration.stream
        guard let found = try streamInfo(wanted.name) else { return nil }
        let differences = wanted.differences(from: found.configuration)
        guard differences.isEmpty else {
            throw .differs(stream: wanted.name, differences: differences)
        }
        return KeyValueBucket(self, configuration)
    }

    private func requireValid(_ configuration: KeyValueConfiguration) throws(JetStreamError) {
        guard let problem = configuration.problem else { return }
        throw .invalid(
            operation: "open bucket \(configuration.bucket.debugDescription)", detail: problem)
    }
}
