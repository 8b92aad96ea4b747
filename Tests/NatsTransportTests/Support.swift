import Foundation
import NatsTransport
import Primitives
import TestSupport

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

    var asyncErrors: [String] {
        all.compactMap { if case .asyncError(let text) = $0 { text } else { nil } }
    }
}

/// The messages of a subscription, kept in order.
final class MessageLog: Sendable {
    private let messages = Locked<[NatsMessage]>([])

    func add(_ message: NatsMessage) { messages.withLock { $0.append(message) } }

    var all: [NatsMessage] { messages.withLock { $0 } }
    var count: Int { messages.withLock { $0.count } }

    func removeAll() { messages.withLock { $0 = [] } }
}

extension NatsServer {
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
    func publish(_ text: String, to subject: String, replyTo: String? = nil) throws(NatsError) {
        try Array(text.utf8).withRawSpan { span throws(NatsError) in
            try publish(span, to: subject, replyTo: replyTo)
        }
    }

    func publish(
        _ text: String, to subject: String, replyTo: String, expected: UInt64
    ) throws(NatsError) {
        try Array(text.utf8).withRawSpan { span throws(NatsError) in
            try publish(
                span, to: subject, replyTo: replyTo,
                headers: [("Nats-Expected-Last-Subject-Sequence", "\(expected)")])
        }
    }
}

extension NatsMessage {
    var text: String { String(decoding: payload, as: UTF8.self) }
}

/// Returns the error of a call that must fail. `nil` if it did not fail.
func failure<Result>(_ body: () throws(NatsError) -> Result) -> NatsError? {
    do throws(NatsError) {
        _ = try body()
        return nil
    } catch {
        return error
    }
}

func jetStreamFailure<Result>(_ body: () throws(JetStreamError) -> Result) -> JetStreamError? {
    do throws(JetStreamError) {
        _ = try body()
        return nil
    } catch {
        return error
    }
}
