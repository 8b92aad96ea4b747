import Foundation
import Primitives
import TestSupport
import Testing

/// A stack without a writer: its tests start one each, with something wrong.
private let tape = Result {
    try Pipeline.lasting(
        Pipeline.Load(ticks: 0, rate: 200), [.gateway, .worker(0), .worker(1)])
}

extension IntegrationTests {
    /// Peers of the writer that are missing or wrong.
    @Suite struct WriterPeerTests {
        @Test("Without a database the writer waits; every wrong word about it is named")
        func noDatabase() throws {
            let pipeline = try tape.get()
            let mistakes: [([String: String], String)] = [
                (["POSTGRES_PORT": "\(freePort())"], "cannot connect to PostgreSQL"),
                (["POSTGRES_DB": "nowhere"], "\"nowhere\" does not exist"),
                (["POSTGRES_USER": "nobody-here"], "check user and password"),
                (["POSTGRES_PASSWORD": "wrong-secret-f00"], "check user and password"),
                (["POSTGRES_HOST": "no-such-host.invalid"], "no-such-host.invalid"),
                (["POSTGRES_SSLMODE": "require"], "SSL"),
            ]
            for (changes, reason) in mistakes {
                let writer = try pipeline.makeProcess(.writer, changes)
                #expect(try writer.waits(because: reason))
                #expect(writer.stop() == 0, "\(writer.output)")
                writer.expectCleanOutput(secrets: pipeline.secrets + ["wrong-secret-f00"])
            }
        }

        @Test("A password that is set right in the database needs no restart")
        func passwordMended() throws {
            let pipeline = try tape.get()
            let writer = try pipeline.makeProcess(.writer, ["POSTGRES_PASSWORD": "new-secret-b1b"])
            #expect(try writer.waits(because: "check user and password"))
            try pipeline.postgres.psql(
                "ALTER ROLE \(pipeline.database) PASSWORD 'new-secret-b1b'")
            #expect(try writer.becomesReady())
            #expect(writer.stop() == 0)
            writer.expectCleanOutput(secrets: pipeline.secrets + ["new-secret-b1b"])
            let former = try #require(pipeline.environment(.writer)["POSTGRES_PASSWORD"])
            try pipeline.postgres.psql("ALTER ROLE \(pipeline.database) PASSWORD '\(former)'")
        }

        @Test("Without Valkey, or with a wrong password there, rows are written all the same")
        func noValkey() throws {
            let mistakes: [([String: String], String)] = [
                (["VALKEY_PORT": "\(freePort())"], "Valkey"),
                (["VALKEY_PASSWORD": "wrong-secret-f00"], "check user and password"),
            ]
            let pipeline = try tape.get()
            for (changes, reason) in mistakes {
                let writer = try pipeline.makeProcess(.writer, changes)
                #expect(try writer.isDegraded(because: reason))
                try pipeline.expectFlow()
                #expect(writer.stop() == 0)
                writer.expectCleanOutput(secrets: pipeline.secrets + ["wrong-secret-f00"])
            }
        }
    }
}
