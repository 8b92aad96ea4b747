import Primitives
import TestSupport
import Testing

extension IntegrationTests.StoredTests {
    /// The operations port of each service.
    @Suite struct OperationsPageTests {
        @Test("Each service answers what it has, and refuses the rest")
        func pages() throws {
            let pipeline = try Pipeline.stored()
            for role in Pipeline.Role.usual {
                let service = try pipeline.service(role)
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
        }
    }
}
