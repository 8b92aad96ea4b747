import NatsTransport
import Primitives
import TestSupport
import Testing

/// The password by which servers of one cluster know each other.
@Suite struct RoutePasswordTests {
    @Test("a new one counts in the running servers, and messages go between them again")
    func reload() throws {
        let ports = (0..<3).map { _ in freePort() }
        let urls = ports.map { "\"nats://t:first@127.0.0.1:\($0)\"" }.joined(separator: ", ")
        let servers = try ports.indices.map { node in
            var options = NatsServer.Options()
            options.name = "r\(node)"
            options.jetStream = false
            // As in deploy/nats/cluster.conf.
            options.extra = """
                cluster {
                    name: routes, listen: "127.0.0.1:\(ports[node])", no_advertise: true
                    authorization { user: t, password: "first", timeout: 2 }
                    routes: [ \(urls) ]
                }
                """
            return try NatsServer(options)
        }
        let (near, far) = (EventLog(), EventLog())
        let from = try servers[0].connect(near)
        let to = try servers[2].connect(far)
        let log = try MessageLog("a", on: to)
        func flows() throws -> Bool {
            let before = log.count
            return try eventually {
                try from.publish("x", to: "a")
                return log.count > before
            }
        }
        #expect(try flows())
        for server in servers {
            try server.rewriteConfiguration("first", "second")
            server.reload()
        }
        let isRead = eventually {
            servers.allSatisfy { $0.log.contains("Reloaded: cluster routes") }
        }
        #expect(isRead, "\(servers.map(\.log))")
        #expect(try flows())
        // Clients stay where they are.
        #expect(near.disconnectedCount == 0 && far.disconnectedCount == 0)
        #expect(servers.allSatisfy { $0.isRunning })
        withExtendedLifetime(to) {}
    }
}
