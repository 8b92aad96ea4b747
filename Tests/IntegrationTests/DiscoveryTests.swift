import Foundation
import Primitives
import ServiceRuntime
import TestSupport
import Testing

extension IntegrationTests.StoredTests {
    /// The view of the usual tools for NATS services, with the shipped permissions.
    @Suite struct DiscoveryTests {
        @Test("Each service answers $SRV once, says who it is, and where its numbers are")
        func discovery() throws {
            let pipeline = try Pipeline.stored()
            let roles = Pipeline.Role.usual
            let before = try roles.map { try questions(pipeline.service($0)) }
            let inspector = try pipeline.inspector()
            let products = roles.map(\.product).sorted()
            for product in Set(products) {
                // A service may be ready a moment before it is announced.
                let isThere = try eventually {
                    try inspector.answers("$SRV.PING.\(product)", 0).count
                        == products.count { $0 == product }
                }
                #expect(isThere, "\(product)")
            }
            var ids: Set<String> = []
            for (question, type) in [("PING", "ping"), ("INFO", "info"), ("STATS", "stats")] {
                let answers = try inspector.answers("$SRV.\(question)", products.count)
                #expect(answers.compactMap { $0["name"]?.string }.sorted() == products)
                for answer in answers {
                    #expect(answer["type"]?.string == "io.nats.micro.v1.\(type)_response")
                    #expect(answer["version"]?.string == ProductVersion.text)
                    #expect(answer.at("metadata", "namespace")?.string == "md")
                    let hasEndpoints = answer["endpoints"]?.array != nil
                    #expect(hasEndpoints == (question != "PING"))
                    #expect((answer["started"]?.string != nil) == (question == "STATS"))
                    ids.insert(try #require(answer["id"]?.string))
                }
            }
            #expect(ids.count == products.count)
            try expectAddresses(pipeline, inspector)
            for (role, before) in zip(roles, before) {
                // Asked of all instances, and of its product. The count follows the answer.
                let service = try pipeline.service(role)
                let isCounted = try eventually { try questions(service) == before + 2 }
                #expect(isCounted, "\(role)")
                #expect(
                    !(try service.get("/metrics").body.contains(#"result="failed""#)), "\(role)")
            }
        }

        /// How many questions for information the service has answered.
        private func questions(_ service: ServiceProcess) throws -> Int {
            let metrics = try service.get("/metrics").body
            let count = metrics.firstMatch(of: /\{question="info",result="answered"\} (\d+)/)?.1
            return count.flatMap { Int($0) } ?? 0
        }

        private func expectAddresses(
            _ pipeline: Pipeline, _ inspector: TapeInspector
        ) throws {
            for role in Pipeline.Role.kinds {
                let peers = Pipeline.Role.usual.filter { $0.product == role.product }
                let answers = try inspector.answers("$SRV.INFO.\(role.product)", peers.count)
                let port = try pipeline.service(role).port()
                let info = try #require(
                    answers.first {
                        $0.at("metadata", "operations")?.string == "127.0.0.1:\(port)"
                    })
                #expect(info["description"]?.string?.isEmpty == false)
                let id = try #require(info["id"]?.string)
                let again = try inspector.answers("$SRV.PING.\(role.product).\(id)", 1)
                #expect(again.first?["id"]?.string == id)
            }
        }
    }
}
