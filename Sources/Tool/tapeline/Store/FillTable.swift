import StoreSinks

/// A table of which rows are copied.
struct FillTable: Sendable {
    let name: String
    let group: TableGroup
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

    /// The name by which retention has it, but for bars, of which each series may have a rule.
    var retained: String { name.hasSuffix("_rows") ? "\(name.dropLast(5))s" : name }

    /// The sink whose rows it has; `nil`: its rows are no records.
    var sink: SinkName? { isOfBars ? .bars : SinkName(rawValue: retained) }

    /// Returns the tables that may have rows of a lane.
    static func all(of lane: FillLane) -> [FillTable] {
        lane.input != "bars" ? ticks : lane.source == "operator" ? derived + bars : derived
    }

    static let all = ticks + derived + bars
    /// The names of all tables.
    static let names = all.map(\.name)

    private static let ticks = [
        FillTable(name: "trade_rows", group: .ticks), FillTable(name: "quote_rows", group: .ticks),
        FillTable(name: "depth", group: .ticks), FillTable(name: "options", group: .ticks),
        FillTable(name: "news", group: .rest, fetchRows: 40),
        FillTable(name: "fundamentals", group: .rest, fetchRows: 40),
        FillTable(name: "indicators", group: .bars),
        FillTable(name: "provider_bars", group: .rest),
        FillTable(name: "events", group: .rest, fetchRows: 40, condition: "input = 'ticks'"),
        FillTable(
            name: "gaps", group: .rest, hasTime: false, condition: "ordinal IS NOT NULL"),
        FillTable(name: "trade_changes", group: .ticks, hasTime: false),
        FillTable(name: "changes_by_id", group: .ticks, hasTime: false, isCounted: false),
    ]

    private static let derived = [
        FillTable(name: "indicators", group: .bars),
        FillTable(name: "late_ticks", group: .bars),
        FillTable(name: "events", group: .rest, fetchRows: 40, condition: "input = 'bars'"),
    ]

    /// A version is copied where the one that stands is there: else it would stand in the copy.
    private static let bars = Sink.barTables.map { name -> FillTable in
        let standing = Sink.barTables.filter { $0 != versions }.map {
            "EXISTS (SELECT FROM \($0) s WHERE (s.symbol, s.series, s.ts, s.number, s.source) = "
                + "(v.symbol, v.series, v.ts, v.number, v.source))"
        }
        return FillTable(
            name: name, group: .bars, isOfBars: true,
            condition: name == versions ? "(\(standing.joined(separator: " OR ")))" : "true")
    }
}

/// Rows of a table.
struct FillRows: Sendable {
    /// Times are in microseconds since 1970.
    struct Row: Sendable {
        let ordinal: Int64
        let time: Int64?
        let received: Int64?
        /// The series of a bar.
        let series: String?
        /// A JSON object.
        let text: String
    }

    let table: FillTable
    /// Ascending.
    var rows: [Row] = []

    /// The days of the rows, counted from 1970.
    var days: Set<Int64> {
        let day: Int64 = 86_400_000_000
        // Rounded down.
        return Set(rows.compactMap(\.time).map { $0 / day - ($0 % day < 0 ? 1 : 0) })
    }

    /// Returns the rows of which retention has not dropped the time where they go. `until` says up
    /// to when it has, by table.
    func kept(_ until: [String: FillRetired]) -> FillRows {
        guard table.hasTime, !until.isEmpty else { return self }
        var kept = self
        kept.rows = rows.filter { row in
            let rules =
                table.isOfBars
                ? ["series \(row.series ?? "")", table.name] : [table.retained]
            return !rules.contains { until[$0]?.covers(row) ?? false }
        }
        return kept
    }
}

/// Up to when retention has dropped the rows of a table.
struct FillRetired: Sendable {
    let until: Int64
    /// Up to which time of receipt rows without a time are gone.
    let receivedUntil: Int64?

    func covers(_ row: FillRows.Row) -> Bool {
        guard let time = row.time else { return false }
        // The first day of 1970 has the rows without a time.
        guard time < 86_400_000_000 else { return time < until }
        return receivedUntil.map { (row.received ?? .min) < $0 } ?? false
    }
}
