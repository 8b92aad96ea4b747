import Foundation
import Primitives
import TestSupport
import Testing

extension IntegrationTests {
    /// Peers that are missing or wrong. If a peer may come back by itself, the service waits, is
    /// not ready, and reports the reason. If a person is needed, the process ends with one line.
    @Suite struct PeerTests {
        @Test("Without NATS everybody waits, and goes on when it comes")
        func noNats() throws {
            let pipeline = try Pipeline(Pipeline.Load(ticks: 500, rate: 500))
            pipeline.nats.stop()
            try pipeline.startAll()
            for role in Pipeline.Role.usual {
                #expect(try pipeline.service(role).waits(because: "NATS_URL"))
            }
            try pipeline.nats.start()
            for role in Pipeline.Role.usual {
                #expect(try pipeline.service(role).becomesReady())
            }
            try pipeline.drain()
            pipeline.stopAll()
        }

        @Test(
            "Asked to stop while it waits, a service ends well", arguments: Pipeline.Role.usual)
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

        @Test("A service that waits for a stream is never ready in between")
        func neverReadyTooEarly() throws {
            let pipeline = try Pipeline(withStreams: false)
            for role in [Pipeline.Role.worker(0), .writer] {
                let service = try pipeline.make(role)
                var looks = 0
                var readyTooEarly = false
                // Meanwhile it tries several times to open the tape.
                let hasTried = try eventually {
                    looks += 1
                    readyTooEarly = try readyTooEarly || service.get("/readyz").status == 200
                    let tries = service.events.filter { $0["event"]?.string == "tape.unavailable" }
                    return tries.count >= 4
                }
                #expect(hasTried, "\(service.output)")
                #expect(!readyTooEarly, "\(service.product) in \(looks) looks")
                #expect(service.stop() == 0)
            }
        }

        @Test("Without its streams everybody waits and names 'tapeline setup', then goes on")
        func noStreams() throws {
            let pipeline = try Pipeline(
                Pipeline.Load(ticks: 500, rate: 500), withStreams: false)
            try pipeline.startAll()
            for role in Pipeline.Role.usual {
                #expect(try pipeline.service(role).waits(because: "'tapeline setup'"))
                // No service tried what it is not allowed to do.
                #expect(try pipeline.service(role).event("nats.connection.complaint") == nil)
            }
            try pipeline.setUp()
            for role in Pipeline.Role.usual {
                #expect(try pipeline.service(role).becomesReady())
            }
            try pipeline.drain()
            try pipeline.expectCleanAudit()
            pipeline.stopAll()
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

        @Test("A wrong password at NATS ends the process with one line")
        func wrongNatsPassword() throws {
            let pipeline = try Pipeline()
            for role in Pipeline.Role.usual {
                let service = try pipeline.make(role, ["NATS_PASSWORD": "wrong-secret-f00"])
                service.expectEnd(
                    saying: "NATS_PASSWORD", secrets: pipeline.secrets + ["wrong-secret-f00"])
            }
        }

        @Test("A user at NATS without the rights is told of in the log and by readiness")
        func wrongRights() throws {
            let pipeline = try Pipeline()
            let service = try pipeline.make(
                .gateway,
                [
                    "NATS_USER": "writer",
                    "NATS_PASSWORD": try #require(Pipeline.natsPasswords["writer"]),
                ])
            #expect(eventually { service.event("nats.connection.complaint") != nil })
            #expect(try service.get("/readyz").status == 503)
            let complaint = service.event("nats.connection.complaint")
            #expect(complaint?["reason"]?.string?.lowercased().contains("permission") == true)
            service.expectCleanOutput(secrets: pipeline.secrets)
            service.kill()
        }

        @Test("Other partitions than the namespace was made with end the process with one line")
        func otherPartitions() throws {
            let pipeline = try Pipeline(Pipeline.Load(ticks: 100, rate: 1_000))
            try pipeline.start(.gateway, .worker(0))
            // A process that is told to end before it handles signals ends by the signal.
            #expect(try pipeline.service(.gateway).becomesReady())
            #expect(try pipeline.service(.worker(0)).becomesReady())
            pipeline.stopAll()
            for role in Pipeline.Role.kinds {
                let service = try pipeline.make(role, ["MDS_PARTITIONS": "16"])
                service.expectEnd(saying: "MDS_PARTITIONS", secrets: pipeline.secrets)
            }
        }

        @Test("A port that is taken ends the process with one line")
        func takenPort() throws {
            let pipeline = try Pipeline()
            let other = try SilentListener()
            for role in Pipeline.Role.usual {
                let service = try pipeline.make(role, ["OPS_PORT": "\(other.port)"])
                service.expectEnd(
                    saying: "operations port \(other.port)", secrets: pipeline.secrets)
            }
        }

        @Test("A tape that may not grow: the gateway is not ready and says so, and loses nothing")
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

        // MARK: peers of the writer only

        /// Returns a tape with everything that a writer needs, and no process that writes to it.
        private func pipelineWithTape() throws -> Pipeline {
            let pipeline = try Pipeline(Pipeline.Load(ticks: 2_000, rate: 1_000))
            try pipeline.start(.gateway, .worker(0), .worker(1))
            #expect(try pipeline.service(.worker(1)).becomesReady())
            return pipeline
        }

        @Test("Without a database the writer waits; every wrong word about it is named")
        func noDatabase() throws {
            let pipeline = try pipelineWithTape()
            let mistakes: [([String: String], String)] = [
                (["POSTGRES_PORT": "\(freePort())"], "cannot connect to PostgreSQL"),
                (["POSTGRES_DB": "nowhere"], "\"nowhere\" does not exist"),
                (["POSTGRES_USER": "nobody-here"], "check user and password"),
                (["POSTGRES_PASSWORD": "wrong-secret-f00"], "check user and password"),
                (["POSTGRES_HOST": "no-such-host.invalid"], "no-such-host.invalid"),
                (["POSTGRES_SSLMODE": "require"], "SSL"),
            ]
            for (changes, reason) in mistakes {
                let writer = try pipeline.make(.writer, changes)
                #expect(try writer.waits(because: reason))
                #expect(writer.stop() == 0, "\(writer.output)")
                writer.expectCleanOutput(secrets: pipeline.secrets + ["wrong-secret-f00"])
            }
        }

        @Test("A password that is set right in the database needs no restart")
        func passwordMended() throws {
            let pipeline = try pipelineWithTape()
            let writer = try pipeline.make(.writer, ["POSTGRES_PASSWORD": "new-secret-b1b"])
            #expect(try writer.waits(because: "check user and password"))
            try pipeline.postgres.psql(
                "ALTER ROLE \(pipeline.database) PASSWORD 'new-secret-b1b'")
            #expect(try writer.becomesReady())
            #expect(writer.stop() == 0)
            writer.expectCleanOutput(secrets: pipeline.secrets + ["new-secret-b1b"])
        }

        @Test("Without its schema the writer waits and asks for the migration, then goes on")
        func noSchema() throws {
            let pipeline = try pipelineWithTape()
            _ = try pipeline.query("DROP SCHEMA \(Pipeline.namespace) CASCADE")
            try pipeline.start(.writer)
            #expect(try pipeline.service(.writer).waits(because: "migration"))
            try pipeline.migrate()
            #expect(try pipeline.service(.writer).becomesReady())
            try pipeline.drain()
            try pipeline.expectCleanAudit()
            pipeline.stopAll()
        }

        @Test("Without Valkey, or with a wrong password there, rows are written all the same")
        func noValkey() throws {
            let mistakes: [([String: String], String)] = [
                (["VALKEY_PORT": "\(freePort())"], "Valkey"),
                (["VALKEY_PASSWORD": "wrong-secret-f00"], "check user and password"),
            ]
            for (changes, reason) in mistakes {
                // Each needs its own tape, because the next writer does not store again what one
                // has stored.
                let pipeline = try pipelineWithTape()
                let writer = try pipeline.make(.writer, changes)
                #expect(try writer.isDegraded(because: reason))
                let isStored = try eventually {
                    try pipeline.number("SELECT count(*) FROM trades") > 0
                }
                #expect(isStored)
                #expect(writer.stop() == 0)
                writer.expectCleanOutput(secrets: pipeline.secrets + ["wrong-secret-f00"])
                pipeline.stopAll()
            }
        }
    }
}
