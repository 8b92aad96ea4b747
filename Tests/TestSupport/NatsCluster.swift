import Foundation
import ServiceRuntime

/// Three real nats-servers that are one cluster, each with its own folder and free loopback ports.
/// They end with the value.
///
/// The servers reach each other through relays, one for each pair and direction, so that a server
/// can be cut off from the others while its clients still reach it. A benchmark does without them:
/// this process would carry every byte between the servers.
package final class NatsCluster: Sendable {
    package static let size = 3
    private static let triesMax = 5

    /// Node 0 is called `n0`, and so on.
    package let nodes: [NatsServer]
    package let monitors: [UInt16]
    private let relays: [[RouteRelay?]]

    /// Starts the servers and waits until JetStream has a leader that knows all of them. `options`
    /// are those of every node; `stores` are the folders of their streams, if those are to be
    /// somewhere else. Only with `canBeCut` are there relays. Takes other ports if a chosen one was
    /// lost.
    package init(
        _ options: NatsServer.Options = NatsServer.Options(), stores: [String]? = nil,
        canBeCut: Bool = true
    ) throws {
        var tries = 0
        while true {
            do {
                (nodes, monitors, relays) = try Self.start(options, stores, canBeCut)
                return
            } catch let error as NatsServer.StartFailed {
                tries += 1
                guard tries < Self.triesMax, error.log.contains("address already in use") else {
                    throw error
                }
            }
        }
    }

    private static func start(
        _ options: NatsServer.Options, _ stores: [String]?, _ canBeCut: Bool
    ) throws -> ([NatsServer], [UInt16], [[RouteRelay?]]) {
        let routes = (0..<size).map { _ in freePort() }
        let monitors = (0..<size).map { _ in freePort() }
        let relays = try routes.indices.map { from in
            try routes.indices.map { to in
                from == to || !canBeCut ? nil : try RouteRelay(to: routes[to])
            }
        }
        let nodes = try routes.indices.map { node in
            var own = options
            own.name = "n\(node)"
            if let stores { own.store = stores[node] }
            let urls = routes.indices.filter { $0 != node }.map {
                "\"nats://127.0.0.1:\(relays[node][$0]?.port ?? routes[$0])\""
            }
            // What a server says about its own address would lead the others past the relays. It
            // names a port on which nothing listens.
            own.extra += """

                http: "127.0.0.1:\(monitors[node])"
                cluster {
                    name: test, listen: "127.0.0.1:\(routes[node])", advertise: "127.0.0.1:1"
                    no_advertise: true, routes: [ \(urls.joined(separator: ", ")) ]
                }
                """
            return try NatsServer(own)
        }
        // A server opens the port of its routes after it says that it is ready.
        var isWhole = false
        _ = eventually {
            isWhole = Self.isWhole(monitors)
            return isWhole || nodes.contains { !$0.isRunning }
        }
        guard isWhole else {
            throw NatsServer.StartFailed(log: nodes.map(\.log).joined(separator: "\n"))
        }
        return (nodes, monitors, relays)
    }

    /// The addresses of all nodes, for a client that may use any.
    package var urls: [String] { nodes.map(\.url) }

    package static func name(_ node: Int) -> String { "n\(node)" }
    package static func number(_ name: String) -> Int? { name.last?.wholeNumberValue }

    /// Whether all servers belong to the cluster and have the same leader of JetStream.
    package var isWhole: Bool { Self.isWhole(monitors) }

    private static func isWhole(_ monitors: [UInt16]) -> Bool {
        let pages = monitors.map { metaCluster(monitor: $0) }
        let leaders = Set(pages.map { $0?.leader ?? "" })
        return leaders.count == 1 && leaders.first?.isEmpty == false
            && pages.allSatisfy { $0?.size == size }
            && pages.contains { $0?.followers == size - 1 }
    }

    private struct MetaCluster {
        let leader: String
        let size: Int
        /// The servers that are current, as the leader sees them.
        let followers: Int
    }

    private static func metaCluster(monitor port: UInt16) -> MetaCluster? {
        guard
            let page = try? HTTPProbe.get(
                host: "127.0.0.1", port: port, path: "/jsz", timeout: .seconds(2)),
            let json = try? JSONSerialization.jsonObject(with: Data(page.body)),
            let meta = (json as? [String: Any])?["meta_cluster"] as? [String: Any],
            let leader = meta["leader"] as? String, let size = meta["cluster_size"] as? Int
        else { return nil }
        let replicas = meta["replicas"] as? [[String: Any]] ?? []
        return MetaCluster(
            leader: leader, size: size,
            followers: replicas.count { $0["current"] as? Bool == true && $0["offline"] == nil })
    }

    // MARK: faults

    /// Cuts a node off from the others. Its clients stay connected.
    package func cut(_ node: Int) { eachRelay(of: node) { $0.cut() } }

    /// Ends `cut`.
    package func join(_ node: Int) { eachRelay(of: node) { $0.join() } }

    private func eachRelay(of node: Int, _ body: (RouteRelay) -> Void) {
        precondition(relays.joined().contains { $0 != nil }, "the cluster was made without relays")
        for from in 0..<Self.size {
            for to in 0..<Self.size where from == node || to == node {
                if let relay = relays[from][to] { body(relay) }
            }
        }
    }
}
