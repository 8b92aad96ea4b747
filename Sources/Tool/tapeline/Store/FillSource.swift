import PostgresClient
import Primitives
import StoreSinks

/// The store from which rows are copied. It is only read.
final class FillSource {
    /// One statement may sort the rows of a pass.
    static let timeout = Duration.seconds(3_600)
    /// The store is used by others: a filling that hangs must not keep what they drop.
    private static let idleTimeout = Duration.seconds(60)
    /// The most bytes of the rows of a step, unless it has one ordinal.
    private static let stepBytesMax = 64 << 20

    private let database: PostgresConnection
    /// The columns of each table, by name.
    private let columns: [String: [String]]
    /// The value of `gaps.sink` in the copies.
    private let sink: String
    private let form: Form
    private var cursors: [Cursor] = []
    private var window = Window.all

    /// The rows of which times are read, around those at which the tape took the pass: an index on
    /// ordinals would cost each writer more.
    enum Window: String {
        case minutes = "10 minutes"
        case day = "1 day"
        case all

        /// The next wider one.
        var wider: Window { self == .minutes ? .day : .all }
    }

    /// How the values of a row are written.
    enum Form {
        /// As another database of PostgreSQL reads them.
        case rows
        /// Times in microseconds since 1970, bytes as digits of 16, documents as texts.
        case values
    }

    /// The rows of a step.
    enum Found {
        case rows([FillRows])
        /// Rows may be missing, because only those of the window were read.
        case incomplete
        /// The step is too large to be one transaction.
        case tooLarge
    }

    private struct Cursor {
        let name: String
        let table: FillTable
        /// What was fetched and not taken: the next row is the last one.
        var waiting: [FillRows.Row] = []
        var isAtEnd = false
    }

    init(
        _ database: PostgresConnection, columns: [String: [String]], sink: String,
        as form: Form = .rows
    ) {
        self.database = database
        self.form = form
        self.columns = columns
        self.sink = sink
    }

    static func configuration(_ base: PostgresConfiguration) -> PostgresConfiguration {
        var own = base
        own.applicationName = "tapeline store fill"
        own.statementTimeout = timeout
        own.idleInTransactionTimeout = idleTimeout
        return own
    }

    /// Begins to read the rows of a pass, as they are in the books at this moment.
    func begin(_ pass: FillPlan.Stretch, _ window: Window) throws {
        try end()
        try database.script(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", timeout: Self.timeout)
        let times = window == .all ? nil : try usualTimes(of: pass, window)
        self.window = times == nil ? .all : window
        let tables = FillTable.all(of: pass.lane).filter { columns[$0.name]?.isEmpty == false }
        cursors = try tables.enumerated().map { index, table in
            let name = "fill_\(index)"
            try database.execute(
                "DECLARE \(name) NO SCROLL CURSOR FOR \(query(table, pass, times))",
                timeout: Self.timeout)
            return Cursor(name: name, table: table)
        }
    }

    /// Ends the reading.
    func end() throws {
        cursors = []
        guard database.isInTransaction else { return }
        try database.script("ROLLBACK", timeout: Self.timeout)
    }

    /// The window of the present pass.
    var readWindow: Window { window }

    /// Returns the rows of a step, which follows the one before in the pass.
    func rows(of step: FillPlan.Stretch) throws -> Found {
        var found: [FillRows] = []
        var bytes = step.ordinals.size == 1 ? Int.max : Self.stepBytesMax
        for index in cursors.indices {
            let rows = try take(step, &cursors[index], within: &bytes)
            guard bytes > 0 else { return .tooLarge }
            if !rows.rows.isEmpty { found.append(rows) }
        }
        let count = found.filter(\.table.isCounted).reduce(0) { $0 + $1.rows.count }
        return window != .all && Int64(count) < step.wanted ? .incomplete : .rows(found)
    }

    /// `bytes` is reduced by the size of the rows.
    private func take(
        _ step: FillPlan.Stretch, _ cursor: inout Cursor, within bytes: inout Int
    ) throws -> FillRows {
        var rows = FillRows(table: cursor.table)
        while bytes > 0 {
            if cursor.waiting.isEmpty, !cursor.isAtEnd { try fetch(&cursor) }
            guard let next = cursor.waiting.last, step.ordinals.contains(next.ordinal) else {
                break
            }
            cursor.waiting.removeLast()
            guard step.has(next.ordinal) else { continue }
            rows.rows.append(next)
            bytes -= next.text.utf8.count
        }
        if step.isBeginning { rows.rows.reverse() }
        return rows
    }

    private func fetch(_ cursor: inout Cursor) throws {
        let found = try database.execute(
            "FETCH FORWARD \(cursor.table.fetchRows) FROM \(cursor.name)",
            timeout: Self.timeout)
        cursor.isAtEnd = found.rowCount < cursor.table.fetchRows
        cursor.waiting = try (0..<found.rowCount).reversed().map { row in
            guard let ordinal = found.integer(row, 0), let text = found[row, 4] else {
                throw ToolError.unreadable("a row of \(cursor.table.name) has no ordinal")
            }
            return FillRows.Row(
                ordinal: ordinal, time: found.integer(row, 1), received: found.integer(row, 2),
                series: found[row, 3], text: text)
        }
    }

    private func query(
        _ table: FillTable, _ pass: FillPlan.Stretch, _ times: (from: String, to: String)?
    ) -> String {
        let lane = pass.lane
        var conditions = [
            "partition = \(lane.partition)",
            "ordinal BETWEEN \(pass.ordinals.lowerBound) AND \(pass.ordinals.upperBound)",
            table.condition,
        ]
        if !table.isOfBars { conditions.append("source = \(Self.literal(lane.source))") }
        if table.hasTime, let times {
            conditions.append("ts BETWEEN '\(times.from)' AND '\(times.to)'")
        }
        let names = table.copied(columns[table.name] ?? [])
        var values = names.map {
            table.name == "gaps" && $0 == "sink"
                ? "\(Self.literal(sink))::text AS sink" : value($0, of: table)
        }
        if form == .values, table.isCounted, !table.isOfBars { values.append(Self.takenAt(lane)) }
        func time(_ column: String) -> String {
            guard names.contains(column) else { return "NULL::bigint" }
            return form == .rows ? Self.microseconds("t.\(column)") : "t.\(column)"
        }
        return """
            SELECT t.ordinal, \(table.hasTime ? time("ts") : "NULL::bigint"),
                \(time("receive_time")), \(table.isOfBars ? "t.series" : "NULL"),
                row_to_json(t)::text
            FROM (SELECT \(values.joined(separator: ", ")) FROM \(table.name) v
                WHERE \(conditions.joined(separator: " AND "))) AS t
            ORDER BY t.ordinal\(pass.isBeginning ? " DESC" : "")
            """
    }

    /// Returns when the tape had taken a row, which is known by its ordinal.
    private static func takenAt(_ lane: FillLane) -> String {
        let known = "taken_at('\(lane.input)', v.partition::integer, v.source, v.ordinal)"
        return "(SELECT \(microseconds("k.taken_at")) FROM \(known) k) AS \(Sink.takenAt)"
    }

    private static func microseconds(_ column: String) -> String {
        "(extract(epoch FROM \(column)) * 1000000)::bigint"
    }

    /// Returns what is read of a column.
    private func value(_ column: String, of table: FillTable) -> String {
        guard form == .values, let sink = table.sink else { return column }
        switch ColumnKind.of(column.replacing("\"", with: ""), in: sink) {
        case .int64, .decimal, .text, .bool: return column
        case .time: return "\(Self.microseconds(column)) AS \(column)"
        case .bytes: return "encode(\(column), 'hex') AS \(column)"
        case .json: return "\(column)::text AS \(column)"
        }
    }

    static func literal(_ text: String) -> String { "'\(text.replacing("'", with: "''"))'" }

    /// Returns the times of the window around those at which the tape took the rows of the pass.
    /// `nil` if those are not known.
    private func usualTimes(
        of pass: FillPlan.Stretch, _ window: Window
    ) throws -> (from: String, to: String)? {
        let found = try database.execute(
            """
            SELECT min(taken_from) - interval '\(window.rawValue)',
                max(taken_from + delays_us[cardinality(delays_us)] * interval '1 us')
                    + interval '\(window.rawValue)'
            FROM stored_stretches
            WHERE (input, partition, source) = ($1, $2::integer, $3)
                AND first_ordinal <= $4::bigint AND last_ordinal >= $5::bigint
            """, Self.parameters(pass), timeout: Self.timeout)
        guard found.rowCount == 1, let from = found[0, 0], let to = found[0, 1] else { return nil }
        return (from, to)
    }

    private static func parameters(_ range: FillPlan.Stretch) -> [PostgresValue] {
        [
            .text(range.lane.input), .integer(range.lane.partition), .text(range.lane.source),
            .integer(range.ordinals.upperBound), .integer(range.ordinals.lowerBound),
        ]
    }

    /// Returns the series of the store's bars, as JSON.
    func series() throws -> String {
        try database.execute(
            "SELECT coalesce(json_agg(s), '[]') FROM bar_series s", timeout: Self.timeout
        ).scalar ?? "[]"
    }

    /// Returns rows of `stored_stretches` and of `replayed_rows` about the ordinals of a step, as
    /// JSON. When rows of one group of tables are copied, only of these was it a replay that made
    /// them.
    func times(
        of step: FillPlan.Stretch, _ rows: [FillRows]
    ) throws -> (stretches: String, replayed: String) {
        let copied = rows.filter { $0.table.group == step.group }.flatMap {
            $0.rows.map(\.ordinal)
        }
        let found = try database.execute(
            """
            SELECT (SELECT coalesce(json_agg(k), '[]') FROM stored_stretches k
                WHERE (k.input, k.partition, k.source) = ($1, $2::integer, $3)
                    AND k.first_ordinal <= $4::bigint AND k.last_ordinal >= $5::bigint),
                (SELECT coalesce(json_agg(r), '[]') FROM replayed_rows r
                WHERE (r.input, r.partition, r.source) = ($1, $2::integer, $3)
                    AND r.ordinal BETWEEN $5::bigint AND $4::bigint
                    AND ($6::boolean OR r.ordinal = ANY ($7::bigint[])))
            """,
            Self.parameters(step) + [.bool(step.group == nil), .integerArray(copied)],
            timeout: Self.timeout)
        return (found[0, 0] ?? "[]", found[0, 1] ?? "[]")
    }
}
