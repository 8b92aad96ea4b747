import Foundation
import Primitives
import TestSupport
import Testing

extension IntegrationTests {
    /// The scaling signals, which gateways report whether any worker is alive or not.
    @Suite struct ScalingTests {
        private func lag(_ gateway: ServiceProcess, _ group: String) throws -> Double? {
            try gateway.metric("mds_group_lag_ticks{group=\"\(group)\"}")
        }

        private func age(_ gateway: ServiceProcess, _ group: String) throws -> Double? {
            try gateway.metric("mds_group_lag_seconds{group=\"\(group)\"}")
        }

        private func scale(_ service: ServiceProcess) throws -> JSONValue {
            let answer = try service.get("/scale")
            #expect(answer.status == 200 && answer.head.contains("application/json"))
            return try JSONValue.parse(answer.body)
        }

        @Test(
            "each gateway shows a lag that grows without readers, and none while it hears no source"
        )
        func lag() throws {
            let pipeline = try Pipeline(Pipeline.Load(ticks: 0, rate: 500, seed: 61))
            try pipeline.startAll()
            try expectNoLagWithoutSource(pipeline)
            try expectLagWithoutReaders(pipeline)
            pipeline.stopAll()
        }

        private func expectLagWithoutReaders(_ pipeline: Pipeline) throws {
            #expect(try eventually { try pipeline.number("SELECT count(*) FROM trades") > 100 })
            for role in [Pipeline.Role.worker(0), .worker(1), .writer] {
                #expect(try pipeline.end(role) == 0)
            }
            try pipeline.start(.gateway(1))
            for role in [Pipeline.Role.gateway, .gateway(1)] {
                let gateway = try pipeline.service(role)
                for group in ["operator", "store"] {
                    #expect(
                        try eventually { (try lag(gateway, group) ?? 0) > 500 },
                        "\(role) \(group)")
                    let (ticks, seconds) = (try lag(gateway, group), try age(gateway, group))
                    #expect(
                        try eventually {
                            let (newer, later) = (try lag(gateway, group), try age(gateway, group))
                            return (newer ?? 0) >= (ticks ?? 0) + 500
                                && (later ?? 0) > (seconds ?? 0)
                        }, "\(role) \(group): \(ticks ?? -1)")
                    let shown = try scale(gateway)[group]
                    #expect(shown?["lag"]?.int ?? 0 > 1_000)
                    #expect(shown?["lag_seconds"] != .null)
                    // What comes in, of 500 a second.
                    #expect(
                        try eventually {
                            let rate = try scale(gateway)[group]?["rate"]?.double ?? 0
                            return rate > 100 && rate < 1_000
                        }, "\(role) \(group)")
                    // That it fell behind the pause of NATS counts for half a minute.
                    #expect(
                        try eventually { try scale(gateway)[group]?["drain_seconds"] == .null },
                        "\(role) \(group)")
                }
            }
            try pipeline.start(.writer)
            let (gateway, writer) = (
                try pipeline.service(.gateway), try pipeline.service(.writer)
            )
            #expect(
                try eventually { (try lag(gateway, "store") ?? .infinity) < 1_000 })
            let unread = try lag(gateway, "operator") ?? 0
            #expect(unread > 1_000, "nobody reads for it")
            try expectOwner(writer)
        }

        /// Expects the process to own every partition, with a lag and an epoch for each.
        private func expectOwner(_ writer: ServiceProcess) throws {
            #expect(
                try eventually {
                    try scale(writer)["partitions"]?.int == 8 && scale(writer)["lag"] != .null
                })
            let page = try writer.get("/metrics").body.split(separator: "\n")
            for partition in [0, 7] {
                let label = "partition=\"\(partition)\""
                #expect(
                    page.contains {
                        $0.hasPrefix(
                            "mds_partition_lag_ticks{group=\"store\",input=\"ticks\",\(label)}")
                    })
                #expect(
                    page.contains {
                        $0.hasPrefix("mds_partition_owner_epoch{group=\"store\",")
                            && $0.contains(label)
                    })
            }
            for queue in ["intake", "members.store", "heads", "hot-state", "operations"] {
                #expect(
                    page.contains { $0.hasPrefix("mds_queue_depth{queue=\"\(queue)\"}") }
                        && page.contains { $0.hasPrefix("mds_queue_capacity{queue=\"\(queue)\"}") },
                    "\(queue)")
            }
        }

        /// It shows no lag, not 0, and shows it again when it hears the source.
        private func expectNoLagWithoutSource(_ pipeline: Pipeline) throws {
            let gateway = try pipeline.service(.gateway)
            #expect(try eventually { try lag(gateway, "store") != nil })
            pipeline.nats.pause()
            #expect(
                try eventually {
                    try lag(gateway, "store") == nil && age(gateway, "store") == nil
                        && lag(gateway, "operator") == nil
                })
            #expect(try scale(gateway)["store"] == .null)
            #expect(try scale(gateway)["operator"] == .null)
            #expect(!(try gateway.get("/metrics").body.contains("mds_group_lag_ticks{")))
            #expect(try gateway.get("/healthz").status == 200)
            pipeline.nats.resume()
            #expect(try eventually { try lag(gateway, "store") != nil })
        }
    }
}
