import Foundation
import NatsTransport
import Primitives
import TestSupport
import Testing

/// A lock that ThreadSanitizer understands when it is contended. It does not understand `Mutex`.
final class Locked<Value: Sendable>: @unchecked Sendable {
    // Safety: `value` is touched with `lock` held only.
    private var value: Value
    private let lock = NSLock()

    init(_ value: Value) { self.value = value }

    func withLock<Result>(_ body: (inout Value) -> Result) -> Result {
        lock.withLock { body(&value) }
    }
}

/// The events of a connection, kept in order.
final class EventLog: Sendable {
    private let events = Locked<[NatsConnectionEvent]>([])

    func add(_ event: NatsConnectionEvent) { events.withLock { $0.append(event) } }

    var all: [NatsConnectionEvent] { events.withLock { $0 } }

    func count(_ isMeant: (NatsConnectionEvent) -> Bool) -> Int { all.count(where: isMeant) }

    var closedCount: Int {
        count { if case .closed = $0 { true } else { false } }
    }

    var reconnectedCount: Int { count { $0 == .reconnected } }

    var disconnectedCount: Int {
        count { if case .disconnected = $0 { true } else { false } }
    }

    var asyncErrors: [String] {
        all.compactMap { if case .asyncError(let text) = $0 { text } else { nil } }
    }
}

/// A subscription and its messages, kept in order.
final class MessageLog: Sendable {
    let subscription: NatsSubscription
    private let messages: Locked<[NatsMessage]>

    init(_ subject: String, on connection: NatsConnection) throws(NatsError) {
        let messages = Locked<[NatsMessage]>([])
        self.messages = messages
        subscription = try connection.subscribe(subject, pendingMessagesMax: 100_000) { message in
            messages.withLock { $0.append(message) }
        }
    }

    var all: [NatsMessage] { messages.withLock { $0 } }
    var count: Int { messages.withLock { $0.count } }

    func removeAll() { messages.withLock { $0 = [] } }
}

extension NatsServer {
    /// Returns a server, a connection to it, and the connection's events.
    static func connected(
        _ options: Options = Options()
    ) throws -> (NatsServer, NatsConnection, EventLog) {
        let (server, events) = (try NatsServer(options), EventLog())
        return (server, try server.connect(events), events)
    }

    func connect(
        user: String? = nil, password: String? = nil, _ events: EventLog = EventLog()
    ) throws -> NatsConnection {
        var configuration = NatsConfiguration(urls: [url], clientName: "test")
        configuration.user = user
        configuration.password = password
        return try NatsConnection(configuration) { events.add($0) }
    }
}

extension NatsConnection {
    func publish(
        _ bytes: [UInt8], to subject: String, replyTo: String? = nil,
        headers: [(name: String, value: String)]
    ) throws(NatsError) {
        try bytes.withRawSpan { span throws(NatsError) in
            try publish(span, to: subject, replyTo: replyTo, headers: headers)
        }
    }

    func publish(
        _ text: String, to subject: String, replyTo: String? = nil, expected: UInt64? = nil
    ) throws(NatsError) {
        guard let expected else {
            return try publish(Array(text.utf8), to: subject, replyTo: replyTo)
        }
        try publish(
            Array(text.utf8), to: subject, replyTo: replyTo,
            headers: [("Nats-Expected-Last-Subject-Sequence", "\(expected)")])
    }
}

extension NatsConnection {
    /// Sends to "a" until the kernel's buffers, of a few megabytes, are full and the link fails.
    func fill(with payload: [UInt8]) throws(NatsError) {
        for _ in 0..<200 { try publish(payload, to: "a") }
    }
}

extension NatsMessage {
    var text: String { String(decoding: payload, as: UTF8.self) }
}

/// Returns the connection's error of a call that must fail, by itself or through JetStream.
func failure<Result>(
    _ comment: Comment? = nil, _ location: SourceLocation = #_sourceLocation,
    _ body: () throws -> Result
) throws -> NatsError {
    let error = try #require(throws: (any Error).self, comment, sourceLocation: location) {
        try body()
    }
    if case .transport(let cause) = error as? JetStreamError { return cause }
    return try #require(error as? NatsError, "\(error)", sourceLocation: location)
}

/// Expects that a call fails in this way, and returns its error.
@discardableResult
func expectFailure<Result>(
    _ kind: (NatsFailure) -> NatsError, _ comment: Comment? = nil,
    _ location: SourceLocation = #_sourceLocation, _ body: () throws -> Result
) throws -> NatsError {
    let error = try failure(comment, location, body)
    #expect(error == kind(error.failure), comment, sourceLocation: location)
    return error
}

func jetStreamFailure<Result>(
    _ location: SourceLocation = #_sourceLocation, _ body: () throws -> Result
) throws -> JetStreamError {
    try #require(throws: JetStreamError.self, sourceLocation: location) { try body() }
}

/// Expects that JetStream refuses a call with these codes. `nil`: with any.
func expectRefusal<Result>(
    _ code: Int?, _ errorCode: Int?, _ location: SourceLocation = #_sourceLocation,
    _ body: () throws -> Result
) throws {
    let error = try jetStreamFailure(location, body)
    guard case .refused(_, let found, let foundError, _) = error else {
        Issue.record("\(error)", sourceLocation: location)
        return
    }
    #expect(found == code ?? found, "\(error)", sourceLocation: location)
    #expect(foundError == errorCode ?? foundError, "\(error)", sourceLocation: location)
}

/// A server with one stream "S" over "s.>".
struct StreamFixture {
    let server: NatsServer
    let connection: NatsConnection
    let jetStream: JetStream
    let inbox: String
    let answers: MessageLog

    init() throws {
        server = try NatsServer()
        connection = try server.connect()
        jetStream = JetStream(connection)
        inbox = connection.newInbox()
        answers = try MessageLog("\(inbox).>", on: connection)
        _ = try jetStream.createStream(StreamConfiguration(name: "S", subjects: ["s.>"]))
    }

    /// Publishes with an expectation and waits for the answer.
    func publish(_ text: String, to subject: String, expected: UInt64) throws -> PublishOutcome {
        answers.removeAll()
        try connection.publish(text, to: subject, replyTo: "\(inbox).1", expected: expected)
        #expect(eventually { answers.count == 1 })
        return JetStream.publishOutcome(of: try #require(answers.all.first))
    }
}
