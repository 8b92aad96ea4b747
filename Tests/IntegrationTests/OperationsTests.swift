import Foundation
import Primitives
import TestSupport
import Testing

extension IntegrationTests {
    /// The operations port of each service, and its end by signals.
    @Suite struct OperationsTests {
        @Test("Each service answers what it has, and refuses the rest")
        func pages() throws {
            let pipeline = try Pipeline(Pipeline.Load(ticks: 500, rate: 500))
            try pipeline.startAll()
            for role in Pipeline.Role.usual {
                let service = try pipeline.service(role)
                #expect(try service.becomesReady())
                #expect(try service.get("/healthz").status == 200)
                let metrics = try service.get("/metrics")
                #expect(metrics.status == 200)
                let build = metrics.body.split(separator: "\n")
                    .first { $0.hasPrefix("mds_build_info{") }
                #expect(build?.contains("service=\"\(role.product)\"") == true)
                #expect(try service.status()["service"]?.string == role.product)
                #expect(try service.get("/nothing/here").status == 404)
                let posted = try service.get("/status", method: "POST")
                #expect(posted.status == 405)
                #expect(posted.head.contains("Allow: GET, HEAD"))
            }
            pipeline.stopAll()
        }

        @Test("SIGTERM under load: everything in hand is drained, and the code is 0")
        func drained() throws {
            let pipeline = try Pipeline(
                Pipeline.Load(ticks: 200_000, rate: 1_000, pace: "full", seed: 6))
            try pipeline.startAll()
            #expect(try eventually { try pipeline.number("SELECT count(*) FROM trades") > 500 })
            let gateway = try pipeline.service(.gateway)
            #expect(gateway.stop() == 0, "\(gateway.output)")
            let drained = try #require(gateway.event("gateway.drained"))
            #expect(drained["unpublished"]?.int ?? 0 == 0, "\(drained)")
            pipeline.stopAll()
        }

        @Test("A second signal ends a service at once that cannot drain")
        func secondSignal() throws {
            let pipeline = try Pipeline(
                Pipeline.Load(ticks: 500_000, rate: 1_000, pace: "full", seed: 7))
            try pipeline.start(.gateway)
            let gateway = try pipeline.service(.gateway)
            #expect(try eventually { try pipeline.generated > 0 })
            pipeline.nats.pause()
            gateway.signal(SIGTERM)
            #expect(eventually { gateway.event("service.stopping") != nil })
            gateway.signal(SIGTERM)
            #expect(gateway.exitCode() == 143)
            pipeline.nats.resume()
        }

        @Test("A service whose peers hang ends in time all the same, and not as if all were well")
        func hangingPeers() throws {
            let pipeline = try Pipeline(
                Pipeline.Load(ticks: 500_000, rate: 1_000, pace: "full", seed: 8),
                postgres: PostgresServer())
            try pipeline.startAll()
            #expect(try eventually { try pipeline.number("SELECT count(*) FROM trades") > 500 })
            pipeline.nats.pause()
            pipeline.postgres.pause()
            for role in Pipeline.Role.usual { try pipeline.service(role).signal(SIGTERM) }
            for role in Pipeline.Role.usual {
                let service = try pipeline.service(role)
                let code = service.exitCode()
                #expect(code != nil, "\(role) hangs: \(service.output.suffix(1_000))")
                service.expectCleanOutput(secrets: pipeline.secrets)
            }
            #expect(try pipeline.service(.gateway).exitCode() != 0)
            pipeline.postgres.resume()
            pipeline.nats.resume()
        }
    }
}
