import Foundation
import PostgresClient
import Primitives
import ServiceTestSupport
import TestSupport
import Testing

@testable import Cockpit

@Suite("The page SQL") struct SQLTests {
    private static let password = "a reader reads"

    /// A server with the roles that `deploy/local/database.sql` makes, a table, and one that is
    /// nobody's.
    private static func server() throws -> PostgresServer {
        let server = try PostgresServer()
        try server.psql(
            file: "\(ServerPrograms.checkout)/deploy/local/database.sql",
            variables: [
                "migrator_password=a", "writer_password=\(password)",
                "cockpit_password=\(password)",
            ], database: "postgres")
        try server.psql(
            """
            CREATE SCHEMA md; CREATE SCHEMA md_market; CREATE SCHEMA other;
            CREATE TABLE md.t (n int); INSERT INTO md.t VALUES (1), (2); CREATE SEQUENCE md.s;
            CREATE TABLE other.secret (n int); CREATE VIEW md_market.v AS TABLE md.t;
            GRANT USAGE ON SCHEMA md, md_market TO tapeline_reader, tapeline_writer;
            GRANT SELECT ON md.t, md_market.v TO tapeline_reader;
            GRANT SELECT, INSERT ON md.t TO tapeline_writer
            """, database: "tapeline")
        return server
    }

    private static func asker(
        _ server: PostgresServer, as user: String = "tapeline_cockpit",
        password: String = password
    ) -> SQLAsker {
        SQLAsker(
            PostgresConfiguration(
                host: "127.0.0.1", port: server.port, database: "tapeline", user: user,
                password: password),
            namespace: "md")
    }

    /// Returns why there are no rows, or the limit that cut them; "rows" where all are there.
    private static func outcome(_ asker: SQLAsker, _ sql: String) -> String {
        do {
            let document = try asker.ask(sql) { true }
            return document.cut.map { "cut by \($0)" } ?? "\(document.count) rows"
        } catch {
            return SQLAsker.reason(error)
        }
    }

    /// What a statement might leave behind: sessions, locks, rows, objects, roles.
    private static let held = """
        SELECT (SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cockpit sql'),
            (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7),
            (SELECT string_agg(n::text, ',' ORDER BY n) FROM md.t),
            (SELECT count(*) FROM pg_class
                WHERE relnamespace::regnamespace::text !~ '^(pg_toast|_)'),
            (SELECT count(*) FROM pg_largeobject_metadata), (SELECT count(*) FROM pg_roles),
            (SELECT count(*) FROM pg_prepared_xacts), (SELECT last_value FROM md.s)
        """

    private static let columns =
        (0...AskedDocument.columnsMax).map { "\($0)" }.joined(separator: ",")

    /// Each is no query, whatever it would do.
    private static let statements = [
        "INSERT INTO md.t VALUES (9)", "INSERT INTO md.t VALUES (9) RETURNING n",
        "UPDATE md.t SET n = 0 RETURNING n", "DELETE FROM md.t", "TRUNCATE md.t",
        "MERGE INTO md.t USING md_market.v ON true WHEN MATCHED THEN DELETE",
        "CREATE TABLE md.x (n int)", "CREATE TEMP TABLE x (n int)", "DROP TABLE md.t",
        "CREATE FUNCTION md.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "SELECT n INTO md.x FROM md.t", "GRANT ALL ON md.t TO PUBLIC", "LOCK TABLE md.t",
        "COMMIT", "SET TRANSACTION READ WRITE", "SET ROLE tapeline_writer",
        "SET SESSION AUTHORIZATION postgres", "SET statement_timeout = 0", "SHOW ALL",
        "COPY md.t TO PROGRAM 'id'", "COPY md.t TO STDOUT", "COPY md.t FROM STDIN",
        "DO $$ BEGIN PERFORM pg_sleep(9); END $$", "LISTEN news", "NOTIFY news",
        "PREPARE kept AS SELECT 1", "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
        "EXPLAIN ANALYZE DELETE FROM md.t", "VACUUM", "LOAD 'x'", " ; ", "-- nothing",
    ]

    private static let queries: [(sql: String, outcome: String)] = [
        ("WITH g AS (DELETE FROM md.t RETURNING n) TABLE g", "at the top level"),
        ("SELECT n FROM md.t FOR UPDATE", "read-only transaction"),
        ("SELECT 1; SELECT 2", "multiple commands"),
        ("COMMIT; DROP TABLE md.t", "multiple commands"),
        ("SELECT 1) AS asked (c1); DROP TABLE md.t; SELECT * FROM (SELECT 1", "syntax error"),
        ("SELECT 1 /* open", "unterminated"),
        ("SELECT set_config('role', 'tapeline_writer', false)", "permission denied"),
        ("SELECT set_config('transaction_read_only', 'off', false)", "read-write mode"),
        ("SELECT nextval('md.s')", "permission denied"),
        ("SELECT lo_create(0)", "read-only transaction"),
        ("SELECT lo_import('/etc/passwd')", "permission denied"),
        ("SELECT pg_read_file('/etc/passwd')", "permission denied"),
        ("SELECT pg_ls_dir('.')", "permission denied"),
        ("SELECT dblink('dbname=tapeline', 'DROP TABLE md.t')", "does not exist"),
        ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity", "permission denied"),
        ("SELECT pg_cancel_backend(pid) FROM pg_stat_activity", "permission denied"),
        ("SELECT * FROM other.secret", "permission denied"),
        ("SELECT * FROM pg_authid", "permission denied"),
        ("SELECT $1::int", "bind message"),
        ("SELECT \(columns)", "it has 101 columns"),
        // What waits is ended by its time, whatever it says of that.
        (
            "SELECT set_config('statement_timeout', '0', false), pg_advisory_lock(7), "
                + "pg_sleep(60)",
            "it took longer than 5 s"
        ),
        // What may be asked, and leaves nothing.
        ("SELECT pg_advisory_lock(7)", "1 rows"), ("SELECT pg_notify('news', 'x')", "1 rows"),
        ("SELECT generate_series(1, 100000000)", "cut by rows"),
        ("SELECT repeat('x', 4000) FROM generate_series(1, 100000)", "cut by bytes"),
        ("TABLE v ; ", "2 rows"), ("VALUES (1, NULL), (2, 'x') -- all", "2 rows"),
        ("WITH a AS (SELECT n, n FROM v) SELECT *, 1 FROM a ORDER BY 1 DESC", "2 rows"),
    ]

    @Test("what changes something, or does not end, is refused or cut, and nothing is held")
    func refused() throws {
        let server = try Self.server()
        let before = try server.psql(Self.held, database: "tapeline")
        let asker = Self.asker(server)
        let noQuery = "only what has rows and changes nothing can be asked"
        for (sql, expected) in Self.statements.map({ ($0, noQuery) }) + Self.queries {
            let outcome = Self.outcome(asker, sql)
            #expect(outcome.contains(expected), "\(sql): \(outcome)")
            var after = ""
            let isSame = try eventually {
                after = try server.psql(Self.held, database: "tapeline")
                return after == before
            }
            #expect(isSame, "\(sql): \(after), and before it \(before)")
        }
    }

    @Test("a huge row is cut where it is, or ended by its time, and is never here")
    func large() throws {
        let server = try Self.server()
        func kilobytes(_ name: String) throws -> Int {
            let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
            let line = status.split(separator: "\n").first { $0.hasPrefix("\(name):") }
            return try #require(line?.split(separator: " ").dropLast().last.flatMap { Int($0) })
        }
        let before = try kilobytes("VmHWM")
        let asker = Self.asker(server)
        let document = try asker.ask("SELECT repeat('x', 100000000), 1") { true }
        #expect(document.count == 1 && document.cut == nil)
        let json = try JSONValue.parse(document.json(seconds: 0, at: Timestamp(nanoseconds: 0)))
        #expect(json["cut_values"]?.int == 1)
        #expect(json["rows"]?.array?[0].array?[1].string == "1")
        // A busy server may need more than the five seconds for 1 GB.
        let outcome = Self.outcome(asker, "SELECT repeat('x', 1000000000), 1")
        #expect(outcome == "1 rows" || outcome.contains("took longer than 5 s"), "\(outcome)")
        #expect(try kilobytes("VmHWM") - before < 90_000)
    }

    @Test("a role that may do more than read is not used")
    func roles() throws {
        let server = try Self.server()
        let administrator = Self.asker(
            server, as: PostgresServer.user, password: PostgresServer.password)
        let writer = Self.asker(server, as: "tapeline_writer")
        #expect(Self.outcome(administrator, "SELECT 1").contains("rights of an administrator"))
        #expect(Self.outcome(writer, "SELECT 1").contains("it may write rows"))
        let reader = Self.asker(server)
        #expect(Self.outcome(reader, "SELECT 1") == "1 rows")
        for (change, words) in [
            ("GRANT pg_read_all_data TO tapeline_cockpit", "a role of the server"),
            ("REVOKE pg_read_all_data FROM tapeline_cockpit", "1 rows"),
            (
                "GRANT EXECUTE ON FUNCTION pg_cancel_backend(integer) TO PUBLIC",
                "it may end sessions"
            ),
        ] {
            try server.psql(change, database: "tapeline")
            let outcome = Self.outcome(reader, "SELECT 1")
            #expect(outcome.contains(words), "\(change): \(outcome)")
        }
    }

    @Test("a browser asks, one question at a time, and what nobody waits for is ended")
    func asked() throws {
        let server = try Self.server()
        let cockpit = try LoneCockpit([
            "COCKPIT_SQL": "true", "POSTGRES_PORT": "\(server.port)", "POSTGRES_DB": "tapeline",
            "POSTGRES_USER": "tapeline_cockpit", "POSTGRES_PASSWORD": Self.password,
        ])
        #expect(try cockpit.get("/me.json").json()["no_sql"] == nil)
        for bad in ["", "{}", #"{"sql":" "}"#, #"{"sql":1}"#] {
            #expect(try cockpit.post("/ask", bad).status == 400, "\(bad)")
        }
        func ask(_ sql: String) throws -> String {
            let taken = try cockpit.post("/ask", #"{"sql":"\#(sql)"}"#)
            #expect(taken.status == 202, "\(taken)")
            return try #require(taken.json()["number"]?.string)
        }
        func answer(_ number: String) throws -> JSONValue {
            var news = JSONValue.null
            let isThere = try eventually {
                news = try cockpit.get("/asked.json?number=\(number)").json()
                return news["state"]?.string != "under way"
            }
            #expect(isThere)
            return news
        }
        let news = try answer(ask("SELECT n, n + 1 AS more FROM v ORDER BY n"))
        #expect(news["columns"]?.array == [.string("n"), .string("more")], "\(news)")
        #expect(
            news["rows"]?.array?.map { $0.array?.compactMap(\.string) } == [
                ["1", "2"], ["2", "3"],
            ])
        let wrong = try answer(ask("SELECT x FROM v"))
        #expect(wrong["refused"]?.string?.contains("(character 8)") == true, "\(wrong)")

        let number = try ask("SELECT pg_sleep(4)")
        #expect(try cockpit.post("/ask", #"{"sql":"SELECT 1"}"#).status == 429)
        #expect(try cockpit.post("/unask", #"{"number":"\#(number)"}"#).status == 200)
        let isOver = try eventually {
            try cockpit.post("/ask", #"{"sql":"SELECT pg_sleep(4)"}"#).status == 202
        }
        #expect(isOver)
        #expect(try cockpit.get("/asked.json?number=\(number)").status == 404)
        // Nobody looks at this one.
        let isGone = eventually {
            cockpit.running.log.count("its page has left") == 2
        }
        #expect(isGone)
        _ = try cockpit.running.stop()
    }

    @Test("while it is off, or who asks has to be known, nothing is asked")
    func off() throws {
        let cockpit = try LoneCockpit()
        #expect(try cockpit.get("/me.json").json()["no_sql"]?.string?.contains("off") == true)
        #expect(try cockpit.post("/ask", #"{"sql":"SELECT 1"}"#).status == 403)
        #expect(try cockpit.post("/unask", #"{"number":"1"}"#).status == 403)
        #expect(try cockpit.get("/asked.json?number=1").status == 403)
        _ = try cockpit.running.stop()
        // Another site's page asks nothing, either.
        let on = try LoneCockpit(["COCKPIT_SQL": "true"])
        let foreign = try on.post(
            "/ask", #"{"sql":"SELECT 1"}"#, origin: "Origin: http://elsewhere\r\n")
        #expect(foreign.status == 403)
        _ = try on.running.stop()
    }
}
