import Foundation
import Primitives
import ServiceRuntime
import TestSupport
import Testing

extension IntegrationTests {
    /// The view of the usual tools for NATS services, with the shipped permissions.
    @Suite struct DiscoveryTests {
        @Test("Each service answers $SRV once, says who it is, and where its numbers are")
        func discovery() throws {
            let pipeline = try Pipeline(Pipeline.Load(ticks: 100))
            try pipeline.start(.gateway, .worker(0), .writer)
            for role in Pipeline.Role.kinds {
                #expect(try pipeline.service(role).becomesReady())
            }
            let inspector = try TapeInspector(
                port: pipeline.nats.port, user: "tool",
                password: try #require(Pipeline.natsPasswords["tool"]))
            let products = ["operator-worker", "provider-gateway", "store-writer"]
            for product in products {
                // A service may be ready a moment before it is announced.
                let isThere = try eventually {
                    try inspector.answers("$SRV.PING.\(product)", 0).count == 1
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
            for role in Pipeline.Role.kinds {
                // Asked of all instances, and of this one. The count follows the answer.
                let isCounted = try eventually {
                    try pipeline.service(role).get("/metrics").body
                        .contains(#"{question="info",result="answered"} 2"#)
                }
                #expect(isCounted, "\(role)")
                let metrics = try pipeline.service(role).get("/metrics").body
                #expect(!metrics.contains(#"result="failed""#), "\(role)")
            }
            pipeline.stopAll()
        }

        private func expectAddresses(
            _ pipeline: Pipeline, _ inspector: TapeInspector
        ) throws {
            for role in Pipeline.Role.kinds {
                let answers = try inspector.answers("$SRV.INFO.\(role.product)", 1)
                let info = try #require(answers.first)
                let port = try pipeline.service(role).port()
                #expect(info.at("metadata", "operations")?.string == "127.0.0.1:\(port)")
                #expect(info["description"]?.string?.isEmpty == false)
                let id = try #require(info["id"]?.string)
                let again = try inspector.answers("$SRV.PING.\(role.product).\(id)", 1)
                #expect(again.first?["id"]?.string == id)
            }
        }
    }
}
