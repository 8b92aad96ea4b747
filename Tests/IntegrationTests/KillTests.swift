import Foundation
import Primitives
import TestSupport
import Testing

extension IntegrationTests {
    /// Processes are killed, paused or doubled under load. Afterwards the audit is clean.
    @Suite struct KillTests {
        /// Returns a load: a minute of history at full speed, then `seconds` in real time.
        private func load(seconds: Int, rate: Int = 500, seed: UInt64) -> Pipeline.Load {
            Pipeline.Load(
                ticks: rate * (60 + seconds), rate: rate, backlogSeconds: 60, seed: seed)
        }

        /// Lets a fault, or a calm, last for this time. It does not wait for an event.
        private func pass(milliseconds: Int) { poll(nil, 0, Int32(milliseconds)) }

        private func finish(_ pipeline: Pipeline) throws {
            try pipeline.drain()
            try pipeline.expectCleanAudit()
            pipeline.stopAll()
        }

        @Test(
            "kill -9 of each service at random moments, restarted at once",
            arguments: KillSchedule.seeds.all())
        func killServices(seed: UInt64) throws {
            print("kill -9 of services: TAPELINE_SEED=\(seed)")
            var random = SeededRandom(seed: seed)
            let pipeline = try Pipeline(load(seconds: 8, seed: seed))
            try pipeline.startAll()
            for _ in 0..<3 {
                for victim in Pipeline.Role.usual.shuffled(using: &random) {
                    pass(milliseconds: Int.random(in: 1...600, using: &random))
                    try pipeline.killAndRestart(victim)
                }
            }
            try finish(pipeline)
        }

        @Test(
            "Everything at once, as it comes: crashes, pauses and restarts of all",
            arguments: KillSchedule.seeds.all())
        func storm(seed: UInt64) throws {
            print("storm: TAPELINE_SEED=\(seed)")
            var random = SeededRandom(seed: seed)
            let isFast = seed % 2 == 1
            let pipeline = try Pipeline(
                isFast
                    ? Pipeline.Load(ticks: 150_000, rate: 5_000, pace: "full", seed: seed)
                    : load(seconds: 8, rate: 1_000, seed: seed), postgres: PostgresServer())
            try pipeline.startAll()
            for _ in 0..<10 {
                pass(milliseconds: Int.random(in: 1...500, using: &random))
                try strike(pipeline, &random)
            }
            try finish(pipeline)
        }

        @Test(
            "Every service paused for 5 s and killed, NATS killed and paused, as a seed says",
            arguments: KillSchedule.seeds.all())
        func schedule(seed: UInt64) throws {
            let schedule = KillSchedule(seed: seed, milliseconds: 9_000)
            print("faults of the services: \(schedule)")
            let pipeline = try Pipeline(load(seconds: 10, seed: seed))
            try pipeline.startAll()
            let begin = ContinuousClock.now
            for step in schedule.steps {
                let left = ContinuousClock.now.duration(
                    to: begin + .milliseconds(step.milliseconds))
                pass(milliseconds: max(0, Int(left / .milliseconds(1))))
                switch step.action {
                case .kill(let role): try pipeline.killAndRestart(role)
                case .pause(let role): try pipeline.service(role).signal(SIGSTOP)
                case .resume(let role): try pipeline.service(role).signal(SIGCONT)
                case .killNats:
                    pipeline.nats.kill()
                    try pipeline.nats.start()
                case .restartNats: try pipeline.nats.restart()
                case .pauseNats: pipeline.nats.pause()
                case .resumeNats: pipeline.nats.resume()
                }
            }
            do {
                try finish(pipeline)
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

        @Test("All services killed in the same moment")
        func killAll() throws {
            let pipeline = try Pipeline(load(seconds: 4, seed: 21))
            try pipeline.startAll()
            #expect(try eventually { try pipeline.number("SELECT count(*) FROM trades") > 1_000 })
            for role in Pipeline.Role.usual { try pipeline.service(role).kill() }
            try pipeline.startAll()
            try finish(pipeline)
        }

        @Test("NATS killed, stopped in order and frozen: everybody goes on by itself")
        func nats() throws {
            let pipeline = try Pipeline(load(seconds: 10, seed: 31))
            try pipeline.startAll()
            #expect(try eventually { try pipeline.number("SELECT count(*) FROM trades") > 1_000 })
            pipeline.nats.kill()
            try pipeline.nats.start()
            pass(milliseconds: 1_500)
            try pipeline.nats.restart()
            pass(milliseconds: 500)
            pipeline.nats.pause()
            pass(milliseconds: 3_000)
            pipeline.nats.resume()
            try finish(pipeline)
        }

        @Test("PostgreSQL stopped as by a crash, and frozen; the hot state goes on meanwhile")
        func postgres() throws {
            let pipeline = try Pipeline(load(seconds: 6, seed: 41), postgres: PostgresServer())
            try pipeline.startAll()
            #expect(try eventually { try pipeline.number("SELECT count(*) FROM trades") > 1_000 })
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
            try finish(pipeline)
        }

        @Test("Valkey killed: rows go on, and the hot state comes back")
        func valkey() throws {
            let pipeline = try Pipeline(load(seconds: 5, seed: 51))
            try pipeline.startAll()
            #expect(try pipeline.service(.writer).becomesReady())
            pipeline.valkey.kill()
            #expect(try pipeline.service(.writer).isDegraded(because: "Valkey"))
            let rows = try pipeline.number("SELECT count(*) FROM trades")
            #expect(try eventually { try pipeline.number("SELECT count(*) FROM trades") > rows })
            try pipeline.valkey.restart()
            #expect(try pipeline.service(.writer).becomesReady())
            #expect(try eventually { try pipeline.valkey.cli("DBSIZE") != "0" })
            try finish(pipeline)
        }

        @Test("A frozen process goes on where it was; one that was replaced meanwhile harms nobody")
        func frozen() throws {
            let pipeline = try Pipeline(load(seconds: 12, seed: 71))
            try pipeline.startAll()
            #expect(try eventually { try pipeline.number("SELECT count(*) FROM trades") > 1_000 })
            for role in Pipeline.Role.usual {
                try pipeline.service(role).signal(SIGSTOP)
                pass(milliseconds: 700)
                try pipeline.service(role).signal(SIGCONT)
            }
            for role in Pipeline.Role.kinds {
                let zombie = try pipeline.service(role)
                zombie.signal(SIGSTOP)
                let name = "\(role)-successor"
                let successor = try pipeline.make(
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
            try finish(pipeline)
        }
    }
}
