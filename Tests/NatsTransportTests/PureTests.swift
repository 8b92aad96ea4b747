import Primitives
import Testing

@testable import NatsTransport

@Suite struct PureTests {
    @Test("both shapes of an acknowledgement subject are read")
    func metadata() throws {
        let rest = "S.CC.1.18446744073709551615.22.1700000000000000001.4"
        for subject in [
            "$JS.ACK.\(rest)", "$JS.ACK._.ACCHASH.\(rest)", "$JS.ACK.hub.ACCHASH.\(rest).x7",
        ] {
            let found = try #require(PulledMessage.read(subject))
            let bytes = Array(subject.utf8)
            #expect(String(decoding: bytes[found.stream], as: UTF8.self) == "S")
            #expect(String(decoding: bytes[found.consumer], as: UTF8.self) == "CC")
            #expect(found.streamSequence == UInt64.max)
            #expect(found.consumerSequence == 22)
            #expect(found.time.nanoseconds == 1_700_000_000_000_000_001)
            #expect(found.pending == 4)
        }
    }

    @Test(
        "other subjects have no metadata",
        arguments: [
            "", "_INBOX.a.1", "$JS.ACK", "$JS.ACK.S.C.1.2.3.4", "$JS.ACK.S.C.1.2.3.4.5.6",
            "$JS.ACK.S.C.1.x.3.4.5", "$JS.ACK.S.C.1..3.4.5", "$JS.ACK..C.1.2.3.4.5",
            "$JS.ACK.S..1.2.3.4.5", "$JS.ACK.S.C.y.2.3.4.5", "$JS.ACK.S.C.1.2.3.4.-5",
            "$JS.ACK.S.C.1.18446744073709551616.3.4.5", "$JS.FC.S.C.1.2.3.4.5",
            "$JX.ACK.S.C.1.2.3.4.5", "$JS.ACK.S.C.1.2.3.9223372036854775808.5",
            "$JS.ACK.S.C.1.2.z.4.5", "$JS.ACK.S.C.1.99999999999999999999999.3.4.5",
        ])
    func noMetadata(subject: String) {
        #expect(PulledMessage.read(subject) == nil)
    }

    @Test(
        "every answer to a publish has a meaning",
        arguments: [
            // The usual answers, which are read without a parser, and others that are like them.
            (
                #"{"stream":"MD_TICKS_0","seq":7}"#,
                PublishOutcome.stored(sequence: 7, duplicate: false)
            ),
            (
                #"{"stream":"S","seq":18446744073709551615}"#,
                .stored(sequence: UInt64.max, duplicate: false)
            ),
            (#"{"stream":"S","seq":7,"duplicate":true}"#, .stored(sequence: 7, duplicate: true)),
            (#"{"stream":"S","x":"","seq":7}"#, .stored(sequence: 7, duplicate: false)),
            (
                #"{"stream":"S","seq":0}"#,
                .malformed("the answer to a publish has no stream and sequence")
            ),
            (
                #"{"stream":"S","error":{"code":1,"err_code":2,"description":"a"},"x":"","seq":7}"#,
                .refused(code: 1, errorCode: 2, description: "a")
            ),
            (
                #"{"stream":"S","seq":7,"duplicate":true,"domain":"x"}"#,
                .stored(sequence: 7, duplicate: true)
            ),
            (
                #"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 41"}}"#,
                .wrongLastSequence(present: 41)
            ),
            (
                #"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence"}}"#,
                .wrongLastSequence(present: nil)
            ),
            (
                #"{"error":{"code":400,"err_code":10164,"description":"wrong last sequence"}}"#,
                .inProcess
            ),
            (
                #"{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"}}"#,
                .refused(code: 503, errorCode: 10_077, description: "maximum bytes exceeded")
            ),
            (#"{"error":{}}"#, .refused(code: 0, errorCode: 0, description: "no description")),
        ])
    func outcome(text: String, expected: PublishOutcome) throws {
        let reply = try NatsMessage(subject: "r", payload: Array(text.utf8))
        #expect(JetStream.publishOutcome(of: reply) == expected)
    }

    @Test(
        "an answer that makes no sense is malformed",
        arguments: [
            "", "{", "[]", "7", "{}", #"{"stream":"S"}"#, #"{"stream":"S","seq":0}"#,
            #"{"stream":"S","seq":-1}"#, #"{"seq":7}"#, #"{"error":7}"#, "\u{0}",
            #"{"stream":"S","seq":99999999999999999999}"#,
        ])
    func malformed(text: String) throws {
        let reply = try NatsMessage(subject: "r", payload: Array(text.utf8))
        guard case .malformed = JetStream.publishOutcome(of: reply) else {
            Issue.record("taken for \(JetStream.publishOutcome(of: reply))")
            return
        }
    }

    @Test("a message with a payload has no status, whatever its headers say")
    func status() throws {
        let empty = try NatsMessage(
            subject: "r", headers: [("Status", "404"), ("Description", "No Messages")])
        #expect(empty.status == 404)
        #expect(empty.statusDescription == "No Messages")
        let full = try NatsMessage(
            subject: "r", replyTo: "x", headers: [("Status", "404")], payload: [1])
        #expect(full.status == nil)
        #expect(full.statusDescription == nil)
        #expect(full.replyTo == "x")
        let odd = try NatsMessage(subject: "r", headers: [("Status", "4o4")])
        #expect(odd.status == nil)
    }

    @Test("JetStream answers that lack what they must have are no values")
    func incomplete() throws {
        let whole = """
            {"config":{"name":"S","retention":"limits","storage":"file","discard":"new",
            "metadata":{"a":"b","_nats.ver":"2.12.8","n":7}},"created":"2026-01-01T00:00:00Z",
            "state":{"messages":1,"bytes":2,"first_seq":3,"last_seq":4}}
            """
        let info = try #require(StreamInfo(try JSONValue.parse(whole)))
        #expect(info.configuration.metadata == ["a": "b"])
        #expect(info.configuration.maxBytes == -1)
        for part in ["name", "retention", "storage", "discard", "created", "state", "bytes"] {
            let text = whole.replacing("\"\(part)\"", with: "\"x\"")
            #expect(StreamInfo(try JSONValue.parse(text)) == nil, "without \(part)")
        }
        #expect(StreamInfo(try JSONValue.parse(whole.replacing("limits", with: "odd"))) == nil)
        let message = #"{"subject":"s","seq":1,"data":"Zg==","time":"2026-01-01T00:00:00Z"}"#
        #expect(StoredMessage(try JSONValue.parse(message))?.payload == [0x66])
        for part in ["subject", "seq", "time", "Zg=="] {
            let text = message.replacing(part, with: "x")
            #expect(StoredMessage(try JSONValue.parse(text)) == nil, "without \(part)")
        }
        #expect(StoredMessage(nil) == nil)
    }

    @Test("every field of a stream that differs is named")
    func differences() {
        let wanted = StreamConfiguration(
            name: "S", subjects: ["a", "b"], maxBytes: 10, metadata: ["k": "v"])
        var other = wanted
        #expect(wanted.differences(from: other) == [])
        other.subjects = ["b", "a"]
        other.metadata["more"] = "x"
        other.replicas = 3
        #expect(wanted.differences(from: other) == [])
        let three = StreamConfiguration(name: "S", subjects: ["a", "b"], replicas: 3)
        other = StreamConfiguration(name: "S", subjects: ["a", "b"])
        #expect(three.differences(from: other).isEmpty, "copies are added at any time")
        other = StreamConfiguration(name: "T", subjects: ["a"], maxMessageBytes: 5)
        other.retention = .workqueue
        other.storage = .memory
        other.discard = .old
        other.maxAge = .seconds(1)
        other.duplicateWindow = .seconds(5)
        other.messagesMax.all = 7
        other.messagesMax.perSubject = 1
        other.persistence = .asynchronous
        other.flags = [.noAcknowledgement, .allowRollup]
        #expect(
            wanted.differences(from: other) == [
                "name is T, not S", "subjects is a, not a b",
                "retention is workqueue, not limits", "storage is memory, not file",
                "discard is old, not new", "max_bytes is -1, not 10",
                "max_msg_size is 5, not -1",
                "max_age is 1.0 seconds, not 0.0 seconds",
                "duplicate_window is 5.0 seconds, not 120.0 seconds",
                "max_msgs is 7, not -1", "max_msgs_per_subject is 1, not -1",
                "persist_mode is async, not default",
                "allow_rollup_hdrs is true, not false", "no_ack is true, not false",
                "metadata k is absent, not v",
            ])
    }

    @Test("a stream without more sends no more, and what is sent is read back")
    func streamFields() throws {
        func text(_ configuration: StreamConfiguration) -> String {
            var json = JSONWriter()
            configuration.write(into: &json)
            return json.text
        }
        let tape = StreamConfiguration(name: "S", subjects: ["s"], metadata: ["k": "v"])
        #expect(
            text(tape)
                == #"{"name":"S","subjects":["s"],"retention":"limits","max_consumers":-1,"#
                + #""max_msgs":-1,"max_msgs_per_subject":-1,"max_bytes":-1,"max_msg_size":-1,"#
                + #""max_age":0,"storage":"file","discard":"new","num_replicas":1,"#
                + #""duplicate_window":120000000000,"metadata":{"k":"v"}}"#)
        #expect(StreamConfiguration(try JSONValue.parse(text(tape))) == tape)
        var other = tape
        other.messagesMax.all = 5
        other.messagesMax.perSubject = 1
        other.persistence = .asynchronous
        other.consumerInactiveMax = .seconds(7)
        other.flags = Set(StreamConfiguration.Flag.allCases)
        #expect(StreamConfiguration(try JSONValue.parse(text(other))) == other)
        let zeros = text(tape).replacing("\"max_msgs\":-1", with: "\"max_msgs\":0")
        #expect(StreamConfiguration(try JSONValue.parse(zeros)) == tape)
    }

    @Test("durations are held inside what libnats takes")
    func durations() {
        #expect(Duration.zero.natsMilliseconds == 1)
        #expect(Duration.seconds(-5).natsMilliseconds == 1)
        #expect(Duration.milliseconds(1_500).natsMilliseconds == 1_500)
        #expect(Duration.seconds(Int64.max).natsMilliseconds == 2_000_000_000)
    }

    @Test("errors keep unknown codes and stay on one line")
    func errors() {
        let failure = NatsFailure(
            operation: "publish to a", peer: "h:1", status: NatsStatus(rawValue: 9_999),
            detail: "two\nlines")
        let all: [NatsError] = [
            .closed(failure), .disconnected(failure), .unreachable(failure),
            .authenticationFailed(failure), .tlsFailed(failure), .timedOut(failure),
            .noResponders(failure),
            .payloadTooLarge(failure), .unsupportedServer(failure), .invalid(failure),
            .failed(failure),
        ]
        for error in all {
            #expect(!"\(error)".contains { $0.isNewline })
            #expect("\(error)".hasPrefix("publish to a at h:1 failed ("))
            #expect(error.failure.status.rawValue == 9_999)
        }
        #expect(Set(all.map { "\($0)" }).count == all.count)
        #expect(
            all.map(\.isRetryable) == [
                false, true, true, false, false, true, true, false, false, false, false,
            ])
        let others: [JetStreamError] = [
            .transport(.timedOut(failure)), .unavailable(operation: "o", peer: "p"),
            .refused(operation: "o", code: 503, errorCode: 1, description: "d"),
            .refused(operation: "o", code: 400, errorCode: 1, description: "d"),
            .differs(stream: "S", differences: ["a is b, not c"]),
            .invalid(operation: "o", detail: "d"),
            .malformed(operation: "o", detail: "d"),
        ]
        #expect(others.map(\.isRetryable) == [true, true, true, false, false, false, false])
        #expect(Set(others.map { "\($0)" }).count == others.count)
    }

    @Test("addresses are split, secrets are left out")
    func addresses() {
        #expect(NatsGreeting.split("127.0.0.1:4222")?.port == "4222")
        #expect(NatsGreeting.split("[::1]:4222")?.host == "::1")
        for text in ["", "host", "host:", ":4222", "host:99999", "host:x"] {
            #expect(NatsGreeting.split(text) == nil)
        }
        let configuration = NatsConfiguration(
            urls: ["nats://u:p@h:1", "tls://k:2", "m:3"], clientName: "c")
        #expect(configuration.peer == "h:1,k:2,m:3")
    }

    @Test("requests beyond the limit are refused, late answers dropped")
    func requestTable() throws {
        let table = RequestTable()
        let numbers = (0..<NatsLimits.requestsOutstandingMax).compactMap { _ in table.open() }
        #expect(numbers.count == NatsLimits.requestsOutstandingMax)
        #expect(table.open() == nil)
        for subject in ["_INBOX.a.999999", "_INBOX.a.x", ""] {
            table.received(try NatsMessage(subject: "x\(subject)"))
        }
        table.received(try NatsMessage(subject: "_INBOX.a.\(numbers[0])", payload: [1]))
        table.received(try NatsMessage(subject: "_INBOX.a.\(numbers[0])", payload: [2]))
        guard case .answered(let message) = table.wait(numbers[0], .seconds(5)) else {
            Issue.record("no answer")
            return
        }
        #expect(message.payload == [1])
        #expect(table.wait(numbers[1], .milliseconds(1)) == nil)
        for number in numbers.dropFirst(2) { table.forget(number) }
        #expect(table.count == 0)
    }
}
