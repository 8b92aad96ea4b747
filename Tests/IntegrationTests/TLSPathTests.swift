import Foundation
import Primitives
import TestSupport
import Testing

extension IntegrationTests {
    /// TLS as shipped (`deploy/nats/tls.conf`) on every link to NATS and to the database: which
    /// certificates are accepted, which are refused, and what is reported.
    @Suite(
        .enabled(if: Certificates.obstacle == nil, Comment(rawValue: Certificates.obstacle ?? "")))
    struct TLSPathTests {
        private func certificates() throws -> Certificates {
            let certificates = try Certificates()
            try certificates.make(Pipeline.serverCertificate, name: "localhost")
            return certificates
        }

        @Test("The whole path over TLS: each tick is one row, and no session is in the open")
        func wholePath() throws {
            let load = Pipeline.Load(ticks: 12_000, rate: 100, backlogSeconds: 180, seed: 21)
            let pipeline = try Pipeline(load, certificates: try certificates())
            try pipeline.startAll()
            try pipeline.drain(series: ["1s", "1m"])
            let findings = try Audit().run(
                on: pipeline.postgres, database: pipeline.database, schema: Pipeline.namespace)
            for finding in findings { #expect(finding.isRight, "\(finding)") }
            let sessions = try pipeline.query(
                """
                SELECT count(*) FILTER (WHERE ssl), count(*) FILTER (WHERE NOT ssl)
                FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                WHERE usename = '\(pipeline.database)'
                """
            ).split(separator: "|")
            #expect(sessions.count == 2 && sessions[0] != "0" && sessions[1] == "0")
            // `tapeline` reaches both servers with the same settings.
            var keys = pipeline.environment(.writer)
            keys["NATS_USER"] = "tool"
            keys["NATS_PASSWORD"] = Pipeline.natsPasswords["tool"]
            keys["OPS_PORT"] = nil
            let said = try run(
                try ProductPrograms.path("tapeline"), ["position", "verify"], environment: keys)
            #expect(said.contains("positions hold"), "\(said)")
            pipeline.stopAll()
        }

        @Test("A NATS that is not the one to expect ends each service with one line that says why")
        func refusedNats() throws {
            let certificates = try certificates()
            try certificates.make("old", name: "localhost", days: -1)
            let pipeline = try Pipeline(certificates: certificates)
            let mistakes: [([String: String], String)] = [
                (
                    ["NATS_TLS_CA": certificates.certificate("otherAuthority")],
                    "unable to get local issuer certificate"
                ),
                (["NATS_URL": "tls://127.0.0.1:\(pipeline.nats.port)"], "IP address mismatch"),
                (
                    ["NATS_URL": "nats://localhost:\(pipeline.nats.port)", "NATS_TLS_CA": ""],
                    "check the certificates"
                ),
            ]
            for role in Pipeline.Role.kinds {
                for (changes, reason) in mistakes {
                    let service = try pipeline.make(role, changes)
                    service.expectEnd(saying: reason, secrets: pipeline.secrets)
                }
            }
            pipeline.nats.stop()
            try pipeline.nats.rewriteConfiguration("/server.", "/old.")
            try pipeline.nats.start()
            for role in Pipeline.Role.kinds {
                try pipeline.make(role).expectEnd(
                    saying: "certificate has expired", secrets: pipeline.secrets)
            }
        }

        @Test("A certificate that turns bad while a service runs is told, and mended without it")
        func turnsBad() throws {
            let certificates = try certificates()
            try certificates.make("stranger", name: "localhost", by: "otherAuthority")
            let pipeline = try Pipeline(certificates: certificates)
            try pipeline.start(.gateway)
            let gateway = try pipeline.service(.gateway)
            #expect(try gateway.becomesReady())
            pipeline.nats.stop()
            try pipeline.nats.rewriteConfiguration("/server.", "/stranger.")
            try pipeline.nats.start()
            #expect(try gateway.waits(because: "unable to get local issuer certificate"))
            let line = gateway.event("nats.connection.refused")
            #expect(line?["reason"]?.string?.contains("check the certificates") == true)
            pipeline.nats.stop()
            try pipeline.nats.rewriteConfiguration("/stranger.", "/server.")
            try pipeline.nats.start()
            #expect(try gateway.becomesReady())
            #expect(
                gateway.events.count { $0["event"]?.string == "nats.connection.refused" } == 1)
            pipeline.stopAll()
        }

        @Test(
            "A database that is not the one to expect gets nothing; the writer waits and says why")
        func refusedDatabase() throws {
            let certificates = try certificates()
            let pipeline = try Pipeline(certificates: certificates)
            try pipeline.start(.gateway, .worker(0))
            #expect(try pipeline.service(.worker(0)).becomesReady())
            let mistakes: [([String: String], String)] = [
                (
                    ["POSTGRES_SSLROOTCERT": certificates.certificate("otherAuthority")],
                    "certificate verify failed"
                ),
                (["POSTGRES_HOST": "127.0.0.1"], "does not match host name"),
                (["POSTGRES_SSLMODE": "disable", "POSTGRES_SSLROOTCERT": ""], "no encryption"),
            ]
            for (changes, reason) in mistakes {
                let writer = try pipeline.make(.writer, changes)
                #expect(try writer.waits(because: reason))
                #expect(writer.stop() == 0, "\(writer.output)")
                writer.expectCleanOutput(secrets: pipeline.secrets)
            }
            pipeline.stopAll()
        }
    }
}
