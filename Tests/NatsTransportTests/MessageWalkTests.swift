import Primitives
import TestSupport
import Testing

@testable import NatsTransport

@Suite("Walking over stored messages")
struct MessageWalkTests {
    private final class Calls: Sendable {
        private let calls = Locked(0)
        func add() { calls.withLock { $0 += 1 } }
        var count: Int { calls.withLock { $0 } }
    }

    private struct Fixture {
        let server: NatsServer
        let connection: NatsConnection
        let jetStream: JetStream
        let calls = Calls()

        init() throws {
            server = try NatsServer()
            connection = try server.connect()
            let calls = calls
            jetStream = JetStream(connection) { _ in calls.add() }
            _ = try JetStream(connection).createStream(
                StreamConfiguration(name: "S", subjects: ["s.>"]))
        }

        func publish(_ count: Int, to subject: String, id: String) {
            let messages = (0..<count).map {
                IdentifiedMessage(payload: Array("\(id)\($0)".utf8), id: "\(id)\($0)")
            }
            let (outcomes, failure) = JetStream(connection).publish(messages, to: subject)
            #expect(failure == nil && outcomes.allSatisfy { $0 != nil })
        }

        /// Returns what the walk finds, and the number of steps.
        func walk(
            _ subject: String, from: UInt64 = 1, through last: UInt64
        ) throws -> (sequences: [UInt64], steps: Int) {
            var walk = MessageWalk(stream: "S", subject: subject, from: from, through: last)
            var sequences: [UInt64] = []
            var steps = 0
            while !walk.isOver {
                sequences += try walk.step(jetStream).map(\.sequence)
                steps += 1
            }
            #expect(try walk.step(jetStream).isEmpty)
            return (sequences, steps)
        }
    }

    @Test("every message of the subject comes once, in order, and many in one wait")
    func all() throws {
        let fixture = try Fixture()
        fixture.publish(1_000, to: "s.1.a", id: "x")
        let (found, steps) = try fixture.walk("s.1.a", through: 1_000)
        #expect(found == Array(1...1_000))
        // Steps of 8, 16, 32, 64, and then 128.
        #expect(steps == 11 && fixture.calls.count == steps)
        let (part, _) = try fixture.walk("s.1.a", from: 300, through: 310)
        #expect(part == Array(300...310))
        #expect(try fixture.walk("s.1.a", from: 5, through: 4) == ([], 0))
        // Messages stored later are not included, and a purge ends the walk.
        fixture.publish(10, to: "s.1.a", id: "y")
        #expect(try fixture.walk("s.1.a", from: 990, through: 1_000).sequences.last == 1_000)
        #expect(try fixture.walk("s.1.a", from: 990, through: 2_000).sequences.last == 1_010)
        #expect(try fixture.walk("s.1.a", from: 990, through: .max).sequences.last == 1_010)
        #expect(try fixture.walk("s.1.a", from: .max, through: .max) == ([], 0))
        _ = try fixture.jetStream.purge(stream: "S", below: 900)
        #expect(try fixture.walk("s.1.a", through: 1_000).sequences == Array(900...1_000))
    }

    @Test("messages of other subjects in between are passed over, and cost few requests")
    func sparse() throws {
        let fixture = try Fixture()
        fixture.publish(3, to: "s.1.a", id: "a")
        fixture.publish(500, to: "s.1.b", id: "b")
        fixture.publish(3, to: "s.2.a", id: "c")
        fixture.publish(500, to: "s.2.b", id: "d")
        fixture.publish(200, to: "s.1.a", id: "e")
        let (found, steps) = try fixture.walk("s.*.a", through: 1_206)
        #expect(found == Array(1...3) + Array(504...506) + Array(1_007...1_206))
        #expect(steps < 12)
        #expect(try fixture.walk("s.*.c", through: 1_206).sequences.isEmpty)
    }

    @Test("after a failure it goes on where it stood, and no request is left waiting")
    func failure() throws {
        let fixture = try Fixture()
        fixture.publish(100, to: "s.a", id: "x")
        var walk = MessageWalk(stream: "S", subject: "s.a", from: 1, through: 100)
        var found = try walk.step(fixture.jetStream).map(\.sequence)
        fixture.server.kill()
        #expect(eventually { !fixture.connection.isConnected })
        #expect(throws: JetStreamError.self) { _ = try walk.step(fixture.jetStream) }
        #expect(fixture.connection.requests.count == 0)
        try fixture.server.start()
        #expect(eventually { fixture.connection.isConnected })
        #expect(eventually { (try? fixture.jetStream.streamInfo("S")) != nil })
        while !walk.isOver { found += try walk.step(fixture.jetStream).map(\.sequence) }
        #expect(found == Array(1...100))
        var absent = MessageWalk(stream: "T", subject: "s.a", from: 1, through: 9)
        #expect(throws: JetStreamError.self) { _ = try absent.step(fixture.jetStream) }
        #expect(fixture.connection.requests.count == 0)
    }
}
