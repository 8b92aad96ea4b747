import NatsTransport
import TestSupport
import Testing

@Suite("An inbox that a thread fetches from")
struct NatsInboxTests {
    private func received(_ inbox: NatsInbox, max: Int = 10) -> ([NatsMessage], NatsInbox.Outcome) {
        var messages: [NatsMessage] = []
        var outcome = NatsInbox.Outcome()
        _ = eventually {
            let one = inbox.receive(into: &messages, max: max, timeout: .milliseconds(10))
            outcome.received += one.received
            outcome.noResponders += one.noResponders
            outcome.isClosed = outcome.isClosed || one.isClosed
            return outcome != NatsInbox.Outcome()
        }
        return (messages, outcome)
    }

    @Test("messages come in order, at most as many as are asked for")
    func order() throws {
        let server = try NatsServer()
        let connection = try server.connect()
        let inbox = try connection.openInbox()
        for number in 0..<5 {
            try connection.publish("\(number)", to: "\(inbox.prefix).p1.\(number)")
        }
        try connection.flush(timeout: patience)
        #expect(eventually { inbox.waiting == 5 })
        let (first, outcome) = received(inbox, max: 3)
        #expect(outcome.received == 3)
        #expect(first.map(\.text) == ["0", "1", "2"])
        #expect(inbox.waiting == 2)
        let (rest, _) = received(inbox)
        #expect(rest.map(\.subject) == (3..<5).map { "\(inbox.prefix).p1.\($0)" })
    }

    @Test("nothing there is nothing, and no failure")
    func nothing() throws {
        let server = try NatsServer()
        let inbox = try server.connect().openInbox()
        var messages: [NatsMessage] = []
        let outcome = inbox.receive(into: &messages, max: 10, timeout: .milliseconds(1))
        #expect(messages.isEmpty)
        // Its last reference may or may not have released the connection yet.
        #expect(outcome.received == 0 && outcome.noResponders == 0)
    }

    @Test("nobody there to answer is told, beside what did come")
    func noResponders() throws {
        let server = try NatsServer()
        let connection = try server.connect()
        let inbox = try connection.openInbox()
        try connection.publish("?", to: "nobody", replyTo: "\(inbox.prefix).p1.1")
        try connection.publish("!", to: "\(inbox.prefix).p1.2")
        try connection.flush(timeout: patience)
        let (messages, outcome) = received(inbox)
        #expect(messages.map(\.text) == ["!"])
        #expect(outcome == NatsInbox.Outcome(received: 1, noResponders: 1, isClosed: false))
    }

    @Test("messages come again after the link was lost")
    func reconnect() throws {
        let (server, connection, events) = try NatsServer.connected()
        let inbox = try connection.openInbox()
        try server.restart()
        #expect(eventually { events.reconnectedCount == 1 })
        try connection.publish("again", to: "\(inbox.prefix).x")
        #expect(received(inbox).0.map(\.text) == ["again"])
    }

    @Test("the end of the connection is told")
    func closed() throws {
        let server = try NatsServer()
        let connection = try server.connect()
        let inbox = try connection.openInbox()
        connection.close()
        #expect(received(inbox).1 == NatsInbox.Outcome(received: 0, isClosed: true))
    }
}
