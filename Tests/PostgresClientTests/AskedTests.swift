import PostgresClient
import TestSupport
import Testing

@Suite("Statements of people")
struct AskedTests {
    @Test("the columns of a statement are known before it runs, and there is one statement")
    func columns() throws {
        let database = try TestDatabase("asked_columns")
        let connection = try database.connect(toTable: "a int, b text")
        func columns(_ sql: String) throws -> [String] {
            try connection.columns(of: sql, timeout: patience)
        }
        #expect(try columns("SELECT a, b, a + 1 AS \"a\" FROM t") == ["a", "b", "a"])
        #expect(try columns("INSERT INTO t VALUES (1, 'x')") == [])
        #expect(try columns("INSERT INTO t VALUES (1, 'x') RETURNING b") == ["b"])
        for wrong in ["SELECT 1; SELECT 2", "SELECT FROM nowhere", "SELECT 1 /* open"] {
            let failure = sessionFailure { _ = try columns(wrong) }
            #expect(failure?.caseName == "server", "\(wrong): \(failure as Any)")
        }
        #expect(sessionFailure { _ = try columns("SELECT '\0'") }?.caseName == "invalidValue")
        // Nothing of it has run, and the session works.
        #expect(try connection.execute("SELECT count(*) FROM t").scalar == "0")
    }

    @Test("rows come one by one, also NULL and those before an error")
    func rows() throws {
        let connection = try TestDatabase("asked_rows").connect()
        var taken: [[String?]] = []
        func ask(_ sql: String) throws(PostgresError) -> Bool {
            taken = []
            return try connection.eachRow(sql, timeout: patience, while: { true }) { row in
                taken.append(row)
                return true
            }
        }
        let isWhole = try ask("SELECT n, nullif(n, 2), 'é' FROM generate_series(1, 3) AS n")
        #expect(isWhole && taken == [["1", "1", "é"], ["2", nil, "é"], ["3", "3", "é"]])
        let isEmpty = try ask("SELECT 1 WHERE false") && taken.isEmpty
        #expect(isEmpty)
        let failure = sessionFailure {
            _ = try ask("SELECT 6 / (3 - n) FROM generate_series(1, 3) AS n")
        }
        #expect(failure?.sqlState?.rawValue == "22012" && taken == [["3"], ["6"]])
        let works = try ask("SELECT 1")
        #expect(works)
    }

    @Test("who wants no more rows ends session and statement, also while nothing comes")
    func ended() throws {
        let database = try TestDatabase("asked_ended")
        let sessions = """
            SELECT count(*) FROM pg_stat_activity
            WHERE datname = '\(database.name)' AND pid <> pg_backend_pid()
            """
        let taking = try database.connect()
        var count = 0
        let isWhole = try taking.eachRow(
            "SELECT repeat('x', 1000) FROM generate_series(1, 1000000)", timeout: patience,
            while: { true }
        ) { _ in
            count += 1
            return count < 10
        }
        #expect(!isWhole && count == 10 && !taking.isUsable)
        let waiting = try database.connect()
        var looks = 0
        let failure = sessionFailure {
            _ = try waiting.eachRow(
                "SELECT pg_sleep(3600)", timeout: patience,
                while: {
                    looks += 1
                    return looks < 2
                }
            ) { _ in true }
        }
        #expect(failure?.caseName == "closed" && !waiting.isUsable, "\(failure as Any)")
        let isGone = try eventually { try database.psql(sessions) == "0" }
        #expect(isGone)
    }
}
