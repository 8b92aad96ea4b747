import Foundation
import Primitives
import TestSupport
import Testing

extension IntegrationTests {
    /// The end of services by signals.
    @Suite struct OperationsTests {
        @Test("With peers that hang a service ends in time; with peers that work it drains")
        func underLoad() throws {
            let pipeline = try Pipeline(
                Pipeline.Load(ticks: 2_000_000, rate: 1_000, pace: "full", seed: 8),
                postgres: PostgresServer())
            try pipeline.startAll()
            #expect(try eventually { try pipeline.number("SELECT count(*) FROM trades") > 500 })
            try expectEndsWithHangingPeers(pipeline)

            try pipeline.startAll()
            try pipeline.expectFlow()
            let gateway = try pipeline.service(.gateway)
            #expect(gateway.stop() == 0, "\(gateway.output)")
            let drained = try #require(gateway.event("gateway.drained"))
            #expect(drained["unpublished"]?.int ?? 0 == 0, "\(drained)")
            pipeline.stopAll()
        }

        /// The services end, and not as if all were well.
        private func expectEndsWithHangingPeers(_ pipeline: Pipeline) throws {
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

        @Test("A second signal ends a service at once that cannot drain")
        func secondSignal() throws {
            let pipeline = try Pipeline(
                Pipeline.Load(ticks: 500_000, rate: 1_000, pace: "full", seed: 7),
                withDatabase: false)
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
    }
}
