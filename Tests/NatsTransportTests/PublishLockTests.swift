import Primitives
import TestSupport
import Testing

@testable import NatsTransport

/// What a publish waits for.
@Suite struct PublishLockTests {
    @Test("a publish takes no lock of the connection")
    func noLock() throws {
        let server = try NatsServer.shared()
        let connection = try server.connect(EventLog())
        let log = try MessageLog("lock.>", on: connection)
        let failure = Locked<String?>("it did not return")
        let isDone = Locked(false)
        connection.links.withLock { _ in
            let thread = TestThread {
                do {
                    try connection.publish("x", to: "lock.a")
                    failure.withLock { $0 = nil }
                } catch {
                    failure.withLock { $0 = "\(error)" }
                }
                isDone.withLock { $0 = true }
            }
            _ = eventually { isDone.withLock { $0 } }
            withExtendedLifetime(thread) {}
        }
        let reason = failure.withLock { $0 }
        #expect(reason == nil)
        #expect(eventually { log.count == 1 })
    }

    @Test("links that are replaced end what was begun on them, and the oldest are freed")
    func replaced() throws {
        let server = try NatsServer.shared()
        let configuration = NatsConfiguration(urls: [server.url], clientName: "test")
        weak var first: NatsLink?
        let rounds = NatsLimits.formerLinksMax + 1
        var state: LinkState?
        for _ in 0...rounds {
            let number = EventRegistry.reserve()
            let link = try NatsConnection.connect(configuration, events: number)
            if state == nil { first = link }
            if state == nil { state = LinkState(link: link) } else { state?.replace(by: link) }
            #expect(state?.link === link)
        }
        #expect(first == nil)
    }
}
