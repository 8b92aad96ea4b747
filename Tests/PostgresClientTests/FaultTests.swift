import Foundation
import PostgresClient
import TestSupport
import Testing

@Suite("Faults")
struct FaultTests {
    @Test("the server's statement time-out ends a statement, not the session")
    func statementTimeout() throws {
        var configuration = try TestDatabase("fault_statement").configuration
        configuration.statementTimeout = .milliseconds(50)
        let connection = try PostgresConnection(configuration)
        let error = sessionFailure { try connection.execute("SELECT pg_sleep(60)") }
        #expect(error?.sqlState == .queryCanceled)
        #expect(error?.category == .retryable)
        #expect(connection.isUsable)
    }

    @Test("a lock that another session holds is given up after the lock time-out")
    func lockTimeout() throws {
        let database = try TestDatabase("fault_lock")
        let holder = try database.connect()
        try holder.script("CREATE TABLE t (a int8); BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        // The script was one message, and so one transaction with its BEGIN inside.
        #expect(holder.isInTransaction)
        try holder.script("COMMIT; BEGIN; LOCK TABLE t")
        var configuration = database.configuration
        configuration.lockTimeout = .milliseconds(50)
        let waiter = try PostgresConnection(configuration)
        let error = sessionFailure { try waiter.execute("SELECT * FROM t") }
        #expect(error?.sqlState == .lockNotAvailable)
        #expect(error?.category == .retryable)
        #expect(waiter.isUsable)
    }

    @Test("a serialization failure is retryable")
    func serialization() throws {
        let database = try TestDatabase("fault_serialization")
        let first = try database.connect()
        let second = try database.connect()
        try first.script("CREATE TABLE t (a int8); INSERT INTO t VALUES (1)")
        for connection in [first, second] {
            try connection.script("BEGIN ISOLATION LEVEL REPEATABLE READ")
            try connection.execute("SELECT * FROM t")
        }
        try first.script("UPDATE t SET a = 2; COMMIT")
        let error = sessionFailure { try second.execute("UPDATE t SET a = 3") }
        #expect(error?.sqlState?.rawValue == "40001")
        #expect(error?.category == .retryable)
    }

    @Test("a session that an administrator ends says so, and is closed")
    func terminated() throws {
        let connection = try TestDatabase("fault_terminated").connect()
        let id = connection.backendProcessID
        // A session ends itself, which avoids a race with a second thread.
        let error = sessionFailure {
            try connection.execute("SELECT pg_terminate_backend($1::int4)", [.text("\(id)")])
            try connection.execute("SELECT 1")
        }
        #expect(error?.sqlState == .adminShutdown)
        #expect(error?.category == .retryable)
        #expect(!connection.isUsable)
        let next = sessionFailure { try connection.execute("SELECT 1") }
        #expect(next?.caseName == "closed", "\(next as Any)")
    }

    @Test("a session that is ended under its statement: by an administrator, by a crash")
    func killedUnderStatement() throws {
        let server = try PostgresServer()
        for crash in [false, true] {
            let connection = try PostgresConnection(server.configuration())
            let id = connection.backendProcessID
            let killer = Thread {
                // Waits until the statement runs, then ends it from outside.
                do {
                    let query = "SELECT state FROM pg_stat_activity WHERE pid = \(id)"
                    guard try eventually({ try server.psql(query) == "active" }) else { return }
                    if crash {
                        server.stopImmediately()
                    } else {
                        try server.psql("SELECT pg_terminate_backend(\(id))")
                    }
                } catch {
                    Issue.record(error)
                }
            }
            killer.start()
            let error = sessionFailure { try connection.execute("SELECT pg_sleep(600)") }
            #expect(error?.isRetryable == true)
            if case .timeout = error { Issue.record("the deadline came first") }
            if !crash { #expect(error?.sqlState == .adminShutdown) }
            #expect(!connection.isUsable)
        }
    }

    @Test("a server that crashes under an idle session: the next statement loses it")
    func crash() throws {
        let server = try PostgresServer()
        let connection = try PostgresConnection(server.configuration())
        try connection.script("CREATE TABLE t (a int8)")
        server.stopImmediately()
        let error = sessionFailure { try connection.script("INSERT INTO t VALUES (1); COMMIT") }
        #expect(error?.isRetryable == true)
        #expect(!connection.isUsable)
        let refused = sessionFailure { _ = try PostgresConnection(server.configuration()) }
        #expect(refused?.caseName == "connect", "\(refused as Any)")
        try server.restart()
        let again = try PostgresConnection(server.configuration())
        #expect(try again.execute("SELECT count(*) FROM t").scalar == "0")
    }

    @Test("a server that crashes under a COPY: the outcome is unknown or the server's word")
    func crashUnderCopy() throws {
        let server = try PostgresServer()
        let connection = try PostgresConnection(server.configuration())
        try connection.script("CREATE TABLE t (a int8)")
        let error = sessionFailure {
            try connection.copyIn("COPY t FROM STDIN (FORMAT binary)") {
                (writer) throws(PostgresError) in
                for number in 0..<200_000 {
                    if number == 100_000 { server.stopImmediately() }
                    try writer.row(columns: 1)
                    writer.int64(Int64(number))
                }
            }
        }
        #expect(error?.isRetryable == true)
        #expect(!connection.isUsable)
    }

    @Test("who waits for a server is told again and again that it waits")
    func toldOfWaits() throws {
        var waits = 0
        let connection = try PostgresConnection(
            try TestDatabase("fault_waits").configuration, timeout: patience, onWait: { waits += 1 }
        )
        #expect(waits > 0)
        waits = 0
        try connection.execute("SELECT pg_sleep(3)")
        // A slice is a second. Without slices there would be one wait for the answer.
        #expect(waits >= 3)
    }

    @Test("a frozen server runs into our deadline, in statements, scripts and COPY")
    func frozen() throws {
        let server = try PostgresServer()
        let sessions = try (0..<3).map { _ in
            try PostgresConnection(server.configuration())
        }
        try sessions[0].script("CREATE TABLE t (a text)")
        server.pause()
        let brief = Duration.milliseconds(150)
        let errors = [
            sessionFailure { try sessions[0].execute("SELECT 1", timeout: brief) },
            sessionFailure { try sessions[1].script("SELECT 1; COMMIT", timeout: brief) },
            sessionFailure {
                try sessions[2].copyIn("COPY t FROM STDIN (FORMAT binary)", timeout: brief) { _ in }
            },
            sessionFailure { _ = try PostgresConnection(server.configuration(), timeout: brief) },
        ]
        for error in errors {
            #expect(error?.deadline == brief, "\(error as Any)")
            #expect(error?.isRetryable == true)
        }
        #expect(sessions.allSatisfy { !$0.isUsable })
        server.resume()
        let connection = try PostgresConnection(server.configuration())
        #expect(try connection.execute("SELECT 1").scalar == "1")
    }

    @Test("a server that freezes in mid-COPY runs into our deadline once its buffers are full")
    func frozenUnderCopy() throws {
        let server = try PostgresServer()
        let connection = try PostgresConnection(server.configuration())
        try connection.script("CREATE TABLE t (a text)")
        let text = String(repeating: "x", count: 60_000)
        let error = sessionFailure {
            try connection.copyIn(
                "COPY t FROM STDIN (FORMAT binary)", timeout: .milliseconds(500)
            ) { (writer) throws(PostgresError) in
                server.pause()
                // Far more than the kernel's buffers on both sides hold.
                for _ in 0..<2_000 {
                    try writer.row(columns: 1)
                    writer.text(text)
                }
            }
        }
        #expect(error?.caseName == "timeout", "\(error as Any)")
        #expect(!connection.isUsable)
    }

    @Test("a client that is gone lets its locks go although its statement goes on")
    func goneClient() throws {
        let database = try TestDatabase("fault_gone")
        let gone = try database.connect()
        try gone.script("CREATE TABLE t (a int8)")
        try gone.script("BEGIN; LOCK TABLE t")
        let error = sessionFailure {
            try gone.execute("SELECT pg_sleep(600)", timeout: .milliseconds(50))
        }
        #expect(error?.caseName == "timeout", "\(error as Any)")
        // The server checks every second whether the client is still connected.
        #expect(
            try eventually {
                try database.psql(
                    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(600%'")
                    == "0"
            })
    }

    @Test("a server that is read-only is refused while connecting")
    func readOnly() throws {
        let database = try TestDatabase("fault_read_only")
        try database.psql("ALTER DATABASE fault_read_only SET default_transaction_read_only = on")
        let error = sessionFailure { _ = try database.connect() }
        #expect(error?.caseName == "connect" && error.text.contains("read-only"))
        #expect(error?.isRetryable == true)
    }
}
