import NatsTransport
import Primitives
import TestSupport
import Testing

@Suite struct JetStreamTests {
    private typealias Fixture = StreamFixture

    @Test("compare-and-set stores on a match and names the present sequence otherwise")
    func compareAndSet() throws {
        let fixture = try Fixture()
        #expect(
            try fixture.publish("a", to: "s.1", expected: 0)
                == .stored(sequence: 1, duplicate: false))
        #expect(
            try fixture.publish("b", to: "s.2", expected: 0)
                == .stored(sequence: 2, duplicate: false))
        #expect(
            try fixture.publish("c", to: "s.1", expected: 1)
                == .stored(sequence: 3, duplicate: false))
        #expect(
            try fixture.publish("d", to: "s.1", expected: 1) == .wrongLastSequence(present: 3))
        #expect(
            try fixture.publish("d", to: "s.3", expected: 9) == .wrongLastSequence(present: 0))
        #expect(try fixture.publish("d", to: "other", expected: 0) == .noResponders)
        #expect(try fixture.jetStream.streamInfo("S")?.lastSequence == 3)
    }

    @Test("a stream that lacks subjects gets them, and one that differs otherwise stays")
    func extended() throws {
        let fixture = try Fixture()
        var wanted = StreamConfiguration(name: "S", subjects: ["s.>", "t.1"])
        wanted.metadata = ["made": "by a test"]
        // Different metadata also count as a difference.
        #expect(throws: JetStreamError.self) {
            try fixture.jetStream.createOrExtendStream(wanted)
        }
        wanted.metadata = [:]
        let info = try fixture.jetStream.createOrExtendStream(wanted)
        #expect(Set(info.configuration.subjects) == ["s.>", "t.1"])
        #expect(
            try fixture.publish("a", to: "t.1", expected: 0)
                == .stored(sequence: 1, duplicate: false))
        // A setup never removes subjects.
        wanted.subjects = ["t.1"]
        #expect(throws: JetStreamError.self) {
            try fixture.jetStream.createOrExtendStream(wanted)
        }
        #expect(try fixture.jetStream.streamInfo("S")?.configuration.subjects.count == 2)
    }

    @Test("a stream that grows keeps all else, also what this client has no name for")
    func grown() throws {
        let fixture = try Fixture()
        _ = try fixture.connection.request(
            Array(
                "{\"name\":\"T\",\"subjects\":[\"t.1\"],\"compression\":\"s2\",\"max_bytes\":1000}"
                    .utf8),
            to: "$JS.API.STREAM.CREATE.T", timeout: patience)
        let small = try #require(try fixture.jetStream.streamInfo("T"))
        let large = try fixture.jetStream.growStream(small, to: 2_000)
        #expect(large.configuration.maxBytes == 2_000)
        #expect(try fixture.jetStream.growStream(large, to: 1_500) == large)
        var wanted = large.configuration
        wanted.subjects += ["t.2"]
        wanted.maxBytes = 10
        let both = try fixture.jetStream.createOrExtendStream(wanted)
        #expect(both.configuration.subjects.count == 2 && both.configuration.maxBytes == 2_000)
        let answer = try fixture.connection.request(
            [], to: "$JS.API.STREAM.INFO.T", timeout: patience)
        #expect(try JSONValue.parse(answer.payload)["config"]?["compression"]?.string == "s2")
        let endless = try #require(try fixture.jetStream.streamInfo("S"))
        #expect(try fixture.jetStream.growStream(endless, to: 1_500) == endless)
    }

    @Test("a stream that was changed is as old as before, also after restarts of its server")
    func age() throws {
        let fixture = try Fixture()
        let made = try #require(try fixture.jetStream.streamInfo("S")).created
        try fixture.server.restart()
        let changed = try JetStream(fixture.server.connect()).createOrExtendStream(
            StreamConfiguration(name: "S", subjects: ["s.>", "t.1"]))
        #expect(changed.created == made)
        try fixture.server.restart()
        let again = try JetStream(fixture.server.connect()).streamInfo("S")
        #expect(again?.created == made)
        #expect(again?.configuration.subjects.count == 2)
    }

    @Test("a message id that comes twice is a duplicate")
    func duplicate() throws {
        let fixture = try Fixture()
        for round in 0..<2 {
            try fixture.connection.publish(
                [1], to: "s.1", replyTo: "\(fixture.inbox).1", headers: [("Nats-Msg-Id", "one")])
            #expect(eventually { fixture.answers.count == round + 1 })
        }
        let outcomes = fixture.answers.all.map { JetStream.publishOutcome(of: $0) }
        #expect(
            outcomes == [
                .stored(sequence: 1, duplicate: false), .stored(sequence: 1, duplicate: true),
            ])
    }

    @Test("a full stream refuses what is new")
    func full() throws {
        let fixture = try Fixture()
        _ = try fixture.jetStream.createStream(
            StreamConfiguration(name: "T", subjects: ["t.>"], maxBytes: 300, maxMessageBytes: 220))
        let text = String(repeating: "x", count: 100)
        #expect(
            try fixture.publish(text, to: "t.1", expected: 0)
                == .stored(sequence: 1, duplicate: false))
        guard
            case .refused(_, let errorCode, let description) = try fixture.publish(
                text, to: "t.1", expected: 1)
        else {
            Issue.record("a full stream took a message")
            return
        }
        #expect(errorCode == 10_077)
        #expect(description.contains("maximum bytes exceeded"))
        guard
            case .refused(_, 10_054, _) = try fixture.publish(
                text + text, to: "t.1", expected: 1)
        else {
            Issue.record("a message above the stream's limit was taken")
            return
        }
    }

    @Test("a stream is made once; making it again the same is fine")
    func createStream() throws {
        let fixture = try Fixture()
        var wanted = StreamConfiguration(
            name: "MD_TICKS_0", subjects: ["md.ticks.*.>", "md.wm.0.>"], maxBytes: 1 << 30,
            maxMessageBytes: 1 << 19, metadata: ["partitions": "32", "namespace": "md"])
        wanted.duplicateWindow = .milliseconds(100)
        wanted.maxAge = .seconds(3_600)
        let made = try fixture.jetStream.createStream(wanted)
        #expect(made.configuration == wanted)
        #expect(made.messages == 0)
        #expect(made.bytes == 0)
        #expect(made.lastSequence == 0)
        let again = try fixture.jetStream.createStream(wanted)
        for var info in [again, try #require(try fixture.jetStream.streamInfo("MD_TICKS_0"))] {
            #expect(made.answered.isDefined && info.answered > made.answered)
            info.answered = made.answered
            #expect(info == made)
        }
        #expect(wanted.differences(from: made.configuration) == [])
        #expect(try fixture.jetStream.streamInfo("absent") == nil)
    }

    @Test("a stream that exists and differs is named with its differences")
    func differs() throws {
        let fixture = try Fixture()
        var old = StreamConfiguration(
            name: "T", subjects: ["t.>"], metadata: ["partitions": "16", "note": "x"])
        old.discard = .old
        _ = try fixture.jetStream.createStream(old)
        let wanted = StreamConfiguration(
            name: "T", subjects: ["t.>"], maxBytes: 1_000_000, metadata: ["partitions": "32"])
        let error = try jetStreamFailure { try fixture.jetStream.createStream(wanted) }
        #expect(
            error
                == .differs(
                    stream: "T",
                    differences: [
                        "discard is old, not new", "max_bytes is -1, not 1000000",
                        "metadata partitions is 16, not 32",
                    ]))
        #expect(!error.isRetryable)
        #expect(try fixture.jetStream.streamInfo("T")?.configuration == old)
    }

    @Test("a stream that the server refuses carries its reason")
    func refusedStream() throws {
        let fixture = try Fixture()
        try expectRefusal(400, 10_065) {
            try fixture.jetStream.createStream(
                StreamConfiguration(name: "T", subjects: ["s.1"]))
        }
        try expectRefusal(400, 0) {
            try fixture.jetStream.createStream(
                StreamConfiguration(name: "a.b", subjects: ["t.1"]))
        }
    }

    @Test("the last message of a subject, and one by its sequence, come back whole")
    func lastMessage() throws {
        let fixture = try Fixture()
        let jetStream = fixture.jetStream
        let before = try #require(try jetStream.streamInfo("S")).created
        for number in 0..<3 {
            _ = try fixture.publish(
                "text \(number)", to: "s.\(number % 2)", expected: number < 2 ? 0 : 1)
        }
        let last = try #require(try jetStream.lastMessage(stream: "S", subject: "s.0"))
        #expect(last.sequence == 3)
        #expect(last.subject == "s.0")
        #expect(last.payload == Array("text 2".utf8))
        #expect(last.time > before)
        #expect(last.headers?.contains("Nats-Expected-Last-Subject-Sequence: 1") == true)
        let second = try #require(try jetStream.message(stream: "S", sequence: 2))
        #expect(second.payload == Array("text 1".utf8))
        #expect(try jetStream.message(stream: "S", sequence: 4) == nil)
        #expect(try jetStream.message(stream: "S", sequence: 0) == nil)
        #expect(try jetStream.lastMessage(stream: "S", subject: "s.9") == nil)
        try expectRefusal(404, 10_059) {
            try jetStream.lastMessage(stream: "absent", subject: "s.0")
        }
    }

    @Test(
        "binary payloads and those above 64 KiB survive the API", arguments: [0, 1, 255, 100_001])
    func binary(byteCount: Int) throws {
        let fixture = try Fixture()
        var random = SeededRandom(seed: 7)
        let payload = (0..<byteCount).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        try fixture.connection.publish(payload, to: "s.1", replyTo: "\(fixture.inbox).1")
        #expect(eventually { fixture.answers.count == 1 })
        let last = try #require(try fixture.jetStream.lastMessage(stream: "S", subject: "s.1"))
        #expect(last.payload == payload)
        #expect(last.headers == nil)
    }

    @Test("without JetStream the error says so")
    func noJetStream() throws {
        var options = NatsServer.Options()
        options.jetStream = false
        let server = try NatsServer(options)
        let jetStream = JetStream(try server.connect())
        let error = try jetStreamFailure { try jetStream.streamInfo("S") }
        guard case .unavailable = error else {
            Issue.record("\(error)")
            return
        }
        #expect("\(error)".contains("check that it is enabled"))
        #expect(error.isRetryable)
    }

    @Test("a closed connection is a transport error")
    func transport() throws {
        let fixture = try Fixture()
        fixture.connection.close()
        let error = try jetStreamFailure { try fixture.jetStream.streamInfo("S") }
        try expectFailure(NatsError.closed) { throw error }
        #expect(!error.isRetryable)
    }
}
