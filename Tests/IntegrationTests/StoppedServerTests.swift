import Foundation
import Primitives
import TestSupport
import Testing

extension IntegrationTests {
    /// A service that waits for a server does not hang: it stays alive and keeps its partitions.
    @Suite struct StoppedServerTests {
        enum Server: CaseIterable { case postgres, nats, valkey }

        /// The servers that are stopped at a time: different threads wait for the database and for
        /// the hot state.
        private static let stops = StormSize.size(
            short: [[Server.postgres, .valkey], [.nats]], long: Server.allCases.map { [$0] })
        /// Longer than any loop may be silent.
        private static let seconds = StormSize.size(short: 7, long: 60)
        private static let lookMilliseconds = 500

        private func stop(_ server: Server, of pipeline: Pipeline, isStopped: Bool) {
            switch server {
            case .postgres: isStopped ? pipeline.postgres.pause() : pipeline.postgres.resume()
            case .nats: isStopped ? pipeline.nats.pause() : pipeline.nats.resume()
            case .valkey: isStopped ? pipeline.valkey.pause() : pipeline.valkey.resume()
            }
        }

        /// Returns the members' messages about themselves.
        private func words(of pipeline: Pipeline) -> String {
            pipeline.running.values.flatMap { service in
                service.output.split(separator: "\n").filter {
                    $0.contains("\"member.") || $0.contains("\"owner") || $0.contains("\"nats.")
                }.suffix(20)
            }.joined(separator: "\n")
        }

        @Test("A server that is stopped: everybody stays alive, and nobody changes owner")
        func stopped() throws {
            let pipeline = try Pipeline(
                Pipeline.Load(ticks: 0, rate: 250, seed: 87), postgres: try PostgresServer())
            let roles: [Pipeline.Role] = [
                .gateway(0), .gateway(1), .worker(0), .worker(1), .writer(0), .writer(1),
            ]
            for role in roles {
                // So long that no member on a busy machine misses its own heartbeats.
                pipeline.replace(role, by: try pipeline.makeProcess(role, ["MDS_LEASE": "3s"]))
            }
            try pipeline.expectShared(.worker(0), among: 2)
            try pipeline.expectShared(.writer(0), among: 2)
            try pipeline.expectFlow()
            // A writer that has lost its session fences it with a higher epoch.
            let before = try pipeline.owners().mapValues(\.member)
            for servers in Self.stops {
                for server in servers { stop(server, of: pipeline, isStopped: true) }
                try expectAlive(roles, of: pipeline, "\(servers)")
                for server in servers { stop(server, of: pipeline, isStopped: false) }

                try pipeline.expectFlow()
                let after = try pipeline.owners().mapValues(\.member)
                let moved = before.filter { after[$0.key] != $0.value }
                #expect(
                    after == before,
                    """
                    \(moved) are \(after.filter { moved[$0.key] != nil }) after \(servers)
                    \(words(of: pipeline))
                    """)
            }
            for role in roles {
                let service = try pipeline.service(role)
                #expect(service.event("service.thread.hung") == nil, "\(service.output)")
                #expect(try service.metric("mds_threads_hung") == 0)
            }
        }

        private func expectAlive(
            _ roles: [Pipeline.Role], of pipeline: Pipeline, _ stopped: String
        ) throws {
            let end = ContinuousClock.now + .seconds(Self.seconds)
            while ContinuousClock.now < end {
                for role in roles {
                    let health = try pipeline.service(role).get("/healthz")
                    #expect(health.status == 200, "\(stopped), \(role): \(health.body)")
                }
                // This is the length of the fault, not a wait for an event.
                pass(milliseconds: Self.lookMilliseconds)
            }
        }
    }
}
