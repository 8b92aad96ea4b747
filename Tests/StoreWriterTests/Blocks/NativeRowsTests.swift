import ClickHouseWire
import Primitives
import StoreHTTP
import StoreSinks
import Testing

@testable import StoreWriter

@Suite("Rows of ClickHouse as bytes")
struct NativeRowsTests {
    private static let table = ClickHouseTable(
        name: "golden",
        columns: [
            ClickHouseColumn("source", .text), ClickHouseColumn("ordinal", .int64),
            ClickHouseColumn("ts", .time), ClickHouseColumn("price", .decimal(scale: 9)),
            ClickHouseColumn("provider_id", .decimal(scale: 0), isNullable: true),
            ClickHouseColumn("partial", .bool), ClickHouseColumn("payload", .bytes),
        ], division: .days, order: ["ts"],
        identity: ClickHouseTable.Identity(source: "source", ordinal: "ordinal"))

    private func add(
        _ ordinal: Int64, at time: Int64, _ id: UInt64?, to rows: inout NativeRows
    ) {
        rows.row(columns: 7)
        rows.packedText(0x62_61)
        rows.int64(ordinal)
        rows.timestamptz(Timestamp(nanoseconds: time))
        rows.decimal(-1, scale: 9)
        if let id { rows.unsigned(id) } else { rows.null() }
        rows.bool(true)
        rows.bytes([0, 255])
    }

    /// Name and type of a column.
    private func head(_ name: String, _ type: String) -> [UInt8] {
        [UInt8(name.utf8.count)] + Array(name.utf8) + [UInt8(type.utf8.count)] + Array(type.utf8)
    }

    @Test("a block has the bytes of FORMAT Native, column by column")
    func golden() throws {
        var rows = NativeRows(Self.table)
        add(1, at: 1_000, nil, to: &rows)
        add(-2, at: 2_999, .max, to: &rows)
        let parts = rows.parts()
        #expect(parts.map(\.block.part) == [19_700_101] && parts.map(\.rows) == [[0, 1]])
        let body = try #require(parts.first).block.body
        var wanted: [UInt8] = [7, 2]
        wanted += head("source", "String") + [2, 0x61, 0x62, 2, 0x61, 0x62]
        wanted += head("ordinal", "Int64") + [1, 0, 0, 0, 0, 0, 0, 0]
        wanted += [254] + [UInt8](repeating: 255, count: 7)
        wanted += head("ts", "DateTime64(6, 'UTC')") + [1, 0, 0, 0, 0, 0, 0, 0]
        wanted += [2, 0, 0, 0, 0, 0, 0, 0]
        wanted += head("price", "Decimal(38, 9)") + [UInt8](repeating: 255, count: 32)
        wanted += head("provider_id", "Nullable(UInt64)") + [1, 0]
        wanted += [UInt8](repeating: 0, count: 8) + [UInt8](repeating: 255, count: 8)
        wanted += head("partial", "Bool") + [1, 1]
        wanted += head("payload", "String") + [2, 0, 255, 2, 0, 255]
        #expect(body == wanted)
    }

    @Test("rows of several days become a block for each, and some rows can be taken")
    func days() throws {
        let day: Int64 = 86_400_000_000_000
        var rows = NativeRows(Self.table)
        for (ordinal, time) in [(1, 0), (2, day), (3, day - 1), (4, -1)] as [(Int64, Int64)] {
            add(ordinal, at: time, 7, to: &rows)
        }
        let parts = rows.parts()
        #expect(parts.map(\.block.part) == [19_691_231, 19_700_101, 19_700_102])
        #expect(parts.map(\.rows) == [[3], [0, 2], [1]])
        #expect(parts.map { $0.block.keys.map(\.ordinal) } == [[4], [1, 3], [2]])
        let middle = parts[1].block
        #expect(middle.rows(1..<2).keys.map(\.ordinal) == [3])
        #expect(middle.rows(0..<2).body == middle.body)
        #expect(middle.digest(after: 0) != middle.rows(1..<2).digest(after: 0))
    }

    @Test(
        "the partition of a time is that of the server",
        arguments: [
            (0, 19_700_101, 197_001), (951_782_400, 20_000_229, 200_002),
            (1_709_251_199, 20_240_229, 202_402), (1_709_251_200, 20_240_301, 202_403),
            (4_102_444_799, 20_991_231, 209_912), (-2_208_988_800, 19_000_101, 190_001),
            (-1, 19_691_231, 196_912),
        ])
    func partitions(seconds: Int64, day: Int, month: Int) {
        for (division, wanted) in [(ClickHouseTable.Division.days, day), (.months, month)] {
            var rows = NativeRows(
                ClickHouseTable(
                    name: "t", columns: [ClickHouseColumn("ts", .time)], division: division,
                    order: ["ts"], identity: Self.table.identity))
            rows.row(columns: 1)
            rows.timestamptz(Timestamp(nanoseconds: seconds * 1_000_000_000))
            #expect(rows.parts().map(\.block.part) == [wanted])
        }
    }

    @Test("a time before 1900 stands as 1900")
    func early() {
        var rows = NativeRows(Self.table)
        add(1, at: -3_000_000_000_000_000_000, nil, to: &rows)
        #expect(rows.parts().map(\.block.part) == [19_000_101])
    }

    @Test("tables without the settings that keep rows once are refused, one line each")
    func tables() {
        let table = Self.table
        var check = TableCheck()
        #expect(check.problem(of: table) == "there is no table golden")
        let engine = "MergeTree PARTITION BY toYYYYMMDD(ts) ORDER BY ts SETTINGS "
        check.columns["golden"] = Dictionary(
            uniqueKeysWithValues: table.columns.map { ($0.name, $0.type) })
        func problem(_ settings: String) -> String? {
            check.engines["golden"] = engine + settings
            return check.problem(of: table)
        }
        let window = "non_replicated_deduplication_window"
        #expect(
            problem("index_granularity = 8192") == "golden lacks the setting \(window) = 10000")
        #expect(problem("\(window) = 10, fsync_after_insert = 1") != nil)
        #expect(
            problem("\(window) = 10000") == "golden lacks the setting fsync_after_insert = 1")
        #expect(problem("fsync_after_insert = 1, \(window) = 10000") == nil)
        check.engines["golden"] = "ReplicatedMergeTree('/p', '{replica}') ORDER BY ts"
        #expect(check.problem(of: table) == nil)
        check.engines["golden"] = "Log"
        #expect(check.problem(of: table) == "golden is no MergeTree")
        check.engines["golden"] = engine + "fsync_after_insert = 1, \(window) = 10000"
        check.columns["golden"]?["price"] = "Float64"
        #expect(check.problem(of: table) == "golden.price is Float64, not Decimal(38, 9)")
    }

    @Test("an answer is read value by value, and one that is cut is no answer")
    func answers() throws {
        var answer = ClickHouseAnswer([2, 0x61, 0x62, 255, 255, 255, 255, 255, 255, 255, 255])
        #expect(try answer.text() == "ab")
        #expect(try answer.integer() == -1)
        #expect(answer.isOver)
        var cut = ClickHouseAnswer([3, 0x61])
        #expect(throws: StoreServerError.self) { try cut.text() }
    }
}
