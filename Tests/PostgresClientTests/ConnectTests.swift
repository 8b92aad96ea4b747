import PostgresClient
import TestSupport
import Testing

@Suite("Connecting")
struct ConnectTests {
    @Test("a session has its settings from the start")
    func settings() throws {
        let database = try TestDatabase("connect_settings")
        var configuration = database.configuration
        configuration.applicationName = "store-writer 7"
        configuration.statementTimeout = .milliseconds(12_345)
        configuration.settings = [("search_path", "md, public")]
        let connection = try PostgresConnection(configuration)
        func show(_ name: String) throws -> String? {
            try connection.execute("SELECT current_setting($1)", [.text(name)])
                .scalar
        }
        #expect(try show("application_name") == "store-writer 7")
        #expect(try show("statement_timeout") == "12345ms")
        #expect(try show("lock_timeout") == "10s")
        #expect(try show("idle_in_transaction_session_timeout") == "1min")
        #expect(try show("search_path") == "md, public")
        #expect(try show("TimeZone") == "UTC")
        #expect(try show("client_connection_check_interval") == "1s")
        #expect(connection.isUsable)
        #expect(connection.serverVersion >= 170_000)
        #expect(connection.backendProcessID > 0)
    }

    @Test("a wrong password is an authentication error that does not show it")
    func wrongPassword() throws {
        var configuration = try PostgresServer.shared().configuration()
        configuration.password = "wrong-and-secret"
        let error = sessionFailure { _ = try PostgresConnection(configuration) }
        #expect(error?.sqlState?.rawValue == "28P01")
        #expect(error?.category == .authentication)
        #expect(error?.isRetryable == false)
        #expect(error?.serverError?.message.contains("password authentication failed") == true)
        #expect(!error.text.contains("wrong-and-secret"))
        #expect(!error.text.contains("\n"))
    }

    @Test("a missing password is an error, too")
    func noPassword() throws {
        var configuration = try PostgresServer.shared().configuration()
        configuration.password = nil
        let error = sessionFailure { _ = try PostgresConnection(configuration) }
        #expect(error != nil)
        #expect(error.text.contains("password"))
    }

    @Test("a database that does not exist is a matter of the schema")
    func wrongDatabase() throws {
        let configuration = try PostgresServer.shared().configuration(database: "nowhere")
        let error = sessionFailure { _ = try PostgresConnection(configuration) }
        #expect(error?.sqlState?.rawValue == "3D000")
        #expect(error?.category == .schema)
    }

    @Test("a refused connection says so and can be tried again")
    func refused() {
        let configuration = PostgresConfiguration(
            host: "127.0.0.1", port: freePort(), database: "x", user: "x", password: "hidden")
        let error = sessionFailure { _ = try PostgresConnection(configuration) }
        #expect(error?.caseName == "connect" && error.text.contains("refused"))
        #expect(error.text.contains(configuration.peer))
        #expect(error?.isRetryable == true)
        #expect(!error.text.contains("hidden"))
        #expect(!error.text.contains("\n"))
    }

    @Test("a name that does not resolve is a failure to connect")
    func unknownHost() {
        let configuration = PostgresConfiguration(
            host: "no-such-host.invalid", database: "x", user: "x")
        let error = sessionFailure { _ = try PostgresConnection(configuration) }
        #expect(error?.caseName == "connect", "\(error as Any)")
    }

    @Test("a peer that accepts and says nothing runs into the deadline")
    func silentPeer() throws {
        let listener = try SilentListener()
        let configuration = PostgresConfiguration(
            host: "127.0.0.1", port: listener.port, database: "x", user: "x")
        let error = sessionFailure {
            _ = try PostgresConnection(configuration, timeout: .milliseconds(200))
        }
        #expect(error?.deadline == .milliseconds(200) && error.text.contains("connect"))
        #expect(error?.isRetryable == true)
    }

    @Test("a server without TLS is refused when TLS is required")
    func tlsRequired() throws {
        var configuration = try PostgresServer.shared().configuration()
        configuration.sslMode = .require
        let error = sessionFailure { _ = try PostgresConnection(configuration) }
        #expect(error.text.contains("SSL"))
        #expect(error?.caseName == "tlsFailed", "\(error as Any)")
    }

    @Test("a NUL in a parameter is refused before anything is sent")
    func nulInConfiguration() {
        let configuration = PostgresConfiguration(host: "h", database: "a\0b", user: "x")
        let error = sessionFailure { _ = try PostgresConnection(configuration) }
        #expect(error?.category == .data)
    }

    @Test("neither description, dump nor interpolation shows the password")
    func secrets() {
        let configuration = PostgresConfiguration(
            host: "h", database: "d", user: "u", password: "hidden")
        var dumped = ""
        dump(configuration, to: &dumped)
        for text in ["\(configuration)", String(reflecting: configuration), dumped] {
            #expect(!text.contains("hidden"))
        }
        #expect("\(configuration)".contains("<redacted>"))
    }

    @Test("a closed connection stays closed, and closing twice does no harm")
    func closing() throws {
        let connection = try TestDatabase("connect_closing").connect()
        connection.close()
        connection.close()
        #expect(!connection.isUsable)
        #expect(!connection.isInTransaction)
        #expect(connection.serverVersion == 0)
        let errors = [
            sessionFailure { try connection.execute("SELECT 1") },
            sessionFailure { try connection.script("SELECT 1") },
            sessionFailure { try connection.copyIn("COPY t FROM STDIN") { _ in } },
        ]
        for error in errors {
            #expect(error?.caseName == "closed", "\(error as Any)")
            #expect(error?.isRetryable == true)
        }
    }
}
