import NatsTransport
import TapeProtocol
import TestSupport
import Testing

@testable import TapeTransport

/// Which servers are accepted for the tape, and what happens to a link to another one.
@Suite struct ServerVettingTests {
    @Test(
        "one copy needs 2.10.26; more need 2.11.15, or 2.12.6 in its series",
        arguments: [
            ("2.10.25", false, false, false), ("2.9.10", false, false, false),
            ("", false, false, false), ("main", false, false, false),
            ("2.10.26", true, true, false), ("2.10.29", true, true, false),
            ("2.11.0-RC.1", true, true, false), ("2.11.14", true, true, false),
            ("2.11.15", true, false, true), ("2.11.20", true, false, true),
            ("2.12.0", true, true, false), ("2.12.5", true, true, false),
            ("2.12.6", true, false, true), ("2.15.1", true, false, true),
            ("3.0", true, false, true),
        ])
    func floors(version: String, serves: Bool, warns: Bool, servesCopies: Bool) {
        let single = ServerFloor.verdict(version: version, copies: 1)
        let replicated = ServerFloor.verdict(version: version, copies: 3)
        switch single {
        case .good: #expect(serves && !warns)
        case .old(let reason): #expect(serves && warns && reason.contains("or newer"))
        case .refused(let reason): #expect(!serves && reason.contains("2.10.26"))
        }
        if case .refused(let reason) = replicated {
            #expect(!servesCopies && reason.contains("or newer is needed"))
        } else {
            #expect(servesCopies && replicated == .good)
        }
    }

    @Test("a link to a server that is too old is not used; the next one is")
    func reconnect() throws {
        let tape = try TapeServer()
        let proxy = try NatsProxy(to: tape.server.port)
        let rig = try tape.openRig(through: proxy)
        rig.pass(3)
        proxy.pretend(version: "2.10.20")
        proxy.cut()
        #expect(rig.run { rig.log.count("\"nats.server.refused\"") == 1 })
        #expect(rig.log.lines(with: "nats.server.refused").first?.contains("2.10.20") == true)
        let (publishes, pulls) = (proxy.seen(.publish), proxy.seen(.pull))
        rig.offer(0, ticks: 2)
        #expect(rig.run { rig.log.count("not used: it is too old") > 3 })
        #expect(proxy.seen(.publish) == publishes && proxy.seen(.pull) == pulls)
        #expect(!rig.client.connection.isConnected && rig.reconnects == 0)
        // An older version than recommended, which serves a single copy.
        proxy.pretend(version: "2.11.3")
        proxy.cut()
        #expect(rig.run { rig.reconnects == 1 && rig.hasTakenAll(0) })
        #expect(rig.log.count("\"nats.server.old\"") >= 1)
        proxy.pretend(version: nil)
        proxy.cut()
        #expect(rig.publishPackets(2, lane: 0))
        rig.expectTakenOnce(0)
        #expect(rig.log.count("\"nats.server.refused\"") == 1)
    }
}
