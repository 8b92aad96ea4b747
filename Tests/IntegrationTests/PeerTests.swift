import Foundation
import Primitives
import TestSupport
import Testing

extension IntegrationTests {
    /// Peers that are missing or wrong. If a peer may come back by itself, the service waits, is
    /// not ready, and reports the reason. If a person is needed, the process ends with one line.
    @Suite struct PeerTests {
        @Test("Without NATS, then without streams, everybody waits, says why, and goes on")
        func noNatsNoStreams() throws {
            let pipeline = try Pipeline(
                Pipeline.Load(ticks: 500, rate: 500), withStreams: false)
            pipeline.nats.stop()
            try pipeline.startAll()
            for role in Pipeline.Role.usual {
                #expect(try pipeline.service(role).waits(because: "NATS_URL"))
            }
            try pipeline.nats.start()
            for role in Pipeline.Role.usual {
                #expect(try pipeline.service(role).waits(because: "'tapeline setup'"))
                // No service tried what it is not allowed to do.
                #expect(try pipeline.service(role).event("nats.connection.complaint") == nil)
            }
            for role in [Pipeline.Role.worker(0), .writer] {
                try expectNeverReady(try pipeline.service(role))
            }
            try pipeline.setUp()
            for role in Pipeline.Role.usual {
                #expect(try pipeline.service(role).becomesReady())
            }
            try pipeline.expectDrained()
            try pipeline.expectCleanAudit()
            pipeline.stopAll()
        }

        /// Looks while the service tries several times to open the tape.
        private func expectNeverReady(_ service: ServiceProcess) throws {
            func tries() -> Int {
                service.events.count { $0["event"]?.string == "tape.unavailable" }
            }
            let before = tries()
            var looks = 0
            var readyTooEarly = false
            let hasTried = try eventually {
                looks += 1
                readyTooEarly = try readyTooEarly || service.get("/readyz").status == 200
                return tries() >= before + 3
            }
            #expect(hasTried, "\(service.output)")
            #expect(!readyTooEarly, "\(service.product) in \(looks) looks")
        }

        @Test(
            "Asked to stop while it waits, a service ends well", arguments: Pipeline.Role.kinds)
        func stoppedWhileWaiting(role: Pipeline.Role) throws {
            let folder = try TemporaryFolder("waiting")
            let service = try ServiceProcess(
                role.product,
                environment: ["NATS_URL": "nats://127.0.0.1:\(freePort())", "OPS_PORT": "0"],
                folder: folder, label: "log")
            #expect(try service.waits(because: "NATS_URL"))
            #expect(service.stop() == 0, "\(service.output)")
            service.expectCleanOutput(secrets: [])
        }

        @Test("A server without JetStream is waited for, with the reason")
        func noJetStream() throws {
            var options = NatsServer.Options()
            options.jetStream = false
            let nats = try NatsServer(options)
            let folder = try TemporaryFolder("waiting")
            for role in Pipeline.Role.kinds {
                let service = try ServiceProcess(
                    role.product, environment: ["NATS_URL": nats.url, "OPS_PORT": "0"],
                    folder: folder, label: "\(role)")
                #expect(try service.waits(because: "JetStream"))
                #expect(service.stop() == 0)
            }
        }

        @Test(
            "A tape that may not grow: the gateway is not ready and says so, and loses nothing")
        func fullTape() throws {
            var load = Pipeline.Load(ticks: 300_000, rate: 1_000, pace: "full", seed: 9)
            load.streamBytes = "1MiB"
            let pipeline = try Pipeline(load)
            try pipeline.startAll()
            let gateway = try pipeline.service(.gateway)
            #expect(try gateway.waits(because: "maximum bytes"))
            let generated = try pipeline.generated
            #expect(generated < load.ticks)
            // A line for every attempt would fill a disk.
            #expect(gateway.output.utf8.count < 1_000_000)
            // After the kill, everything it held is made again from the seed.
            gateway.kill()
            try pipeline.start(.gateway)
            #expect(try pipeline.service(.gateway).waits(because: "maximum bytes"))
            #expect(try pipeline.service(.writer).becomesReady())
            // A stream with free space accepts more as long as the provider is not held up.
            var (stored, onTape) = (0, 0)
            let isStored = try eventually {
                onTape = try pipeline.lastOrdinals().reduce(0) { $0 + Int($1.lastOrdinal) }
                stored = try pipeline.number(
                    "SELECT (SELECT count(*) FROM trades) + (SELECT count(*) FROM quotes)")
                return stored == onTape
            }
            #expect(isStored, "\(stored) of \(onTape)")
        }
    }
}
