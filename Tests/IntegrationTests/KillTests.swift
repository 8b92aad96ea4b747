import Foundation
import Primitives
import Seeds
import TestSupport
import Testing

extension IntegrationTests {
    /// Processes are killed, paused or doubled under load. Afterwards the audit is clean.
    @Suite struct KillTests {
        /// Returns a load: history at full speed, then real time for as long as the test lasts.
        private func load(rate: Int = 500, seed: UInt64) -> Pipeline.Load {
            Pipeline.Load(ticks: 0, rate: rate, backlogSeconds: 20, seed: seed)
        }

        @Test(
            "kill -9 of each service at random moments, restarted at once",
            arguments: StormSize.seeds.all())
        func killServices(seed: UInt64) throws {
            print("kill -9 of services: TAPELINE_SEED=\(seed)")
            var random = SeededRandom(seed: seed)
            let pipeline = try Pipeline(load(seed: seed))
            try pipeline.startAll()
            for _ in 0..<StormSize.size(short: 2, long: 3) {
                for victim in Pipeline.Role.usual.shuffled(using: &random) {
                    pass(milliseconds: Int.random(in: 1...600, using: &random))
                    try pipeline.killAndRestart(victim)
                }
            }
            try pipeline.expectAllStored()
        }

        @Test(
            "Everything at once, as it comes: crashes, pauses and restarts of all",
            arguments: StormSize.seeds.all())
        func storm(seed: UInt64) throws {
            print("storm: TAPELINE_SEED=\(seed)")
            var random = SeededRandom(seed: seed)
            let isFast = seed % 2 == 1
            let pipeline = try Pipeline(
                isFast
                    ? Pipeline.Load(
                        ticks: StormSize.size(short: 50_000, long: 150_000), rate: 5_000,
                        pace: "full", seed: seed)
                    : load(seed: seed), postgres: PostgresServer())
            try pipeline.startAll()
            for _ in 0..<StormSize.size(short: 6, long: 15) {
                pass(milliseconds: Int.random(in: 1...500, using: &random))
                try strike(pipeline, &random)
            }
            try pipeline.expectAllStored()
        }

        @Test(
            "Every service paused for long and killed, NATS killed and paused, as a seed says",
            arguments: StormSize.seeds.all())
        func schedule(seed: UInt64) throws {
            let schedule = FaultSchedule.kills(
                seed: seed, milliseconds: StormSize.size(short: 6_000, long: 15_000))
            print("faults of the services: \(schedule)")
            let pipeline = try Pipeline(load(seed: seed))
            try pipeline.startAll()
            try pipeline.carryOut(schedule)
            do {
                try pipeline.expectAllStored()
            } catch {
                Issue.record("\(schedule): \(error)")
            }
        }

        /// Causes one random fault and ends it.
        private func strike(_ pipeline: Pipeline, _ random: inout SeededRandom) throws {
            let pause = Int.random(in: 1...1_200, using: &random)
            let roles = Pipeline.Role.usual.shuffled(using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0...2: try pipeline.killAndRestart(roles[0])
            case 3:
                for role in roles.prefix(2) { try pipeline.service(role).kill() }
                pass(milliseconds: pause / 4)
                for role in roles.prefix(2) { try pipeline.start(role) }
            case 4:
                try pipeline.service(roles[0]).signal(SIGSTOP)
                pass(milliseconds: pause)
                try pipeline.service(roles[0]).signal(SIGCONT)
            case 5:
                pipeline.nats.kill()
                pass(milliseconds: pause / 4)
                try pipeline.nats.start()
            case 6:
                pipeline.nats.pause()
                pass(milliseconds: pause)
                try pipeline.killAndRestart(roles[0])
                pipeline.nats.resume()
            case 7:
                pipeline.postgres.stopImmediately()
                pass(milliseconds: pause / 4)
                try pipeline.postgres.restart()
            case 8:
                pipeline.postgres.pause()
                pass(milliseconds: pause)
                pipeline.postgres.resume()
            default: try pipeline.valkey.restart()
            }
        }

        @Test("All killed in one moment, then each server, then processes that are frozen")
        func inTurn() throws {
            let pipeline = try Pipeline(load(seed: 21), postgres: PostgresServer())
            try pipeline.startAll()
            #expect(try eventually { try pipeline.number("SELECT count(*) FROM trades") > 1_000 })
            for role in Pipeline.Role.usual { try pipeline.service(role).kill() }
            try pipeline.startAll()
            try pipeline.expectFlow()
            try failNats(pipeline)
            try failPostgres(pipeline)
            try failValkey(pipeline)
            try freeze(pipeline)
            try pipeline.expectAllStored()
        }

        /// Killed, stopped in order and frozen: everybody goes on by itself.
        private func failNats(_ pipeline: Pipeline) throws {
            pipeline.nats.kill()
            try pipeline.nats.start()
            try pipeline.expectFlow()
            try pipeline.nats.restart()
            try pipeline.expectFlow()
            pipeline.nats.pause()
            // Far longer than a lease.
            pass(milliseconds: 2_500)
            pipeline.nats.resume()
            try pipeline.expectFlow()
        }

        /// Stopped as by a crash, and frozen; the hot state goes on meanwhile.
        private func failPostgres(_ pipeline: Pipeline) throws {
            pipeline.postgres.stopImmediately()
            #expect(try pipeline.service(.writer).waits(because: "PostgreSQL"))
            let writes = try pipeline.service(.writer).metric("mds_hot_state_writes_total") ?? 0
            let goesOn = try eventually {
                try pipeline.service(.writer).metric("mds_hot_state_writes_total") ?? 0 > writes
            }
            #expect(goesOn, "the hot state depends on the database")
            try pipeline.postgres.restart()
            #expect(try pipeline.service(.writer).becomesReady())
            pipeline.postgres.pause()
            pass(milliseconds: 1_000)
            pipeline.postgres.resume()
            try pipeline.expectFlow()
        }

        /// Killed: rows go on, and the hot state comes back.
        private func failValkey(_ pipeline: Pipeline) throws {
            pipeline.valkey.kill()
            #expect(try pipeline.service(.writer).isDegraded(because: "Valkey"))
            try pipeline.expectFlow()
            try pipeline.valkey.restart()
            #expect(try pipeline.service(.writer).becomesReady())
            #expect(try eventually { try pipeline.valkey.cli("DBSIZE") != "0" })
        }

        /// A frozen process goes on where it was; one that was replaced meanwhile harms nobody.
        private func freeze(_ pipeline: Pipeline) throws {
            for role in Pipeline.Role.usual {
                try pipeline.service(role).signal(SIGSTOP)
                pass(milliseconds: 700)
                try pipeline.service(role).signal(SIGCONT)
            }
            for role in Pipeline.Role.kinds {
                let zombie = try pipeline.service(role)
                zombie.signal(SIGSTOP)
                let name = "\(role)-successor"
                let successor = try pipeline.makeProcess(
                    role,
                    ["MDS_MEMBER": name].merging(
                        role == .gateway ? ["GATEWAY_SPOOL": pipeline.folder.file(name)] : [:]
                    ) { $1 })
                #expect(try successor.becomesReady())
                pipeline.replace(role, by: successor)
                zombie.signal(SIGCONT)
                // It is an ordinary member, or a standby, until it is asked to end.
                #expect(try zombie.becomesReady())
                #expect(zombie.stop() == 0, "\(zombie.output.suffix(1_000))")
                zombie.expectCleanOutput(secrets: pipeline.secrets)
            }
        }
    }
}
