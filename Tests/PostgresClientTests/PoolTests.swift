import PostgresClient
import ServiceRuntime
import Synchronization
import TestSupport
import Testing

/// Who has which session, over several threads.
private final class Ledger: Sendable {
    let failures = Mutex<[String]>([])
    let lent = Mutex<Set<Int32>>([])
}

private func borrow(_ pool: PostgresPool, _ ledger: Ledger, _ number: Int) {
    do throws(PostgresError) {
        try pool.withSession(timeout: patience) { (session) throws(PostgresError) in
            let isAlone = ledger.lent.withLock { $0.insert(session.backendProcessID).inserted }
            if !isAlone { ledger.failures.withLock { $0.append("lent twice") } }
            _ = try session.execute(
                "INSERT INTO used VALUES (pg_backend_pid(), $1::bigint)",
                [.integer(Int64(number))], timeout: patience)
            ledger.lent.withLock { _ = $0.remove(session.backendProcessID) }
        }
    } catch {
        ledger.failures.withLock { $0.append("\(error)") }
    }
}

@Suite("The pool")
struct PoolTests {
    private func backend(_ pool: PostgresPool) throws(PostgresError) -> Int32 {
        try pool.withSession(timeout: patience) { (session) throws(PostgresError) in
            _ = try session.execute("SELECT 1", timeout: patience)
            return session.backendProcessID
        }
    }

    @Test("one after the other use one session")
    func reuse() throws {
        let database = try TestDatabase("pool_reuse")
        let pool = PostgresPool(database.configuration, sessionsMax: 4)
        #expect(pool.sessionCount == 0)
        let first = try backend(pool)
        for _ in 0..<10 { #expect(try backend(pool) == first) }
        #expect(pool.sessionCount == 1)
        #expect(pool.close(timeout: patience))
        #expect(pool.sessionCount == 0)
    }

    @Test("many threads share few sessions, and never one at a time")
    func threads() throws {
        let database = try TestDatabase("pool_threads")
        try database.psql("CREATE TABLE used (backend int, number int)")
        let pool = PostgresPool(database.configuration, sessionsMax: 3)
        let ledger = Ledger()
        let threads = try (0..<8).map { number in
            try ServiceThread(name: "borrower") { [pool, ledger] in
                for _ in 0..<20 { borrow(pool, ledger, number) }
            }
        }
        for thread in threads { thread.join() }
        #expect(ledger.failures.withLock { $0 } == [])
        #expect(pool.sessionCount <= 3)
        #expect(
            try database.psql("SELECT count(*), count(DISTINCT backend) <= 3 FROM used") == "160|t")
    }

    @Test("when all are lent, a borrower waits, at most so long")
    func exhausted() throws {
        let database = try TestDatabase("pool_exhausted")
        let pool = PostgresPool(database.configuration, sessionsMax: 1)
        let error = failure { () throws(PostgresError) in
            try pool.withSession(timeout: patience) { (_) throws(PostgresError) in
                try pool.withSession(timeout: .milliseconds(50)) { (_) throws(PostgresError) in }
            }
        }
        guard case .timeout(let operation, _, let after) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(operation.contains("borrow") && after == .milliseconds(50))
        #expect(error?.isRetryable == true)
        _ = try backend(pool)
    }

    @Test("one that the server has ended is replaced before it is lent again")
    func replaced() throws {
        let database = try TestDatabase("pool_replaced")
        let pool = PostgresPool(database.configuration, sessionsMax: 1)
        let first = try backend(pool)
        try database.psql("SELECT pg_terminate_backend(\(first))")
        #expect(
            try eventually {
                try database.psql("SELECT count(*) FROM pg_stat_activity WHERE pid = \(first)")
                    == "0"
            })
        #expect(try backend(pool) != first)
        #expect(pool.sessionCount == 1)
    }

    @Test("one that comes back broken or inside of a transaction is closed")
    func givenBack() throws {
        let database = try TestDatabase("pool_given")
        let pool = PostgresPool(database.configuration, sessionsMax: 1)
        let first = try backend(pool)
        try pool.withSession(timeout: patience) { (session) throws(PostgresError) in
            try session.script("BEGIN; CREATE TABLE t ()", timeout: patience)
        }
        #expect(pool.sessionCount == 0)
        let second = try backend(pool)
        #expect(second != first)
        #expect(try database.psql("SELECT count(*) FROM pg_tables WHERE tablename = 't'") == "0")
        let error = failure { () throws(PostgresError) in
            try pool.withSession(timeout: patience) { (session) throws(PostgresError) in
                _ = try session.execute("SELECT pg_sleep(30)", timeout: .milliseconds(50))
            }
        }
        #expect(error != nil && pool.sessionCount == 0)
        // An error of a statement alone costs no session.
        let third = try backend(pool)
        _ = failure { () throws(PostgresError) in
            try pool.withSession(timeout: patience) { (session) throws(PostgresError) in
                _ = try session.execute("SELECT nonsense", timeout: patience)
            }
        }
        #expect(try backend(pool) == third)
    }

    @Test("a server that is not there gives an error and takes no place")
    func away() throws {
        var configuration = try PostgresServer.shared().configuration()
        configuration.port = freePort()
        let pool = PostgresPool(configuration, sessionsMax: 1)
        for _ in 0..<3 {
            let error = failure { () throws(PostgresError) in
                try pool.withSession(timeout: patience) { (_) throws(PostgresError) in }
            }
            guard case .connect = error else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
        #expect(pool.sessionCount == 0)
    }

    @Test("closing lends nothing more and waits for what is lent")
    func close() throws {
        let database = try TestDatabase("pool_close")
        let pool = PostgresPool(database.configuration, sessionsMax: 2)
        try pool.withSession(timeout: patience) { (session) throws(PostgresError) in
            #expect(!pool.close(timeout: .milliseconds(20)))
            let refused = failure { () throws(PostgresError) in
                try pool.withSession(timeout: patience) { (_) throws(PostgresError) in }
            }
            guard case .closed = refused else {
                Issue.record("\(String(describing: refused))")
                return
            }
            // Who has one may finish.
            #expect(try session.execute("SELECT 1", timeout: patience).scalar == "1")
        }
        #expect(pool.close(timeout: patience) && pool.sessionCount == 0)
    }
}
