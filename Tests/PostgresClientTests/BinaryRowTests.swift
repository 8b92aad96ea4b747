import PostgresClient
import Primitives
import TestSupport
import Testing

@Suite("Rows in binary form")
struct BinaryRowTests {
    @Test("every kind of value goes and comes back exactly")
    func values() throws {
        let connection = try TestDatabase("rows_values").connect()
        let statement = """
            SELECT $1::int2, $2::int4, $3::int8, $4::bool, $5::text, $6::bytea, $7::timestamptz,
                $8::numeric, $9::text[], $10::int8[], $11::float8, $12::oid, $13::jsonb::text
            """
        for (small, middle, large) in [
            (Int64(Int16.min), Int64(Int32.min), Int64.min),
            (Int64(Int16.max), Int64(Int32.max), Int64.max), (-1, 0, 1),
        ] {
            let text = "Ünï 🦆 '\"\\ \n"
            let rows = try connection.rows(
                statement,
                [
                    .integer(small), .integer(middle), .integer(large), .bool(true), .text(text),
                    .bytes([0, 1, 255]),
                    .timestamp(Timestamp(nanoseconds: 1_700_000_000_123_456_000)),
                    .numeric(-123_456_789, scale: 5), .textArray(["a", "", "b,c"]),
                    .integerArray([1, .min]), .integer(-3), .integer(4_294_967_295),
                    .text("{\"a\": 1}"),
                ])
            #expect(rows.rowCount == 1 && rows.affectedRows == 1)
            #expect(rows.integer(0, 0) == small && rows.integer(0, 1) == middle)
            #expect(rows.integer(0, 2) == large && rows.bool(0, 3) == true)
            #expect(rows.text(0, 4) == text && rows.bytes(0, 5).map(Array.init) == [0, 1, 255])
            #expect(rows.timestamp(0, 6)?.nanoseconds == 1_700_000_000_123_456_000)
            #expect(rows.numeric(0, 7, scale: 5) == -123_456_789)
            // The value has more decimals than this scale.
            #expect(rows.numeric(0, 7, scale: 4) == nil)
            #expect(rows.double(0, 10) == -3 && rows.integer(0, 11) == 4_294_967_295)
            #expect(rows.text(0, 12) == "{\"a\": 1}")
        }
    }

    @Test("NULL is nil in every type, and is told apart from nothing")
    func null() throws {
        let connection = try TestDatabase("rows_null").connect()
        let rows = try connection.rows(
            "SELECT $1::int8, $2::text, $3::timestamptz, $4::numeric, ''::text, $5::bytea",
            [.null, .null, .timestamp(.undefined), .null, .bytes([])])
        for column in 0..<4 { #expect(rows.isNull(0, column)) }
        #expect(rows.integer(0, 0) == nil && rows.text(0, 1) == nil)
        #expect(rows.timestamp(0, 2) == nil && rows.numeric(0, 3, scale: 2) == nil)
        #expect(rows.text(0, 4) == "" && rows.bytes(0, 5)?.isEmpty == true)
        // The value has another type than requested.
        #expect(rows.integer(0, 4) == nil && rows.bool(0, 4) == nil && rows.double(0, 4) == nil)
    }

    @Test("numerics of every size and place are read exactly, or not at all")
    func numerics() throws {
        let connection = try TestDatabase("rows_numeric").connect()
        let statement = "SELECT $1::text::numeric"
        for (text, scale, value) in [
            ("0", 0, 0), ("0.00000001", 8, 1), ("-0.00000001", 8, -1), ("1e20", 8, nil),
            ("99999999999999999999", 8, nil), ("123456789012345678.12345678", 8, nil),
            ("NaN", 8, nil), ("Infinity", 0, nil), ("10000", 0, 10_000), ("10000", 4, 100_000_000),
            ("0.1", 1, 1), ("0.1", 0, nil), ("-12345.6789", 4, -123_456_789),
        ] as [(String, Int, Int64?)] {
            let rows = try connection.rows(statement, [.text(text)])
            let read = rows.numeric(0, 0, scale: scale)
            if let value { #expect(read == Int128(value), "\(text)") }
            // A value that does not fit 64 bits here is exact in 128, or `nil`.
            if let read { #expect(FixedPoint.text(read, decimals: scale).contains { $0.isNumber }) }
        }
        let big = try connection.rows(
            statement, [.text("170141183460469231731687303715884105727")])
        #expect(big.numeric(0, 0, scale: 0) == Int128.max)
        #expect(big.numeric(0, 0, scale: 1) == nil)
    }

    @Test("times beyond nanoseconds of 64 bits are held at the ends")
    func times() throws {
        let connection = try TestDatabase("rows_times").connect()
        let statement = "SELECT $1::text::timestamptz"
        for (text, nanoseconds) in [
            ("infinity", Int64.max - 1), ("-infinity", Int64.min), ("9999-01-01Z", Int64.max - 1),
            ("0001-01-01Z", Int64.min), ("1969-12-31 23:59:59.999999Z", -1_000),
        ] {
            let rows = try connection.rows(statement, [.text(text)])
            #expect(rows.timestamp(0, 0)?.nanoseconds == nanoseconds, "\(text)")
        }
    }

    @Test("an error of the statement leaves the session usable")
    func errors() throws {
        let connection = try TestDatabase("rows_errors").connect()
        let division = "SELECT 1 / $1::int4"
        let error = sessionFailure { _ = try connection.rows(division, [.integer(0)]) }
        #expect(error?.sqlState?.rawValue == "22012" && connection.isUsable)
        #expect(try connection.rows(division, [.integer(1)]).integer(0, 0) == 1)
        let many = "SELECT repeat('x', 1000000) FROM generate_series(1, $1)"
        let large = sessionFailure { _ = try connection.rows(many, [.integer(1_000)]) }
        #expect(large?.caseName == "invalidValue", "\(large as Any)")
        #expect(!connection.isUsable)
    }
}
