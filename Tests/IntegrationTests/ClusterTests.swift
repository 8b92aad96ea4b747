import Foundation
import Primitives
import TestSupport
import Testing

extension IntegrationTests {
    /// All services on a cluster of three servers of NATS with three copies, and what happens to
    /// them when servers of it fail. Afterwards the audit is clean.
    @Suite(StormSize.night) struct ClusterTests {
        private static let load = Pipeline.Load(
            ticks: 16_000, rate: 400, backlogSeconds: 10, seed: 7)

        /// Expects rows to be written, until all ticks are rows.
        private func expectFlow(
            _ pipeline: Pipeline, _ location: SourceLocation = #_sourceLocation
        ) throws {
            let sql = "SELECT (SELECT count(*) FROM trades) + (SELECT count(*) FROM quotes)"
            let rows = try pipeline.number(sql)
            let flows = try eventually {
                let now = try pipeline.number(sql)
                return now > rows || now >= Self.load.ticks
            }
            #expect(flows, "no row after \(rows)", sourceLocation: location)
        }

        private func begun() throws -> (Pipeline, NatsCluster) {
            let pipeline = try Pipeline(Self.load, isCluster: true)
            try pipeline.startAll()
            try pipeline.expectShared(.worker(0), among: 2)
            try expectFlow(pipeline)
            return (pipeline, try #require(pipeline.cluster))
        }

        /// The owners, as soon as the leader of their records answers.
        private func owners(_ pipeline: Pipeline) throws -> [String: TapeInspector.Owner] {
            var found: [String: TapeInspector.Owner]?
            #expect(
                eventually {
                    found = try? pipeline.owners()
                    return found != nil
                })
            return try #require(found)
        }

        /// The members that lost a partition, by their logs.
        private func losses(_ pipeline: Pipeline) -> [String] {
            pipeline.running.filter { $0.value.output.contains("\"member.partition.lost\"") }
                .map { "\($0.key)" }
        }

        @Test("a killed server of three: nobody changes owner, and nothing is lost or doubled")
        func killed() throws {
            let (pipeline, cluster) = try begun()
            let owners = try pipeline.owners()
            for node in [1, 2] {
                cluster.nodes[node].kill()
                try expectFlow(pipeline)
                try cluster.nodes[node].start()
                #expect(eventually { cluster.isWhole })
            }
            #expect(try self.owners(pipeline) == owners)
            #expect(losses(pipeline).isEmpty)
            try pipeline.expectAllStored(within: 240)
        }

        @Test("a frozen server: the members on it pause, and are taken over once")
        func frozen() throws {
            let (pipeline, cluster) = try begun()
            // A worker that knows only this server.
            #expect(try pipeline.end(.worker(1)) == 0)
            pipeline.replace(
                .worker(1),
                by: try pipeline.makeProcess(.worker(1), ["NATS_URL": cluster.nodes[2].url]))
            try pipeline.expectShared(.worker(0), among: 2)
            let before = try pipeline.owners()
            cluster.nodes[2].pause()
            try pipeline.expectShared(.worker(0), among: 1)
            let during = try owners(pipeline)
            for (key, owner) in during where key.hasPrefix("operator.") {
                let isTaken = before[key]?.member != owner.member
                #expect(owner.epoch == (before[key]?.epoch ?? 0) + (isTaken ? 1 : 0), "\(key)")
            }
            try expectFlow(pipeline)
            cluster.nodes[2].resume()
            #expect(eventually { cluster.isWhole })
            try pipeline.expectShared(.worker(0), among: 2)
            try pipeline.expectAllStored(within: 240)
        }

        @Test(
            "two of three servers down: nobody claims, ticks wait in the spool, and all is stored")
        func twoDown() throws {
            let (pipeline, cluster) = try begun()
            let owners = try pipeline.owners()
            for node in [1, 2] { cluster.nodes[node].kill() }
            let gateway = try pipeline.service(.gateway)
            #expect(
                try eventually {
                    try gateway.metric(#"mds_gateway_spool_ticks{source="synthetic"}"#) ?? 0 > 0
                })
            for node in [1, 2] { try cluster.nodes[node].start() }
            #expect(eventually { cluster.isWhole })
            try expectFlow(pipeline)
            #expect(try self.owners(pipeline) == owners)
            #expect(losses(pipeline).isEmpty)
            try pipeline.expectAllStored(within: 240)
        }
    }
}
