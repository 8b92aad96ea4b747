import PostgresClient
import TestSupport
import Testing

@Suite("Statements")
struct ExecuteTests {
    @Test("every kind of parameter arrives as it was meant")
    func parameters() throws {
        let connection = try TestDatabase("execute_parameters").connect()
        let result = try connection.execute(
            """
            SELECT $1::text, $2::bool, $3::int8, $4::bytea, $5::jsonb ->> 'a', $6::text IS NULL,
                   $7::text[], $8::int8[], $9::text[] = '{}', $10::bytea = '', $11::name
            """,
            [
                .text("Ünï'\"\\ ☃"), .bool(true), .integer(.min), .bytes([0, 255, 10]),
                .text(#"{"a": "b"}"#), .null, .textArray(["x", "y,\"{}", ""]),
                .integerArray([1, -2]), .textArray([]), .bytes([]), .text("n"),
            ])
        #expect(result.rowCount == 1)
        #expect(result.columns.count == 11)
        let row = (0..<11).map { result[0, $0] }
        #expect(
            row == [
                "Ünï'\"\\ ☃", "t", "-9223372036854775808", "\\x00ff0a", "b", "t",
                #"{x,"y,\"{}",""}"#, "{1,-2}", "t", "t", "n",
            ])
        #expect(result.integer(0, 2) == .min)
        #expect(result.integer(0, 0) == nil)
    }

    @Test("rows, columns and counts")
    func results() throws {
        let connection = try TestDatabase("execute_results").connect()
        let none = try connection.execute("SELECT 1 AS a WHERE false")
        #expect(none.columns == ["a"] && none.rowCount == 0 && none.scalar == nil)
        let rows = try connection.execute("SELECT i, NULL AS n FROM generate_series(1, 1000) i")
        #expect(rows.rowCount == 1_000 && rows.columns == ["i", "n"] && rows.affectedRows == 1_000)
        #expect(rows.integer(999, 0) == 1_000)
        #expect(rows[0, 1] == nil)
        try connection.execute("CREATE TABLE t (i int8)")
        let inserted = try connection.execute("INSERT INTO t SELECT generate_series(1, 7)")
        #expect(inserted.affectedRows == 7 && inserted.rowCount == 0)
        let empty = try connection.execute("")
        #expect(empty == PostgresResult.nothing)
    }

    @Test("a row that does not exist is a bug that stops the process")
    func trapsRowOutOfRange() async {
        await #expect(processExitsWith: .failure) { _ = PostgresResult.nothing[0, 0] }
    }

    @Test("a NUL in text, in a statement or in an array is refused, and the session goes on")
    func nul() throws {
        let connection = try TestDatabase("execute_nul").connect()
        for error in [
            sessionFailure { try connection.execute("SELECT $1::text", [.text("a\0b")]) },
            sessionFailure { try connection.execute("SELECT $1", [.textArray(["a\0"])]) },
            sessionFailure { try connection.execute("SELECT 1\0") },
            sessionFailure { try connection.script("SELECT 1; \0 SELECT 2") },
            sessionFailure { try connection.copyIn("COPY t\0") { _ in } },
        ] {
            #expect(error?.caseName == "invalidValue", "\(error as Any)")
            #expect(error?.category == .data)
        }
        #expect(try connection.execute("SELECT 5").scalar == "5")
    }

    @Test("more parameters than the protocol can count are refused")
    func tooManyParameters() throws {
        let connection = try TestDatabase("execute_many").connect()
        let error = sessionFailure {
            try connection.execute("SELECT 1", Array(repeating: .integer(1), count: 65_536))
        }
        #expect(error?.category == .data)
        #expect(connection.isUsable)
    }

    @Test("a result beyond the limit is an error, and its session is closed")
    func tooLarge() throws {
        let connection = try TestDatabase("execute_large").connect()
        let error = sessionFailure {
            try connection.execute("SELECT repeat('x', 1000000) FROM generate_series(1, 100)")
        }
        #expect(error?.caseName == "invalidValue", "\(error as Any)")
        #expect(error.text.contains("\(PostgresLimits.resultBytesMax)"))
        #expect(!connection.isUsable)
    }

    @Test("a script that selects and commits in one message does both")
    func scriptCommits() throws {
        let database = try TestDatabase("script_commits")
        let connection = try database.connect()
        try connection.script(
            """
            CREATE TABLE t (i int8);
            CREATE FUNCTION advance(n int8) RETURNS void LANGUAGE plpgsql AS $$
            BEGIN
                IF n < 0 THEN
                    RAISE EXCEPTION 'fenced: owner epoch 9 is above ours, 8'
                        USING ERRCODE = 'TL001';
                END IF;
                INSERT INTO t VALUES (n);
            END $$;
            """)
        try connection.script("BEGIN")
        #expect(connection.isInTransaction)
        try connection.execute("INSERT INTO t VALUES (1)")
        try connection.script("SELECT advance(2); COMMIT")
        #expect(!connection.isInTransaction)
        #expect(try database.psql("SELECT count(*) FROM t") == "2")

        try connection.script("BEGIN")
        try connection.execute("INSERT INTO t VALUES (3)")
        let error = sessionFailure { try connection.script("SELECT advance(-1); COMMIT") }
        #expect(error?.category == .fenced)
        #expect(error?.sqlState == .fenced)
        #expect(error?.serverError?.message == "fenced: owner epoch 9 is above ours, 8")
        // The COMMIT was skipped, so the transaction is still open, and failed.
        #expect(connection.isInTransaction)
        try connection.script("ROLLBACK")
        #expect(!connection.isInTransaction)
        #expect(try database.psql("SELECT count(*) FROM t") == "2")
    }

    @Test("what a script is told to copy is refused, and its session is closed")
    func scriptCopies() throws {
        for statement in ["COPY pg_class TO STDOUT", "COPY t FROM STDIN"] {
            let database = try TestDatabase(statement.contains("TO") ? "copy_out" : "copy_into")
            let connection = try database.connect()
            try connection.script("CREATE TABLE t (i int8)")
            let error = sessionFailure { try connection.script(statement) }
            #expect(error?.category == .fatal)
            #expect(!connection.isUsable)
        }
    }

    @Test("a syntax error leaves the session usable")
    func syntaxError() throws {
        let connection = try TestDatabase("execute_syntax").connect()
        let error = sessionFailure { try connection.execute("SELEC 1") }
        #expect(error?.sqlState?.rawValue == "42601")
        #expect(error?.category == .schema)
        #expect(try connection.execute("SELECT 2").scalar == "2")
    }

    @Test(
        "a parameter that is no such value is the server's data error",
        arguments: [
            ("int8", "twelve", "22P02"), ("jsonb", #""\u0000""#, "22P05"), ("jsonb", "{", "22P02"),
            ("numeric(3)", "1234", "22003"), ("date", "2024-02-30", "22008"),
        ])
    func badValue(type: String, value: String, code: String) throws {
        let connection = try PostgresConnection(try PostgresServer.shared().configuration())
        let error = sessionFailure { try connection.execute("SELECT $1::\(type)", [.text(value)]) }
        #expect(error?.sqlState?.rawValue == code)
        #expect(error?.category == .data)
    }

    @Test("notices reach their receiver in one line")
    func notices() throws {
        var received: [String] = []
        let connection = try TestDatabase("execute_notices").connect { received.append($0) }
        try connection.script("DO $$ BEGIN RAISE WARNING 'disk\nis slow'; END $$")
        #expect(received.count == 1)
        #expect(received.first?.contains("disk; is slow") == true)
        try connection.execute("DROP TABLE IF EXISTS nothing")
        #expect(received.count == 2)
    }

    @Test("an error names the statement's first words and no value")
    func operationNames() throws {
        let connection = try TestDatabase("execute_names").connect()
        let error = sessionFailure {
            try connection.script("ALTER ROLE nobody_here PASSWORD 'top-secret'")
        }
        #expect(error?.caseName == "server" && error.text.contains("ALTER ROLE nobody_here"))
        #expect(!error.text.contains("top-secret"))
    }
}
