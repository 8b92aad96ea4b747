import NatsTransport
import Primitives
import TestSupport
import Testing

@Suite("The way of a subject's packets")
struct PublishRouteTests {
    @Test(
        "the answer comes to the number of the packet",
        arguments: [0, 1, 9, 10, 99, 12_345_678_901, UInt64.max, 7])
    func answers(number: UInt64) throws {
        let server = try NatsServer()
        let connection = try server.connect()
        let log = try MessageLog("answers.7.>", on: connection)
        var stream = StreamConfiguration(name: "S", subjects: ["s"], maxBytes: -1)
        stream.duplicateWindow = .seconds(1)
        _ = try JetStream(connection).createStream(stream)
        var route = try PublishRoute(subject: "s", replyPrefix: "answers.7")
        // A longer number comes first, and its last digits must not remain.
        for (count, number) in [UInt64.max, number].enumerated() {
            try [UInt8]([1, 2, 3]).withRawSpan { span throws(NatsError) in
                try connection.publish(
                    span, on: &route, number: number, expectedLastSubjectSequence: UInt64(count))
            }
            #expect(eventually { log.count == count + 1 })
            #expect(log.all.last?.subject == "answers.7.\(number)")
            let outcome = log.all.last.map { JetStream.publishOutcome(of: $0) }
            #expect(outcome == .stored(sequence: UInt64(count) + 1, duplicate: false))
        }
    }

    @Test("a subject that would break the protocol makes no route", arguments: ["", "a b", "a.*"])
    func refused(subject: String) {
        #expect(throws: NatsError.self) { try PublishRoute(subject: subject, replyPrefix: "r") }
        #expect(throws: NatsError.self) { try PublishRoute(subject: "s", replyPrefix: subject) }
    }

    @Test("without a link nothing is sent")
    func disconnected() throws {
        let server = try NatsServer()
        let connection = try server.connect()
        connection.close()
        var route = try PublishRoute(subject: "s", replyPrefix: "r")
        #expect(throws: NatsError.self) {
            try [UInt8]([1]).withRawSpan { span throws(NatsError) in
                try connection.publish(span, on: &route, number: 1, expectedLastSubjectSequence: 0)
            }
        }
    }
}
