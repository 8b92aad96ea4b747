import TestSupport
import Testing

@testable import NatsTransport

@Suite("Many messages with ids")
struct IdentifiedPublishTests {
    private func messages(_ numbers: ClosedRange<Int>) -> [IdentifiedMessage] {
        numbers.map { IdentifiedMessage(payload: Array("\($0)".utf8), id: "a/\($0)") }
    }

    @Test("each is stored once, in order, however many there are and however often they come")
    func stored() throws {
        let server = try NatsServer()
        let connection = try server.connect()
        defer { connection.close() }
        let jetStream = JetStream(connection)
        let (absent, _) = jetStream.publish(messages(1...3), to: "s.a")
        #expect(absent == [.noResponders, .noResponders, .noResponders])
        _ = try jetStream.createStream(StreamConfiguration(name: "S", subjects: ["s.>"]))
        #expect(jetStream.publish([], to: "s.a").outcomes.isEmpty)
        let (first, failure) = jetStream.publish(messages(1...300), to: "s.a")
        #expect(failure == nil)
        #expect(
            first == (1...300).map { .stored(sequence: UInt64($0), duplicate: false) })
        let (second, _) = jetStream.publish(messages(299...301), to: "s.a")
        #expect(
            second == [
                .stored(sequence: 299, duplicate: true), .stored(sequence: 300, duplicate: true),
                .stored(sequence: 301, duplicate: false),
            ])
        #expect(try jetStream.message(stream: "S", sequence: 77)?.payload == Array("77".utf8))
    }

    @Test("without a link none is known to be stored, and nobody waits for each of them")
    func gone() throws {
        let server = try NatsServer()
        let connection = try server.connect()
        defer { connection.close() }
        server.kill()
        #expect(eventually { !connection.isConnected })
        let (outcomes, failure) = JetStream(connection).publish(messages(1...500), to: "s.a")
        #expect(outcomes.count == 500 && outcomes.allSatisfy { $0 == nil })
        #expect(failure != nil)
    }
}
