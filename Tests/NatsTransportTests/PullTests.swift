import NatsTransport
import Primitives
import TestSupport
import Testing

@Suite struct PullTests {
    /// A stream "S" with messages 1 to 6 on s.a, s.b, s.c, s.a, s.b, s.c, and a way to pull.
    struct Fixture {
        let stream: StreamFixture
        var connection: NatsConnection { stream.connection }
        var jetStream: JetStream { stream.jetStream }
        var inbox: String { stream.inbox }
        var log: MessageLog { stream.answers }

        init() throws {
            stream = try StreamFixture()
            for number in 1...6 {
                try connection.publish("\(number)", to: "s.\(["c", "a", "b"][number % 3])")
            }
            try connection.flush(timeout: patience)
            // The server stores what it has received a moment later.
            #expect(try eventually { try jetStream.streamInfo("S")?.lastSequence == 6 })
        }

        func consumer(_ filters: [String], _ deliver: ConsumerConfiguration.Deliver) throws {
            try jetStream.createConsumer(
                stream: "S",
                ConsumerConfiguration(name: "C", filterSubjects: filters, deliver: deliver))
        }

        func deleteConsumer() throws {
            let path = "$JS.API.CONSUMER.DELETE.S.C"
            let reply = try connection.request([], to: path, timeout: patience)
            #expect(try JSONValue.parse(reply.payload)["success"]?.bool == true)
        }

        func pull(
            batch: Int, expires: Duration = .seconds(20), heartbeat: Duration = .zero
        ) throws {
            try jetStream.pull(
                stream: "S", consumer: "C", batch: batch, bytesMax: nil, expires: expires,
                idleHeartbeat: heartbeat, replyTo: "\(inbox).1")
        }

        var texts: [String] { log.all.filter { $0.status == nil }.map(\.text) }
        var statuses: [Int] { log.all.compactMap(\.status) }
    }

    @Test(
        "a consumer that is not there any more is deleted, one of a stream that is not is an error")
    func deletedTwice() throws {
        let fixture = try Fixture()
        try fixture.consumer(["s.a"], .all)
        for _ in 0..<2 { try fixture.jetStream.deleteConsumer(stream: "S", "C") }
        #expect(throws: JetStreamError.self) {
            try fixture.jetStream.deleteConsumer(stream: "T", "C")
        }
    }

    @Test(
        "two filter subjects from a sequence come merged in stream order, and tell where they are")
    func twoFilters() throws {
        let fixture = try Fixture()
        try fixture.consumer(["s.a", "s.c"], .fromSequence(3))
        try fixture.pull(batch: 10)
        #expect(eventually { fixture.log.count == 3 })
        #expect(fixture.texts == ["3", "4", "6"])
        let places = fixture.log.all.compactMap {
            PulledMessage.read($0.replyTo ?? "")
        }
        #expect(places.map(\.streamSequence) == [3, 4, 6])
        #expect(places.map(\.consumerSequence) == [1, 2, 3])
        #expect(places.map(\.pending) == [2, 1, 0])
        let stored = try #require(try fixture.jetStream.message(stream: "S", sequence: 3))
        #expect(places.first?.time == stored.time)
        // The pull is still open, so a new message arrives by itself.
        try fixture.connection.publish("7", to: "s.a")
        #expect(eventually { fixture.texts == ["3", "4", "6", "7"] })
    }

    @Test("a consumer starts where it is told: at a place, or with what was stored then or later")
    func deliver() throws {
        let fixture = try Fixture()
        func time(_ sequence: UInt64, _ nanoseconds: Int64 = 0) throws -> Timestamp {
            let message = try fixture.jetStream.message(stream: "S", sequence: sequence)
            return try #require(message).time.advanced(byNanoseconds: nanoseconds)
        }
        let all = ["1", "2", "3", "4", "5", "6"]
        let starts: [(ConsumerConfiguration.Deliver, [String])] = [
            (.all, all), (.last, ["6"]), (.new, []), (.fromSequence(6), ["6"]),
            (.fromSequence(0), all), (.fromTime(try time(3)), ["3", "4", "5", "6"]),
            (.fromTime(try time(3, 1)), ["4", "5", "6"]), (.fromTime(try time(6, 1)), []),
            (.fromTime(Timestamp(nanoseconds: 0)), all),
            (.fromTime(Timestamp(nanoseconds: Int64.min)), all),
        ]
        for (deliver, expected) in starts {
            fixture.log.removeAll()
            try fixture.consumer([], deliver)
            // Without a waiting time the server answers with what it has, and a 404 for the rest.
            try fixture.pull(batch: 10, expires: .zero)
            #expect(eventually { fixture.statuses.contains { $0 == 404 || $0 == 408 } })
            #expect(fixture.texts == expected, "\(deliver)")
            try fixture.deleteConsumer()
        }
    }

    @Test("an empty pull answers 404 at once, or 408 when its time is up")
    func empty() throws {
        let fixture = try Fixture()
        try fixture.consumer(["s.none"], .all)
        try fixture.pull(batch: 1, expires: .zero)
        #expect(eventually { fixture.statuses == [404] })
        #expect(fixture.log.all.first?.statusDescription == "No Messages")
        try fixture.pull(batch: 1, expires: .milliseconds(30))
        #expect(eventually { fixture.statuses == [404, 408] })
        #expect(fixture.log.all.last?.payloadByteCount == 0)
    }

    @Test("an open pull gets heartbeats")
    func heartbeat() throws {
        let fixture = try Fixture()
        try fixture.consumer(["s.none"], .all)
        try fixture.pull(batch: 1, expires: .seconds(20), heartbeat: .milliseconds(100))
        #expect(eventually { fixture.statuses.prefix(2) == [100, 100] })
        #expect(fixture.log.all.first?.statusDescription == "Idle Heartbeat")
    }

    @Test("a pull that is open when its consumer is deleted gets 409, a later one 503 or no word")
    func deleted() throws {
        let fixture = try Fixture()
        try fixture.consumer(["s.none"], .all)
        try fixture.pull(batch: 1, heartbeat: .milliseconds(100))
        // The first heartbeat shows that the pull is open. A pull that the server handles only
        // after the deletion gets no answer.
        #expect(eventually { fixture.statuses.contains(100) })
        try fixture.deleteConsumer()
        #expect(eventually { fixture.statuses.contains(409) })
        #expect(fixture.log.all.last?.statusDescription == "Consumer Deleted")
        // 2.10 sends nothing. There a reader's stall detector finds out.
        guard fixture.connection.serverVersion?.hasPrefix("2.10.") == false else { return }
        try fixture.pull(batch: 1)
        #expect(eventually { fixture.statuses.suffix(2) == [409, 503] })
    }

    @Test("a pull is bounded by bytes")
    func bytes() throws {
        let fixture = try Fixture()
        try fixture.consumer([], .all)
        try fixture.jetStream.pull(
            stream: "S", consumer: "C", batch: 10, bytesMax: 150, expires: .seconds(20),
            idleHeartbeat: .zero, replyTo: "\(fixture.inbox).1")
        #expect(eventually { fixture.statuses == [409] })
        #expect((1...3).contains(fixture.texts.count))
    }

    @Test("a consumer of the same name with another start is refused")
    func conflict() throws {
        let fixture = try Fixture()
        try fixture.consumer(["s.a"], .fromSequence(2))
        try fixture.consumer(["s.a"], .fromSequence(2))
        try expectRefusal(400, nil) {
            try fixture.jetStream.createConsumer(
                stream: "S",
                ConsumerConfiguration(
                    name: "C", filterSubjects: ["s.a"], deliver: .fromSequence(5)))
        }
        try expectRefusal(404, 10_059) {
            try fixture.jetStream.createConsumer(
                stream: "absent",
                ConsumerConfiguration(name: "C", filterSubjects: [], deliver: .all))
        }
    }

    @Test("many messages come whole, and their memory goes with them")
    func many() throws {
        let fixture = try Fixture()
        let payload = [UInt8](repeating: 7, count: 2_000)
        for _ in 0..<5_000 {
            try fixture.connection.publish(payload, to: "s.many")
        }
        try fixture.connection.flush(timeout: patience)
        try fixture.consumer(["s.many"], .all)
        try fixture.pull(batch: 3_000)
        try fixture.pull(batch: 3_000)
        #expect(eventually { fixture.log.count == 5_000 })
        let sequences = fixture.log.all.compactMap {
            PulledMessage.read($0.replyTo ?? "")?.streamSequence
        }
        #expect(sequences == Array(7..<5_007))
        struct Weak { weak var message: NatsMessage? }
        let references = fixture.log.all.map { Weak(message: $0) }
        #expect(references.allSatisfy { $0.message != nil })
        fixture.log.removeAll()
        #expect(eventually { references.allSatisfy { $0.message == nil } })
    }
}

extension PulledMessage {
    static func read(_ subject: String) -> PulledMessage? {
        Array(subject.utf8).withRawSpan { PulledMessage(ofReplySubject: $0) }
    }
}
