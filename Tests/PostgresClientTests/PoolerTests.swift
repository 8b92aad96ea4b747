import PostgresClient
import TestSupport
import Testing

@Suite("PgBouncer between us and the server", .enabled(if: PgBouncer.isThere))
struct PoolerTests {
    private func configuration(_ pooler: PgBouncer) -> PostgresConfiguration {
        var configuration = PostgresConfiguration(
            host: "127.0.0.1", port: pooler.port, database: "postgres", user: PostgresServer.user,
            password: PostgresServer.password)
        configuration.settings = [("search_path", "md, public")]
        return configuration
    }

    @Test("in session mode a session has its settings, although the pooler drops them")
    func session() throws {
        let pooler = try PgBouncer(.session, before: try PostgresServer.shared())
        let connection = try PostgresConnection(configuration(pooler))
        for (name, value) in [("search_path", "md, public"), ("lock_timeout", "10s")] {
            let found = try connection.execute("SELECT current_setting($1)", [.text(name)])
            #expect(found.scalar == value)
        }
        #expect(try connection.identity(timeout: patience)?.timeline == 1)
    }

    @Test("a mode that keeps no sessions is refused with a sentence")
    func refused() throws {
        let pooler = try PgBouncer(.transaction, before: try PostgresServer.shared())
        let error = sessionFailure { _ = try PostgresConnection(configuration(pooler)) }
        #expect(error?.caseName == "refused" && error.text.contains("use pool_mode session"))
        #expect(error?.isRetryable == true)
    }
}
