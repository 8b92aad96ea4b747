import Primitives
import TestSupport
import Testing

@testable import PostgresClient

@Suite("Binary COPY")
struct CopyTests {
    private let copy = "COPY t FROM STDIN (FORMAT binary)"

    @Test("every type arrives")
    func types() throws {
        let database = try TestDatabase("copy_types")
        let connection = try database.connect()
        try connection.script(
            """
            CREATE TABLE t (a int2, b int4, c int8, d text, e bytea, f bool, g timestamptz,
                            h numeric, i text)
            """)
        let rows = try connection.copyIn(copy) {
            (writer) throws(PostgresError) in
            try writer.row(columns: 9)
            writer.int16(.min)
            writer.int32(.max)
            writer.int64(.min)
            writer.text("Ünï ☃\n\t\\")
            writer.bytes([0, 1, 255])
            writer.bool(true)
            writer.timestamptz(Timestamp(nanoseconds: 1_721_000_000_123_456_789))
            writer.numeric(-1_234_567_890, scale: 9)
            writer.null()
            #expect(writer.rows == 1)
        }
        #expect(rows == 1)
        #expect(
            try database.psql("SET TimeZone = 'UTC'; SELECT a, b, c, e, f, g, h, i IS NULL FROM t")
                == "-32768|2147483647|-9223372036854775808|\\x0001ff|t|"
                + "2024-07-14 23:33:20.123456+00|-1.23456789|t")
        #expect(try database.psql("SELECT d = E'Ünï ☃\\n\\t\\\\' FROM t") == "t")
    }

    @Test("a COPY without rows is complete")
    func empty() throws {
        let connection = try TestDatabase("copy_empty").connect(toTable: "a int8")
        #expect(try connection.copyIn(copy) { _ in } == 0)
        #expect(connection.isUsable)
    }

    @Test("100,000 rows cross many buffers, all of them once")
    func manyRows() throws {
        let database = try TestDatabase("copy_many")
        let connection = try database.connect(toTable: "a int8, b text")
        let rows = try connection.copyIn(copy) {
            (writer) throws(PostgresError) in
            for number in 0..<100_000 {
                try writer.row(columns: 2)
                writer.int64(Int64(number))
                writer.text("row number \(number) of this table")
            }
        }
        #expect(rows == 100_000)
        #expect(
            try database.psql("SELECT count(*), count(DISTINCT a), sum(a) FROM t")
                == "100000|100000|4999950000")
        #expect(
            try database.psql(
                "SELECT count(*) FROM t WHERE b = 'row number ' || a || ' of this table'")
                == "100000")
    }

    @Test("a body that fails aborts the COPY: nothing remains, the session goes on")
    func bodyFails() throws {
        let connection = try TestDatabase("copy_aborted").connect(toTable: "a int8")
        let mine = PostgresError.invalidValue(operation: "mine", reason: "enough")
        let error = sessionFailure {
            try connection.copyIn(copy) { (writer) throws(PostgresError) in
                for number in 0..<50_000 {
                    try writer.row(columns: 1)
                    writer.int64(Int64(number))
                }
                throw mine
            }
        }
        #expect(error == mine)
        #expect(connection.isUsable && !connection.isInTransaction)
        #expect(try connection.execute("SELECT count(*) FROM t").scalar == "0")
    }

    @Test("a value beyond the limit aborts the COPY with the first such value named")
    func hugeValue() throws {
        let connection = try TestDatabase("copy_huge").connect(toTable: "a text, b bytea")
        let error = sessionFailure {
            try connection.copyIn(copy) { (writer) throws(PostgresError) in
                try writer.row(columns: 2)
                writer.text(String(repeating: "x", count: PostgresLimits.fieldBytesMax + 1))
                writer.bytes([UInt8](repeating: 0, count: PostgresLimits.fieldBytesMax + 2))
            }
        }
        #expect(
            error
                == .invalidValue(
                    operation: "COPY t FROM",
                    reason: "a value of 16777217 bytes; at most 16777216"))
        #expect(try connection.execute("SELECT count(*) FROM t").scalar == "0")
    }

    @Test(
        "a bad row is a data error that names what is wrong; none of the rows remains",
        arguments: [
            ("a numeric(5, 2)", "22003"), ("a numeric CHECK (a < 1000)", "23514"),
            ("a numeric NOT NULL, b text NOT NULL", "23502"), ("a numeric UNIQUE", "23505"),
        ])
    func badRow(columns: String, code: String) throws {
        let database = try TestDatabase("copy_bad_\(code)")
        let connection = try database.connect(toTable: "\(columns)")
        try connection.script("BEGIN")
        let error = sessionFailure {
            try connection.copyIn("COPY t (a) FROM STDIN (FORMAT binary)") {
                (writer) throws(PostgresError) in
                for number in [1, 2, 99_999, 2] as [Int128] {
                    try writer.row(columns: 1)
                    writer.numeric(number, scale: 0)
                }
            }
        }
        #expect(error?.sqlState?.rawValue == code)
        #expect(error?.category == .data)
        #expect(connection.isInTransaction)
        try connection.script("ROLLBACK")
        #expect(try database.psql("SELECT count(*) FROM t") == "0")
        if code == "23514" {
            #expect(error?.serverError?.constraint == "t_a_check")
            #expect(error?.serverError?.table == "t")
            #expect(error.text.contains("t_a_check"))
        }
    }

    @Test("a NUL in text is refused by the server as a data error")
    func nulInText() throws {
        let connection = try TestDatabase("copy_nul").connect(toTable: "a text")
        let error = sessionFailure {
            try connection.copyIn(copy) { (writer) throws(PostgresError) in
                try writer.row(columns: 1)
                writer.text("a\0b")
            }
        }
        #expect(error?.sqlState?.rawValue == "22021")
        #expect(error?.category == .data)
        #expect(connection.isUsable)
    }

    @Test("a row that no partition takes is told from a violated constraint")
    func missingPartition() throws {
        let connection = try TestDatabase("copy_partition").connect()
        try connection.script(
            """
            CREATE TABLE t (a int8) PARTITION BY RANGE (a);
            CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (0) TO (10);
            """)
        let error = sessionFailure {
            try connection.copyIn(copy) { (writer) throws(PostgresError) in
                try writer.row(columns: 1)
                writer.int64(11)
            }
        }
        #expect(error?.sqlState == .checkViolation)
        #expect(error?.category == .missingPartition)
        #expect(error?.serverError?.table == "t")
    }

    @Test("a type that the table does not have is a data error of the binary format")
    func wrongWidth() throws {
        let connection = try TestDatabase("copy_width").connect(toTable: "a int8")
        let error = sessionFailure {
            try connection.copyIn(copy) { (writer) throws(PostgresError) in
                try writer.row(columns: 1)
                writer.int16(1)
            }
        }
        #expect(error?.sqlState?.errorClass == "22" || error?.sqlState?.errorClass == "08")
        #expect(connection.isUsable)
    }

    @Test("a table that does not exist is a matter of the schema")
    func missingTable() throws {
        let connection = try TestDatabase("copy_missing").connect()
        let error = sessionFailure { try connection.copyIn(copy) { _ in } }
        #expect(error?.sqlState?.rawValue == "42P01")
        #expect(error?.category == .schema)
        #expect(connection.isUsable)
    }

    @Test("a statement that is no COPY from the client is refused")
    func noCopy() throws {
        let connection = try TestDatabase("copy_none").connect()
        let select = sessionFailure { try connection.copyIn("SELECT 1") { _ in } }
        #expect(select?.category == .fatal)
        #expect(connection.isUsable)
        let out = sessionFailure { try connection.copyIn("COPY pg_class TO STDOUT") { _ in } }
        #expect(out?.category == .fatal)
        #expect(!connection.isUsable)
    }

    @Test("a row with a value too many or too few is a bug that stops the process")
    func trapsWrongCount() async {
        await #expect(processExitsWith: .failure) {
            var writer = BinaryCopyWriter(operation: "COPY t") { _ in }
            try writer.row(columns: 1)
            writer.int64(1)
            writer.int64(2)
        }
        await #expect(processExitsWith: .failure) {
            var writer = BinaryCopyWriter(operation: "COPY t") { _ in }
            try writer.row(columns: 1)
            try writer.finish()
        }
    }
}
