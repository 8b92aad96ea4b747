import Foundation
import Primitives
import TestSupport
import Testing

extension IntegrationTests {
    /// New keys of a whole local stack, by the command that people call.
    @Suite struct KeyRotationTests {
        /// A stack that `tapeline up` has started. It ends with this value.
        private final class LocalStack {
            private let folder: TemporaryFolder
            private let tool: String
            private let place: [String]

            init(_ settings: [String]) throws {
                folder = try TemporaryFolder("keys")
                let files = FileManager.default
                try files.createDirectory(
                    atPath: folder.file(".local"), withIntermediateDirectories: true)
                for name in ["deploy", "services"] {
                    try files.createSymbolicLink(
                        atPath: folder.file(name),
                        withDestinationPath: "\(ServerPrograms.checkout)/\(name)")
                }
                try files.createSymbolicLink(
                    atPath: folder.file(".local/servers"), withDestinationPath: ServerPrograms.root)
                tool = try ProductPrograms.path("tapeline")
                place = ["--home", folder.path, "--name", "default"]
                _ = try tapeline("up", settings.flatMap { ["--set", $0] })
            }

            deinit {
                do { _ = try tapeline("down", ["--remove", "--yes"]) } catch {
                    Issue.record("the stack did not stop: \(error)")
                }
            }

            func tapeline(_ verb: String, _ words: [String] = []) throws -> String {
                try run(tool, [verb] + words + place, environment: ["HOME": folder.path])
            }

            func number(_ sql: String) throws -> Int {
                Int(try run(tool, ["psql"] + place + ["-Atc", sql])) ?? -1
            }

            private var home: String { folder.file(".local/stack/default") }

            private func port(_ name: String) throws -> Int {
                let ports = try JSONValue.parse(
                    String(contentsOfFile: "\(home)/ports.json", encoding: .utf8))
                return try #require(ports[name]?.int, "no port of \(name)")
            }

            /// The samples of a metric of all services, with the name of the port of each.
            func samples(_ metric: String) throws -> [String] {
                try ["gateway", "operatorA", "operatorB", "writer", "cockpit"].flatMap { name in
                    try HTTPAnswer(port: UInt16(try port(name)), method: "GET", path: "/metrics")
                        .body.split(separator: "\n")
                        .filter { $0.hasPrefix(metric) }.map { "\(name): \($0)" }
                }
            }

            /// Ends the sessions of a role, so that it has to log in again.
            func endSessions(of role: String) throws {
                let port = try port("postgres")
                try run(
                    ServerPrograms.database("psql"),
                    [
                        "-h", "127.0.0.1", "-p", "\(port)", "-U", "postgres", "-d", "postgres",
                        "-Atc",
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                            + "WHERE usename = '\(role)'",
                    ], environment: ["PGPASSFILE": "\(home)/secrets/pgpass"])
            }

            /// The process of each unit, and how often it was started again.
            func processes() throws -> [String: [Int]] {
                let status = try JSONValue.parse(try tapeline("status", ["--json"]))
                #expect(status["works"]?.bool == true, "\(status)")
                let units = try #require(status["processes"]?.array)
                return Dictionary(
                    units.map { unit in
                        (
                            unit["name"]?.string ?? "",
                            [unit["pid"]?.int ?? 0, unit["restarts"]?.int ?? -1]
                        )
                    }, uniquingKeysWith: { first, _ in first })
            }
        }

        @Test("each key of a stack is changed under load: nothing is lost, nothing starts again")
        func rotated() throws {
            let rate = StormSize.size(short: 2_000, long: 5_000)
            let stack = try LocalStack(["SYNTHETIC_RATE=\(rate)"])
            #expect(try eventually { try stack.number("SELECT count(*) FROM trades") > rate })
            let gaps = try stack.number("SELECT count(*) FROM md.gaps")
            let before = try stack.processes()
            #expect(before.count >= 9 && before.values.allSatisfy { $0[1] == 0 }, "\(before)")
            let names = try stack.tapeline("secrets", ["list"]).split(separator: "\n")
                .compactMap { $0.split(separator: " ").first.map(String.init) }
            #expect(names.count >= 16, "\(names)")
            for name in names {
                let said = try stack.tapeline("secrets", ["rotate", name])
                #expect(said.hasPrefix("\(name) is new ("), "\(said)")
                if name == "postgres-writer" { try stack.endSessions(of: "tapeline_writer") }
                if name == "postgres-reader" { try stack.endSessions(of: "tapeline_reader") }
                let rows = try stack.number("SELECT count(*) FROM trades")
                let goesOn = try eventually {
                    try stack.number("SELECT count(*) FROM trades") > rows
                }
                #expect(goesOn, "no row after a new \(name)")
            }
            let works = eventually { (try? stack.tapeline("status")) != nil }
            #expect(works)
            #expect(try stack.processes() == before)
            #expect(try stack.number("SELECT count(*) FROM md.gaps") == gaps)
            // Each process has logged in anew; what was refused meanwhile is nothing to page for.
            #expect(try stack.samples("mds_nats_connected").count == 5)
            #expect(try stack.samples("mds_nats_errors_total") == [])
            // What is under way cannot be compared, so the source stands still.
            _ = try stack.tapeline(
                "member",
                ["drain", "provider-gateway", "--force", "--wait", "--reason", "the audit"])
            // It fails where a tick is missing, is there twice, or a bar is another one.
            var said = ""
            let isClean = eventually {
                do {
                    said = try stack.tapeline("audit", ["--all"])
                    return true
                } catch {
                    said = "\(error)"
                    return false
                }
            }
            #expect(isClean, "\(said)")
            guard StormSize.isLong else { return }
            // By the times at which the gateway had the ticks.
            let received = try stack.number(
                """
                SELECT (count(*) / extract(epoch FROM max(receive_time) - min(receive_time)))::int
                FROM (SELECT receive_time FROM trades
                    UNION ALL SELECT receive_time FROM quotes) AS ticks
                """)
            #expect(received >= rate * 9 / 10, "\(received) ticks a second of \(rate)")
        }

        @Test(
            "under TLS servers get certificates of another authority, and no row is lost",
            .enabled(if: Certificates.obstacle == nil, "\(Certificates.obstacle ?? "")"),
            StormSize.night)
        func certificates() throws {
            let certificates = try Certificates()
            try certificates.make(Pipeline.serverCertificate, name: "localhost")
            try certificates.make("next", name: "localhost", by: "otherAuthority")
            let trusted = certificates.certificate("authority")
            let other = try text(certificates.certificate("otherAuthority"))
            // Those that connect trust both authorities before a server has the other one's.
            try put(text(trusted) + other, into: trusted)
            let pipeline = try Pipeline(
                Pipeline.Load(ticks: 0, rate: 2_000), certificates: certificates)
            try pipeline.startAll()
            try pipeline.expectFlow()
            let before = pipeline.running.mapValues(\.id)
            try pipeline.nats.rewriteConfiguration("/\(Pipeline.serverCertificate).", "/next.")
            pipeline.nats.reload()
            try renew(pipeline.postgres, certificates)
            // The links that are open go on.
            try pipeline.expectFlow()
            try put(other, into: trusted)
            // Each server ends them. Only its new certificate is trusted now.
            try pipeline.nats.restart()
            try pipeline.postgres.psql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    + "WHERE usename = '\(pipeline.database)'")
            try pipeline.expectFlow()
            for role in Pipeline.Role.further where role.product != Pipeline.Role.gateway.product {
                let further = try pipeline.makeProcess(role)
                #expect(try further.becomesReady(), "\(further.output.suffix(1_500))")
                #expect(further.stop() == 0)
            }
            #expect(pipeline.running.mapValues(\.id) == before)
            try pipeline.endSource()
            try pipeline.expectDrained()
            try pipeline.expectCleanAudit()
            pipeline.stopAll()
        }

        private func text(_ path: String) throws -> String {
            try String(contentsOfFile: path, encoding: .utf8)
        }

        /// Changes a file in place, so that its owner and its rights stay.
        private func put(_ text: String, into path: String) throws {
            try text.write(toFile: path, atomically: false, encoding: .utf8)
        }

        /// Puts the other certificate in the place of the one that the server has, and lets it read
        /// that.
        private func renew(_ server: PostgresServer, _ certificates: Certificates) throws {
            let folder = try server.psql("SHOW data_directory")
            try put(text(certificates.certificate("next")), into: "\(folder)/server.crt")
            try put(text(certificates.key("next")), into: "\(folder)/server.key")
            try server.psql("SELECT pg_reload_conf()")
        }
    }
}
