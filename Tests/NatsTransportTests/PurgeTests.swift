import NatsTransport
import Primitives
import TestSupport
import Testing

@Suite struct PurgeTests {
    private let server: NatsServer
    private let jetStream: JetStream

    init() throws {
        server = try NatsServer()
        jetStream = JetStream(try server.connect())
        _ = try jetStream.createStream(
            StreamConfiguration(name: "S", subjects: ["a.*", "b"], maxBytes: 1 << 20))
        for number in 1...12 {
            let subject = ["a.1", "a.2", "b"][number % 3]
            _ = try jetStream.connection.request(
                Array("\(number)".utf8), to: subject, timeout: patience)
        }
    }

    private func left() throws -> [UInt64] {
        try (1...12).filter { try jetStream.message(stream: "S", sequence: $0) != nil }
    }

    @Test("only what is below the sequence on the subject goes")
    func one() throws {
        #expect(try jetStream.purge(stream: "S", subject: "a.1", below: 7) == 2)
        #expect(try left() == [1, 2, 4, 5, 7, 8, 9, 10, 11, 12].filter { $0 != 3 && $0 != 6 })
        #expect(try jetStream.purge(stream: "S", subject: "a.1", below: 7) == 0)
        #expect(try jetStream.purge(stream: "S", subject: "a.1", below: 9) == 0)
        #expect(try jetStream.purge(stream: "S", subject: "a.*", below: 11) == 5)
        #expect(try left() == [2, 5, 8, 11, 12])
        #expect(try jetStream.purge(stream: "S", subject: "c", below: 100) == 0)
    }

    @Test("below a sequence, whatever the subject")
    func front() throws {
        #expect(try jetStream.purge(stream: "S", below: 5) == 4)
        #expect(try left() == Array(5...12))
        #expect(try jetStream.purge(stream: "S", below: 4) == 0)
        #expect(try jetStream.purge(stream: "S", below: 13) == 8)
        #expect(try jetStream.streamInfo("S")?.lastSequence == 12)
        #expect(try jetStream.purge(stream: "S", below: 100) == 0)
        #expect(try jetStream.streamInfo("S")?.lastSequence == 99, "as its comment says")
    }

    @Test("below 0 and below 1 there is nothing: not what the server takes it for")
    func nothing() throws {
        for sequence: UInt64 in [0, 1] {
            #expect(try jetStream.purge(stream: "S", below: sequence) == 0)
        }
        #expect(try jetStream.purge(stream: "S", subject: ">", below: 0) == 0)
        #expect(try jetStream.purge(stream: "S", subject: "b", below: 1) == 0)
        #expect(try left().count == 12)
    }

    @Test("what cannot be asked for is refused before it is sent, a stream that is not there after")
    func refused() throws {
        #expect(throws: JetStreamError.self) {
            try jetStream.purge(stream: "S.T", subject: "b", below: 2)
        }
        #expect(throws: JetStreamError.self) {
            try jetStream.purge(stream: "S", subject: "b c", below: 2)
        }
        #expect(throws: JetStreamError.self) {
            try jetStream.purge(stream: "T", subject: "b", below: 2)
        }
        #expect(try left().count == 12)
    }

    @Test("one message at a time")
    func single() throws {
        #expect(try jetStream.deleteMessage(stream: "S", sequence: 3))
        #expect(try !jetStream.deleteMessage(stream: "S", sequence: 3))
        #expect(throws: JetStreamError.self, "behind the end") {
            try jetStream.deleteMessage(stream: "S", sequence: 99)
        }
        #expect(try !jetStream.deleteMessage(stream: "S", sequence: 0))
        #expect(try left() == [1, 2] + Array(4...12))
        #expect(throws: JetStreamError.self) {
            try jetStream.deleteMessage(stream: "T", sequence: 1)
        }
    }
}
