import Membership
import NatsTransport
import PostgresClient
import ServiceRuntime
import ServiceTestSupport
import TapeKeeping
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

@Suite("tapeline database")
struct ServerRunTests {
    @Test("a server that was never a copy is shown as such, and taken with a person's consent")
    func accept() throws {
        let bench = try AcceptBench("server")
        let before = try bench.tapeline("database", "show")
        #expect(before.code == .success && before.output.contains("no writer has noted a server"))
        let taken = try bench.tapeline("database", "accept")
        #expect(taken.code == .success, "\(taken.errors)")
        let own = try bench.tapeline("database", "show")
        #expect(own.code == .success && own.output.contains("has the database"))
        #expect(try bench.tapeline("database", "accept").output.contains("nothing to accept"))
        // The record names another system now, as after a move.
        let store = try DatabaseServerStore(bench.tape.client, of: .store)
        let stored = try store.read()
        var other = try #require(stored.server)
        other.system ^= 1
        let outcome = try store.write(other, after: stored)
        guard case .stored = outcome else {
            Issue.record("not stored: \(outcome)")
            return
        }
        let foreign = try bench.tapeline("database", "show")
        #expect(foreign.code == .failure && foreign.output.contains("was never a copy"))
        // Without a terminal only --yes is a consent.
        #expect(throws: ToolError.self) { try bench.tapeline("database", "accept") }
        #expect(try store.read().server == other)
        let host = "127.0.0.1:\(bench.postgres.port)"
        #expect(throws: ToolError.self) {
            try bench.tapeline("database", "accept", "elsewhere", "--yes")
        }
        let accepted = try bench.tapeline("database", "accept", host, "--yes")
        #expect(accepted.code == .success && accepted.output.contains("accepted"))
        #expect(try store.read().server?.system == stored.server?.system)
    }
}
