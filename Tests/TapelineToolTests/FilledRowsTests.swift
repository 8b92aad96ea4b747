import Primitives
import QuestDBWire
import StoreSinks
import Testing

@testable import TapelineTool

@Suite("Rows that are copied into a store without transactions") struct FilledRowsTests {
    private static func trades() throws -> Sink {
        try #require(SinkCatalogue([.trades]).sinks.first)
    }

    /// A trade as `FillSource.Form.values` has it.
    private static let trade = """
        {"ts":1700000000000000,"ts_rest_ns":7,"receive_time":1700000000000001,\
        "receive_rest_ns":-1,"symbol":"AAPL","price":1.250000000,"size":null,"exchange":"Q",\
        "conditions":"","action":0,"flags":-32768,"time_resolution":1,"provider":"p",\
        "of_source":"","provider_id":18446744073709551615,"source":"test","partition":3,\
        "epoch":2,"ordinal":17,"taken_at":1700000000000002}
        """

    private static func row(_ text: String, _ ordinal: Int64, time: Int64? = nil) -> FillRows.Row {
        FillRows.Row(ordinal: ordinal, time: time, received: nil, series: nil, text: text)
    }

    @Test("values of PostgreSQL are those of blocks, and what is none is refused")
    func values() throws {
        #expect(Int128("-12.5", scale: 9) == -12_500_000_000)
        #expect(Int128("12", scale: 0) == 12 && Int128("0.000000001", scale: 9) == 1)
        for text in ["1.23", "1e3", "NaN", "", "1.-2"] { #expect(Int128(text, scale: 1) == nil) }
        let table = try #require(FilledTable.all["trade_rows"])
        #expect(table.name == "trades")
        #expect(FilledTable.all["bars_long"]?.name == "bar_versions")
        #expect(FilledTable.all["changes_by_id"] == nil)
        var rows = NativeRows(ClickHouseTable(try Self.trades()))
        let text = Self.trade
        try rows.add(JSONValue.parse(text), of: table)
        let part = try #require(rows.parts().first)
        #expect(part.block.part == 20_231_114)
        #expect(part.block.keys == [BlockKey(source: "test", ordinal: 17)])
        #expect(throws: ToolError.self) {
            var rows = NativeRows(ClickHouseTable(try Self.trades()))
            try rows.add(JSONValue.parse(text.replacing("\"AAPL\"", with: "1")), of: table)
        }
    }

    @Test("a row for QuestDB has times to the nanosecond; what no column can take is left out")
    func lines() throws {
        let table = try #require(FilledTable.all["trade_rows"])
        let lines = LineRowWriter(QuestDBTable(try Self.trades()))
        let early = Self.trade.replacing("\"ts\":1700000000000000", with: "\"ts\":-5")
        let found = try lines.blocks(
            [Self.row(Self.trade, 17), Self.row(early, 18)], of: table)
        #expect(found.unfit == [18] && found.blocks.map(\.rowCount) == [1])
        let block = try #require(found.blocks.first as? LineBlock)
        let line = String(decoding: block.body, as: UTF8.self)
        #expect(line.hasPrefix("trades,symbol=AAPL,exchange=Q,provider=p,source=test "))
        #expect(line.hasSuffix(" 1700000000000000007n\n"))
        #expect(line.contains("receive_time=1700000000000001000n,"))
        #expect(line.contains(",taken_at=1700000000000002000n "))
    }

    @Test("the nanoseconds of a time are those of another column, where that has the same time")
    func times() throws {
        func time(_ column: String, _ row: String) throws -> Int64? {
            let json = try JSONValue.parse(row)
            return ExactTime.of(try #require(json[column]), column, json)?.nanoseconds
        }
        let cases: [(column: String, row: String, wanted: Int64?)] = [
            ("ts", #"{"ts":5,"event_time_ns":5999,"open_time_ns":5001}"#, 5_999),
            ("ts", #"{"ts":5,"event_time_ns":6000,"open_time_ns":5001}"#, 5_001),
            ("ts", #"{"ts":0,"event_time_ns":-9223372036854775808}"#, 0),
            ("ts", #"{"ts":0,"ts_rest_ns":-1}"#, 0), ("ts", #"{"ts":-1,"ts_rest_ns":999}"#, -1),
            ("receive_time", #"{"receive_time":5,"receive_time_ns":5003}"#, 5_003),
            ("provider_time", #"{"provider_time":5,"event_time_ns":5004}"#, 5_004),
            ("to_time", #"{"to_time":5,"to_time_ns":5004}"#, 5_004),
            ("taken_at", #"{"taken_at":5}"#, 5_000),
            ("ts", #"{"ts":9223372036854775807}"#, nil), ("ts", #"{"ts":"x"}"#, nil),
        ]
        for given in cases {
            #expect(try time(given.column, given.row) == given.wanted, "\(given)")
        }
    }

    @Test("QuestDB looks at no other days and tables, where all ordinals have rows to copy")
    func questions() throws {
        let lane = FillLane(input: "ticks", partition: 3, source: "a'b")
        let step = FillPlan.Stretch(lane: lane, ordinals: 4...6, isBeginning: false)
        let tables = SinkCatalogue([.trades, .quotes, .gaps]).sinks.map { QuestDBTable($0) }
        func asked(
            _ rows: FillRows..., of other: FillPlan.Stretch? = nil
        ) throws -> String {
            try #require(
                FilledQuestDB.question(other ?? step, rows, tables + QuestDBTable.books))
        }
        func rows(_ table: String, _ rows: FillRows.Row...) throws -> FillRows {
            FillRows(
                table: try #require(FillTable.all.first { $0.name == table }), rows: rows)
        }
        let some = try rows(
            "trade_rows", Self.row("", 4, time: 1_000_002), Self.row("", 5, time: 1_000_000))
        let all = try asked(some, rows("gaps", Self.row("", 6)))
        #expect(
            all.contains(
                "FROM trades WHERE \"partition\" = 3 AND source NOT IN ('operator', 'universe') "
                    + "AND source = 'a''b' AND ordinal >= 4 AND ordinal <= 6 "
                    + "AND ts >= '1970-01-01T00:00:01.000000000Z' "
                    + "AND ts <= '1970-01-01T00:00:01.000002999Z'"))
        #expect(all.contains("FROM gaps ") && !all.contains("receive_time >="))
        #expect(!all.contains("FROM quotes") && !all.contains("FROM fills"))
        let part = try asked(some)
        #expect(part.contains("FROM quotes") && !part.contains("ts >="))
        // Ordinals between gaps are not asked for: they need no row to copy.
        var joined = step
        joined.between = [6...6]
        #expect(try asked(some, of: joined).contains("ts >="))
    }
}
