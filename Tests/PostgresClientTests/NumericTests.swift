import Primitives
import TestSupport
import Testing

@testable import PostgresClient

@Suite("Numbers and times in the server's own format")
struct NumericTests {
    static let values: [Int128] = [
        0, 1, -1, 9, 10, 99, 100, 1_000, 9_999, 10_000, 10_001, 99_999_999, 100_000_000,
        123_456_789, -123_456_789, 1_000_000_000, 1_500_000_000, -1_500_000_000, 170_141_183_460,
        12_345_678_900_000_000, Int128(Int64.max), Int128(Int64.min), Int128(UInt64.max),
        Int128(UInt64.max) + 1, 10_000_000_000_000_000_000_000_000_000,
        100_000_000_000_000_000_000_000_000_000_000_000_000, Int128.max, Int128.min, -Int128.max,
    ]

    @Test("a number comes back as the text that it is, at every scale", arguments: [false, true])
    func numeric(byCopy: Bool) throws {
        let database = try TestDatabase("numeric_\(byCopy)")
        let connection = try database.connect()
        try connection.script("CREATE TABLE n (i int8, v numeric)")
        var expected: [String] = []
        var all: [(value: Int128, scale: Int)] = []
        for value in Self.values {
            for scale in NumericEncoding.scaleRange { all.append((value, scale)) }
        }
        for (value, scale) in all { expected.append(FixedPoint.text(value, decimals: scale)) }
        if byCopy {
            let rows = try connection.copyIn("COPY n FROM STDIN (FORMAT binary)") {
                (writer) throws(PostgresError) in
                for (index, entry) in all.enumerated() {
                    try writer.row(columns: 2)
                    writer.int64(Int64(index))
                    writer.numeric(entry.value, scale: entry.scale)
                }
            }
            #expect(rows == all.count)
        } else {
            try connection.script("BEGIN")
            for (index, entry) in all.enumerated() {
                try connection.execute(
                    "INSERT INTO n VALUES ($1, $2)",
                    [.integer(Int64(index)), .numeric(entry.value, scale: entry.scale)])
            }
            try connection.script("COMMIT")
        }
        let stored = try database.psql("SELECT v FROM n ORDER BY i")
            .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        #expect(stored.count == expected.count)
        for (got, wanted) in zip(stored, expected) where got != wanted {
            Issue.record("\(wanted) came back as \(got)")
        }
        // They are also equal as numbers: the server reads the text as the same value.
        #expect(
            try database.psql("SELECT count(*) FROM n WHERE v IS DISTINCT FROM v::text::numeric")
                == "0")
    }

    @Test("a scale out of range is a bug that stops the process")
    func trapsScaleOutOfRange() async {
        await #expect(processExitsWith: .failure) {
            var buffer: [UInt8] = []
            NumericEncoding.append(1, scale: 39, to: &buffer)
        }
    }

    @Test("a time is rounded down to microseconds, before 1970 and 2000 as well")
    func times() throws {
        let database = try TestDatabase("times")
        let connection = try database.connect()
        let cases: [(nanoseconds: Int64, text: String)] = [
            (0, "1970-01-01 00:00:00+00"), (999, "1970-01-01 00:00:00+00"),
            (1_000, "1970-01-01 00:00:00.000001+00"), (-1, "1969-12-31 23:59:59.999999+00"),
            (-1_000, "1969-12-31 23:59:59.999999+00"), (-1_001, "1969-12-31 23:59:59.999998+00"),
            (946_684_800_000_000_000, "2000-01-01 00:00:00+00"),
            (946_684_799_999_999_999, "1999-12-31 23:59:59.999999+00"),
            (1_721_000_000_123_456_789, "2024-07-14 23:33:20.123456+00"),
            (Int64.max - 1, "2262-04-11 23:47:16.854775+00"),
            (Int64.min, "1677-09-21 00:12:43.145224+00"),
        ]
        try connection.script("CREATE TABLE t (i int8, v timestamptz)")
        try connection.copyIn("COPY t FROM STDIN (FORMAT binary)") {
            (writer) throws(PostgresError) in
            for (index, entry) in cases.enumerated() {
                try writer.row(columns: 2)
                writer.int64(Int64(index))
                writer.timestamptz(Timestamp(nanoseconds: entry.nanoseconds))
            }
            try writer.row(columns: 2)
            writer.int64(Int64(cases.count))
            writer.timestamptz(.undefined)
        }
        let stored = try database.psql("SET TimeZone = 'UTC'; SELECT v FROM t ORDER BY i")
            .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        #expect(stored.prefix(cases.count) == cases.map(\.text)[...])
        #expect(
            try database.psql("SELECT count(*) FROM t WHERE v IS NULL AND i = \(cases.count)")
                == "1")
        for entry in cases {
            let result = try connection.execute(
                "SELECT $1::timestamptz", [.timestamp(Timestamp(nanoseconds: entry.nanoseconds))])
            #expect(result.scalar == entry.text)
        }
        let undefined = try connection.execute("SELECT $1::timestamptz", [.timestamp(.undefined)])
        #expect(undefined.rowCount == 1 && undefined.scalar == nil)
    }
}
