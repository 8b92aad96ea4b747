import StoreSinks

/// A table of which rows are copied.
struct FillTable: Sendable {
    let name: String
    /// The name by which WRITER_SINKS has it.
    let sink: SinkName
    /// The table whose columns the rows have, where another one takes them first.
    var shape: String { isOfBars ? Self.versions : name }
    /// Whether the table is cut by the column `ts`.
    var hasTime = true
    /// Whether it has bars, whose sources are those of their ticks.
    var isOfBars = false
    /// Whether a row accounts for its ordinal.
    var isCounted = true
    /// So many rows are read at a time: few of those with documents, because a result has a
    /// largest size.
    var fetchRows = 2_000
    /// What else a row of the lane has to be.
    var condition = "true"

    private static let versions = "bar_versions"

    /// The columns that are the store's own, and those that only functions may write.
    private static let own: Set<String> = ["id", "noted_at", "first_ordinal", "last_ordinal"]

    /// Returns those that are copied of the columns of the table.
    func copied(_ columns: [String]) -> [String] {
        columns.filter { !isOfBars || $0 != "replaced" }.filter { column in
            !["gaps", "changes_by_id"].contains(name) || !Self.own.contains(column)
        }
    }

    /// Returns those of the tables that may have rows of a lane.
    static func all(of lane: FillLane, among sinks: Set<SinkName>) -> [FillTable] {
        let tables =
            lane.input != "bars" ? ticks : lane.source == "operator" ? derived + bars : derived
        return tables.filter { sinks.contains($0.sink) }
    }

    /// The names of all tables.
    static let names = (ticks + derived + bars).map(\.name)

    private static let ticks = [
        FillTable(name: "trade_rows", sink: .trades), FillTable(name: "quote_rows", sink: .quotes),
        FillTable(name: "depth", sink: .depth), FillTable(name: "options", sink: .options),
        FillTable(name: "news", sink: .news, fetchRows: 40),
        FillTable(name: "fundamentals", sink: .fundamentals, fetchRows: 40),
        FillTable(name: "indicators", sink: .indicators),
        FillTable(name: "provider_bars", sink: .providerBars),
        FillTable(name: "events", sink: .events, fetchRows: 40, condition: "input = 'ticks'"),
        FillTable(name: "gaps", sink: .gaps, hasTime: false, condition: "ordinal IS NOT NULL"),
        FillTable(name: "trade_changes", sink: .tradeChanges, hasTime: false),
        FillTable(name: "changes_by_id", sink: .trades, hasTime: false, isCounted: false),
    ]

    private static let derived = [
        FillTable(name: "indicators", sink: .indicators),
        FillTable(name: "late_ticks", sink: .lateTicks),
        FillTable(name: "events", sink: .events, fetchRows: 40, condition: "input = 'bars'"),
    ]

    private static let bars = Sink.barTables.map {
        FillTable(name: $0, sink: .bars, isOfBars: true)
    }
}

/// Rows of a table, as one statement inserts them.
struct FillRows: Sendable {
    let table: FillTable
    /// Ascending.
    var ordinals: [Int64] = []
    /// The days of the rows, counted from 1970.
    var days: Set<Int64> = []
    /// A JSON object for each row.
    var rows: [String] = []
}
