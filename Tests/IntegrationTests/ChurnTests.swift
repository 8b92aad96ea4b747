import Foundation
import Primitives
import TestSupport
import Testing

extension IntegrationTests {
    /// Members come and go under load. Afterwards the audit is clean.
    @Suite struct ChurnTests {
        /// Lets a fault last for this time. It does not wait for an event.
        private func pass(milliseconds: Int) { poll(nil, 0, Int32(milliseconds)) }

        private func load(seconds: Int, rate: Int = 500, seed: UInt64) -> Pipeline.Load {
            Pipeline.Load(
                ticks: rate * (30 + seconds), rate: rate, backlogSeconds: 30, seed: seed)
        }

        private func finish(_ pipeline: Pipeline) throws {
            try pipeline.drain()
            try pipeline.expectCleanAudit()
            pipeline.stopAll()
        }

        @Test("Workers 1, 8, 2, 5 and writers 1, 3, 1, 2 while ticks come")
        func scaling() throws {
            let pipeline = try Pipeline(load(seconds: 20, seed: 81))
            try pipeline.start(.gateway)
            for (workers, writers) in [(1, 1), (8, 3), (2, 1), (5, 2)] {
                try pipeline.scale(Pipeline.Role.worker, to: workers)
                try pipeline.scale(Pipeline.Role.writer, to: writers)
                try pipeline.expectShared(.worker(0), among: workers)
                try pipeline.expectShared(.writer(0), among: writers)
            }
            try finish(pipeline)
        }

        @Test("Every service restarted in turn, by the order a cluster does it")
        func rolling() throws {
            let pipeline = try Pipeline(load(seconds: 15, seed: 82))
            let roles =
                [Pipeline.Role.gateway(0), .gateway(1)] + (0..<3).map { .worker($0) }
                + [.writer(0), .writer(1)]
            for role in roles { try pipeline.start(role) }
            for role in roles { #expect(try pipeline.service(role).becomesReady()) }
            for role in roles {
                #expect(try pipeline.end(role) == 0, "\(role)")
                try pipeline.start(role)
                #expect(try pipeline.service(role).becomesReady())
            }
            try pipeline.expectShared(.worker(0), among: 3)
            try finish(pipeline)
        }

        @Test(
            "Killed, paused for 5 s and ended at random moments, started again later, and NATS too",
            arguments: KillSchedule.seeds.all())
        func schedule(seed: UInt64) throws {
            let roles =
                [Pipeline.Role.gateway(0), .gateway(1)] + (0..<3).map { .worker($0) }
                + [.writer(0), .writer(1)]
            let schedule = ChurnSchedule(seed: seed, roles: roles)
            print("members that come and go: \(schedule)")
            let pipeline = try Pipeline(
                load(seconds: schedule.milliseconds / 1_000 + 2, rate: 300, seed: seed))
            for role in roles { try pipeline.start(role) }
            let begin = ContinuousClock.now
            for step in schedule.steps {
                let left = ContinuousClock.now.duration(
                    to: begin + .milliseconds(step.milliseconds))
                pass(milliseconds: max(0, Int(left / .milliseconds(1))))
                try perform(step.action, on: pipeline)
            }
            do {
                try pipeline.expectShared(.worker(0), among: 3)
                try finish(pipeline)
            } catch {
                Issue.record("\(schedule): \(error)")
            }
        }

        private func perform(_ action: ChurnSchedule.Action, on pipeline: Pipeline) throws {
            switch action {
            case .kill(let role):
                let victim = try pipeline.service(role)
                victim.kill()
                victim.expectCleanOutput(secrets: pipeline.secrets)
            case .end(let role): try pipeline.service(role).signal(SIGTERM)
            case .start(let role):
                // A member that was asked to end may still be handing over.
                _ = try pipeline.service(role).exitCode()
                try pipeline.start(role)
            case .pause(let role): try pipeline.service(role).signal(SIGSTOP)
            case .resume(let role): try pipeline.service(role).signal(SIGCONT)
            case .killNats:
                pipeline.nats.kill()
                try pipeline.nats.start()
            case .restartNats: try pipeline.nats.restart()
            }
        }

        @Test("NATS killed and restarted: nobody changes owner")
        func natsRestarts() throws {
            let pipeline = try Pipeline(load(seconds: 12, seed: 84))
            let roles: [Pipeline.Role] =
                [.gateway(0), .gateway(1), .worker(0), .worker(1), .worker(2)]
                + [.writer(0), .writer(1)]
            for role in roles { try pipeline.start(role) }
            try pipeline.expectShared(.worker(0), among: 3)
            try pipeline.expectShared(.writer(0), among: 2)
            let before = try pipeline.owners()
            #expect(before.count == 32 + 32 + 1 + 1, "\(before.keys.sorted())")
            pipeline.nats.kill()
            try pipeline.nats.start()
            try pipeline.expectFlow()
            try pipeline.nats.restart()
            try pipeline.expectFlow()
            #expect(try pipeline.owners() == before)
            try finish(pipeline)
        }

        private func spooled(_ gateway: ServiceProcess) throws -> Double {
            try gateway.metric(#"mds_gateway_spool_ticks{source="synthetic"}"#) ?? 0
        }

        @Test("Two processes of one name: the second stands aside, and takes over when it may")
        func twins() throws {
            let pipeline = try Pipeline(load(seconds: 8, seed: 85))
            try pipeline.startAll()
            for role in Pipeline.Role.kinds {
                let first = try pipeline.service(role)
                #expect(try first.becomesReady())
                // On one host each gateway has a separate spool.
                let spool = pipeline.folder.file("spool-\(role)-twin")
                let twin = try pipeline.make(
                    role, role == .gateway ? ["GATEWAY_SPOOL": spool] : [:])
                #expect(try twin.waits(because: "another process"))
                first.kill()
                #expect(try twin.becomesReady())
                pipeline.replace(role, by: twin)
            }
            try finish(pipeline)
        }

        @Test("NATS away: ticks go into the spool, memory stays flat, and all of it is stored")
        func natsAway() throws {
            let seconds =
                ProcessInfo.processInfo.environment["TEST_OUTAGE_SECONDS"]
                .flatMap { Int($0) } ?? 10
            let pipeline = try Pipeline(load(seconds: seconds + 5, rate: 2_000, seed: 86))
            try pipeline.startAll()
            try pipeline.expectFlow()
            pipeline.nats.stop()
            let gateway = try pipeline.service(.gateway)
            #expect(try eventually { try spooled(gateway) > 0 })
            let before = try #require(try gateway.metric("process_resident_memory_bytes"))
            pass(milliseconds: seconds * 1_000)
            let after = try #require(try gateway.metric("process_resident_memory_bytes"))
            print("NATS away for \(seconds) s: resident \(before) before, \(after) after")
            // No tick may be kept in memory, whether of 50,000 ticks in 25 s or of 600,000 in 5
            // minutes.
            #expect(after - before < 16 * 1_048_576)
            try pipeline.nats.start()
            try finish(pipeline)
        }
    }
}
