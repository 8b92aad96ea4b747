import Foundation
import Primitives
import Seeds
import TestSupport
import Testing

extension IntegrationTests {
    /// Members come and go under load. Afterwards the audit is clean.
    @Suite struct ChurnTests {
        /// Returns a load that lasts as long as the test.
        private func load(rate: Int = 300, seed: UInt64) -> Pipeline.Load {
            Pipeline.Load(ticks: 0, rate: rate, backlogSeconds: 20, seed: seed)
        }

        /// How many workers and writers there are, one after the other.
        private static let sizes = StormSize.size(
            short: [(1, 1), (4, 2), (2, 1)], long: [(1, 1), (8, 3), (2, 1), (5, 2)])

        @Test("Workers and writers become more and fewer while ticks come")
        func scaling() throws {
            let pipeline = try Pipeline(load(seed: 81))
            try pipeline.start(.gateway)
            for (workers, writers) in Self.sizes {
                try pipeline.scale(Pipeline.Role.worker, to: workers)
                try pipeline.scale(Pipeline.Role.writer, to: writers)
                try pipeline.expectShared(.worker(0), among: workers)
                try pipeline.expectShared(.writer(0), among: writers)
            }
            try pipeline.expectAllStored()
        }

        private static let workers = StormSize.size(short: 2, long: 3)
        /// Two or more members of each group.
        private static let members: [Pipeline.Role] =
            [.gateway(0), .gateway(1)] + (0..<workers).map { .worker($0) }
            + [.writer(0), .writer(1)]

        @Test("Every service restarted in turn, by the order a cluster does it")
        func rolling() throws {
            let pipeline = try Pipeline(load(seed: 82))
            let roles = Self.members
            for role in roles { try pipeline.start(role) }
            for role in roles { #expect(try pipeline.service(role).becomesReady()) }
            for role in roles {
                #expect(try pipeline.end(role) == 0, "\(role)")
                try pipeline.start(role)
                #expect(try pipeline.service(role).becomesReady())
            }
            try pipeline.expectShared(.worker(0), among: Self.workers)
            try pipeline.expectAllStored()
        }

        @Test(
            "Killed, paused and ended at random moments, started again later, and NATS too",
            arguments: StormSize.seeds.all())
        func schedule(seed: UInt64) throws {
            let roles = Self.members
            let schedule = FaultSchedule.churn(seed: seed, roles: roles)
            print("members that come and go: \(schedule)")
            let pipeline = try Pipeline(load(seed: seed))
            for role in roles { try pipeline.start(role) }
            try pipeline.carryOut(schedule)
            do {
                try pipeline.expectShared(.worker(0), among: Self.workers)
                try pipeline.expectAllStored()
            } catch {
                Issue.record("\(schedule): \(error)")
            }
        }

        @Test("NATS killed and restarted: nobody changes owner")
        func natsRestarts() throws {
            let pipeline = try Pipeline(load(seed: 84))
            for role in Self.members { try pipeline.start(role) }
            try pipeline.expectShared(.worker(0), among: Self.workers)
            try pipeline.expectShared(.writer(0), among: 2)
            // The source and the duty to purge have owners, too.
            let all = 2 * Pipeline.partitions + 2
            #expect(try eventually { try pipeline.owners().count == all })
            let before = try pipeline.owners()
            pipeline.nats.kill()
            try pipeline.nats.start()
            try pipeline.expectFlow()
            try pipeline.nats.restart()
            try pipeline.expectFlow()
            #expect(try pipeline.owners() == before)
            try pipeline.expectAllStored()
        }

        private func spooled(_ gateway: ServiceProcess) throws -> Double {
            try gateway.metric(#"mds_gateway_spool_ticks{source="synthetic"}"#) ?? 0
        }

        @Test("Two processes of one name: the second stands aside, and takes over when it may")
        func twins() throws {
            let pipeline = try Pipeline(load(seed: 85))
            try pipeline.startAll()
            for role in Pipeline.Role.kinds {
                let first = try pipeline.service(role)
                #expect(try first.becomesReady())
                // On one host each gateway has a separate spool.
                let spool = pipeline.folder.file("spool-\(role)-twin")
                let twin = try pipeline.makeProcess(
                    role, role == .gateway ? ["GATEWAY_SPOOL": spool] : [:])
                #expect(try twin.waits(because: "another process"))
                first.kill()
                #expect(try twin.becomesReady())
                pipeline.replace(role, by: twin)
            }
            try pipeline.expectAllStored()
        }

        @Test("NATS away: ticks go into the spool, memory stays flat, and all of it is stored")
        func natsAway() throws {
            let wanted = StormSize.size(short: 4_000, long: 300_000)
            let pipeline = try Pipeline(
                load(rate: StormSize.size(short: 1_000, long: 2_000), seed: 86))
            try pipeline.startAll()
            try pipeline.expectFlow()
            pipeline.nats.stop()
            let gateway = try pipeline.service(.gateway)
            #expect(try eventually { try spooled(gateway) > 0 })
            let before = try #require(try gateway.metric("process_resident_memory_bytes"))
            #expect(try eventually(within: 600) { try spooled(gateway) >= Double(wanted) })
            let after = try #require(try gateway.metric("process_resident_memory_bytes"))
            print("NATS away for \(wanted) ticks: resident \(before) before, \(after) after")
            // No tick may be kept in memory, however many come.
            #expect(after - before < 16 * 1_048_576)
            try pipeline.nats.start()
            #expect(try eventually(within: 600) { try spooled(gateway) == 0 })
            try pipeline.expectAllStored()
        }
    }
}
