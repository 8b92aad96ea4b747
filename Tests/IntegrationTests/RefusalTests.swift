import Primitives
import TestSupport
import Testing

extension IntegrationTests.StoredTests {
    /// Services that a deployment refuses. They run beside those of the deployment and do not
    /// disturb them.
    @Suite struct RefusalTests {
        @Test("A wrong password at NATS ends the process with one line")
        func wrongNatsPassword() throws {
            let pipeline = try Pipeline.stored()
            for role in Pipeline.Role.further {
                let service = try pipeline.makeProcess(role, ["NATS_PASSWORD": "wrong-secret-f00"])
                service.expectEnd(
                    saying: "NATS_PASSWORD", secrets: pipeline.secrets + ["wrong-secret-f00"])
            }
        }

        @Test("A user at NATS without the rights is told of in the log and by readiness")
        func wrongRights() throws {
            let pipeline = try Pipeline.stored()
            let service = try pipeline.makeProcess(
                .gateway(9),
                [
                    "GATEWAY_SOURCE": "refused",
                    "NATS_USER": "writer",
                    "NATS_PASSWORD": try #require(Pipeline.natsPasswords["writer"]),
                ])
            #expect(eventually { service.event("nats.connection.complaint") != nil })
            #expect(try service.get("/readyz").status == 503)
            let complaint = service.event("nats.connection.complaint")
            #expect(complaint?["reason"]?.string?.lowercased().contains("permission") == true)
            service.expectCleanOutput(secrets: pipeline.secrets)
            service.kill()
        }

        @Test("Other partitions than the namespace was made with end the process with one line")
        func otherPartitions() throws {
            let pipeline = try Pipeline.stored()
            for role in Pipeline.Role.further {
                let service = try pipeline.makeProcess(role, ["MDS_PARTITIONS": "16"])
                service.expectEnd(saying: "MDS_PARTITIONS", secrets: pipeline.secrets)
            }
        }
    }
}
