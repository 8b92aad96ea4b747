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
        @Test("The whole path over TLS; what is not the one to expect is refused, and told")
        func wholePath() throws {
            let certificates = try Certificates()
            try certificates.make(Pipeline.serverCertificate, name: "localhost")
            try certificates.make("old", name: "localhost", days: -1)
            let load = Pipeline.Load(ticks: 6_000, rate: 50, backlogSeconds: 190, seed: 21)
            let pipeline = try Pipeline(load, certificates: certificates)
            try pipeline.startAll()
            try pipeline.expectDrained(series: ["1s", "1m"])
            try expectRows(pipeline)
            try expectRefusedNats(pipeline, certificates)
            try expectRefusedDatabase(pipeline, certificates)
            try expectTurnsBad(pipeline)
            pipeline.stopAll()
        }

        /// Each tick is one row, and no session is in the open.
        private func expectRows(_ pipeline: Pipeline) throws {
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
            let said = try pipeline.tapeline("position", "verify")
            #expect(said.contains("positions hold"), "\(said)")
        }

        /// A NATS that is not the one to expect ends each service with one line that says why.
        private func expectRefusedNats(
            _ pipeline: Pipeline, _ certificates: Certificates
        ) throws {
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
            for role in Pipeline.Role.further {
                for (changes, reason) in mistakes {
                    let service = try pipeline.makeProcess(role, changes)
                    service.expectEnd(saying: reason, secrets: pipeline.secrets)
                }
            }
        }

        /// A database that is not the one to expect gets nothing; the writer waits and says why.
        private func expectRefusedDatabase(
            _ pipeline: Pipeline, _ certificates: Certificates
        ) throws {
            let mistakes: [([String: String], String)] = [
                (
                    ["POSTGRES_SSLROOTCERT": certificates.certificate("otherAuthority")],
                    "certificate verify failed"
                ),
                (["POSTGRES_HOST": "127.0.0.1"], "does not match host name"),
                (["POSTGRES_SSLMODE": "disable", "POSTGRES_SSLROOTCERT": ""], "no encryption"),
            ]
            for (changes, reason) in mistakes {
                let writer = try pipeline.makeProcess(.writer(9), changes)
                #expect(try writer.waits(because: reason))
                #expect(writer.stop() == 0, "\(writer.output)")
                writer.expectCleanOutput(secrets: pipeline.secrets)
            }
        }

        /// A certificate that turns bad ends a service that starts. One that runs tells it, and
        /// goes on when it is mended.
        private func expectTurnsBad(_ pipeline: Pipeline) throws {
            let gateway = try pipeline.service(.gateway)
            pipeline.nats.stop()
            try pipeline.nats.rewriteConfiguration("/server.", "/old.")
            try pipeline.nats.start()
            for role in Pipeline.Role.further {
                try pipeline.makeProcess(role).expectEnd(
                    saying: "certificate has expired", secrets: pipeline.secrets)
            }
            #expect(try gateway.waits(because: "certificate has expired"))
            let line = gateway.event("nats.connection.refused")
            #expect(line?["reason"]?.string?.contains("check the certificates") == true)
            pipeline.nats.stop()
            try pipeline.nats.rewriteConfiguration("/old.", "/server.")
            try pipeline.nats.start()
            for role in Pipeline.Role.usual {
                #expect(try pipeline.service(role).becomesReady())
            }
            #expect(
                gateway.events.count { $0["event"]?.string == "nats.connection.refused" } == 1)
        }
    }
}
