import Primitives

/// JetStream through its JSON API: libnats' own calls lack needed fields (metadata, several filter
/// subjects). Every call but `pull` blocks the calling thread up to `timeout`, and making
/// a consumer of a cluster up to half of it more.
package struct JetStream: Sendable {
    package let connection: NatsConnection
    package private(set) var timeout: Duration
    /// Called before each blocking call with the longest time that it may take.
    let onCall: @Sendable (Duration) -> Void

    /// `onCall` is called on the calling thread before each call that blocks, with the longest time
    /// that it may take.
    package init(
        _ connection: NatsConnection, timeout: Duration = .seconds(5),
        onCall: @escaping @Sendable (Duration) -> Void = { _ in }
    ) {
        self.connection = connection
        self.timeout = timeout
        self.onCall = onCall
    }

    /// Returns the same with another timeout.
    package func within(_ timeout: Duration) -> JetStream {
        var other = self
        other.timeout = timeout
        return other
    }

    // MARK: streams

    /// Makes the stream. An existing stream with the same configuration is accepted. A different
    /// one throws `.differs` and stays as it is.
    package func createStream(_ configuration: StreamConfiguration) throws(JetStreamError)
        -> StreamInfo
    {
        let name = configuration.name
        let operation = "create stream \(name)"
        try requireToken(name, operation)
        var body = JSONWriter()
        configuration.write(into: &body)
        do throws(JetStreamError) {
            let answer = try call("STREAM.CREATE.\(name)", body.bytes, operation)
            return try parsed(StreamInfo(answer), operation)
        } catch {
            if error.lacksServers, configuration.replicas > 1 {
                throw .fewServers(operation: operation, copies: configuration.replicas)
            }
            guard case .refused(_, _, JetStreamCode.streamNameInUse, let reason) = error,
                let existing = try streamInfo(name)
            else { throw error }
            let found = configuration.differences(from: existing.configuration)
            if found.isEmpty,
                existing.configuration.replicas != configuration.replicas
                    || existing.configuration.consumerInactiveMax
                        != configuration.consumerInactiveMax
            {
                return existing
            }
            throw .differs(stream: name, differences: found.isEmpty ? [reason] : found)
        }
    }

    /// Returns `nil` when there is no stream of this name. Throws `.leaderless` when a copy answers
    /// because the stream has no leader: it may be older than what was acknowledged.
    package func streamInfo(_ name: String) throws(JetStreamError) -> StreamInfo? {
        let operation = "look up stream \(name)"
        try requireToken(name, operation)
        let path = "STREAM.INFO.\(name)"
        guard
            let answer = try call(path, [], operation, absentCode: JetStreamCode.streamNotFound)
        else { return nil }
        return try parsed(StreamInfo(answer), operation)
    }

    /// Returns the names of the streams whose subjects match, from the server's first page (1,024
    /// names).
    package func streamNames(taking subject: String) throws(JetStreamError) -> [String] {
        var body = JSONWriter()
        body.object { $0.member("subject", subject) }
        let answer = try call(
            "STREAM.NAMES", body.bytes, "list the streams that take \(subject)")
        return answer["streams"]?.array?.compactMap(\.string) ?? []
    }

    // MARK: messages

    /// Returns the last message on a subject, which may have wildcards, read from the stream's
    /// leader; `nil` when there is none.
    package func lastMessage(
        stream: String, subject: String
    ) throws(JetStreamError) -> StoredMessage? {
        let operation = "read the last message on \(subject) of stream \(stream)"
        return try storedMessage(stream, operation) { $0.member("last_by_subj", subject) }
    }

    /// Returns `nil` when there is no message at this sequence (any more, or yet).
    package func message(
        stream: String, sequence: UInt64
    ) throws(JetStreamError) -> StoredMessage? {
        let operation = "read message \(sequence) of stream \(stream)"
        // The server treats sequence 0 as a request that asks for nothing.
        guard sequence > 0 else { return nil }
        return try storedMessage(stream, operation) { $0.member("seq", sequence) }
    }

    func storedMessage(
        _ stream: String, _ operation: String, _ question: (inout JSONWriter) -> Void
    ) throws(JetStreamError) -> StoredMessage? {
        try requireToken(stream, operation)
        var body = JSONWriter()
        body.object(question)
        let path = "STREAM.MSG.GET.\(stream)"
        guard
            let answer = try call(
                path, body.bytes, operation, absentCode: JetStreamCode.noMessageFound)
        else { return nil }
        return try parsed(StoredMessage(answer["message"]), operation)
    }

    /// Reads the outcome from an answer on the reply subject of a publish.
    package static func publishOutcome(of reply: NatsMessage) -> PublishOutcome {
        if let sequence = reply.withPayload({ PublishOutcome.usual($0) }) {
            return .stored(sequence: sequence, duplicate: false)
        }
        return PublishOutcome.parse(status: reply.status, payload: reply.payload)
    }

    // MARK: consumers

    /// Requests up to `batch` messages within `expires`. They come to `replyTo`, and so do messages
    /// that carry a status instead of a payload: 100 heartbeat, 404 no messages, 408 expired, 409
    /// the consumer or its leader is no longer there, 503 no such consumer. Does not wait.
    /// `idleHeartbeat` (zero: none) is at most half of `expires`.
    package func pull(
        stream: String, consumer: String, batch: Int, bytesMax: Int?, expires: Duration,
        idleHeartbeat: Duration, replyTo: String
    ) throws(NatsError) {
        var body = JSONWriter(capacity: 96)
        body.object { json in
            json.member("batch", max(1, batch))
            if let bytesMax { json.member("max_bytes", bytesMax) }
            // Without "expires" the server answers 404 immediately instead of waiting.
            if expires > .zero { json.member("expires", expires.clampedNanoseconds) }
            if idleHeartbeat > .zero {
                json.member("idle_heartbeat", idleHeartbeat.clampedNanoseconds)
            }
            if expires <= .zero { json.member("no_wait", true) }
        }
        try connection.publish(
            body.bytes, to: "$JS.API.CONSUMER.MSG.NEXT.\(stream).\(consumer)", replyTo: replyTo)
    }

    // MARK: parts

    func requireToken(_ name: String, _ operation: String) throws(JetStreamError) {
        guard !NatsSubject.isToken(name) else { return }
        throw .refused(
            operation: operation, code: 400, errorCode: 0,
            description: "a name has 1 to 255 characters and no blanks, dots, * > / or \\")
    }

    func parsed<Value>(
        _ value: Value?, _ operation: String
    ) throws(JetStreamError) -> Value {
        guard let value else {
            throw .malformed(operation: operation, detail: "fields are missing or of another type")
        }
        return value
    }

    private func call(
        _ path: String, _ body: [UInt8], _ operation: String
    ) throws(JetStreamError) -> JSONValue {
        // No error code is 0, so no refusal is treated as "absent".
        try parsed(call(path, body, operation, absentCode: 0), operation)
    }

    /// Returns `nil` when the server refused the call with `absentCode`.
    func call(
        _ path: String, _ body: [UInt8], _ operation: String, absentCode: Int
    ) throws(JetStreamError) -> JSONValue? {
        let reply: NatsMessage
        do throws(NatsError) {
            onCall(timeout)
            reply = try connection.request(body, to: "$JS.API.\(path)", timeout: timeout)
        } catch {
            throw failure(error, operation)
        }
        return try answer(in: reply, operation, absentCode: absentCode)
    }

    /// Returns why a request has no answer.
    func failure(_ error: NatsError, _ operation: String) -> JetStreamError {
        if case .noResponders = error {
            return .unavailable(operation: operation, peer: connection.peer)
        }
        return .transport(error)
    }

    /// Returns `nil` when the server refused the call with `absentCode`.
    func answer(
        in reply: NatsMessage, _ operation: String, absentCode: Int
    ) throws(JetStreamError) -> JSONValue? {
        let answer: JSONValue
        do throws(JSONError) {
            answer = try JSONValue.parse(reply.payload)
        } catch {
            throw .malformed(operation: operation, detail: "\(error)")
        }
        guard let problem = APIProblem(answer["error"]) else {
            guard !StreamCopies.isLeaderless(answer) else { throw .leaderless(operation) }
            return answer
        }
        if problem.errorCode == absentCode, absentCode != 0 { return nil }
        throw .refused(
            operation: operation, code: problem.code, errorCode: problem.errorCode,
            description: problem.description)
    }
}
