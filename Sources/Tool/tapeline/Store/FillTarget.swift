import PostgresClient
import Primitives
import StoreSinks

/// The store into which rows are copied.
struct FillTarget {
    /// A transaction that another one was in the way of is made again so many times.
    private static let triesMax = 5
    /// One statement inserts rows of about so many bytes.
    private static let statementBytes = 4 << 20
    private static let timeout = Duration.seconds(600)

    let database: PostgresConnection
    let columns: [String: [String]]
    let store: String

    /// The rows were stored in another way than a transaction saw at its beginning.
    private struct Overtaken: Error {}

    static func configuration(_ base: PostgresConfiguration) -> PostgresConfiguration {
        var own = base
        own.applicationName = "tapeline store fill"
        own.statementTimeout = timeout
        return own
    }

    /// Keeps other fillings of the database away until the session ends. Returns false when there
    /// is one.
    func lock() throws -> Bool {
        try database.execute(
            "SELECT pg_try_advisory_lock(hashtextextended('tapeline.fill.' || current_schema, 0))",
            timeout: Self.timeout
        ).scalar == "t"
    }

    /// Notes the series of the other store's bars. What is decided here stays.
    func note(series: String) throws {
        try database.execute(
            """
            SELECT count(*) FROM (
                SELECT note_series(array_agg(s.series), array_agg(s.is_long))
                FROM json_to_recordset($1::json) AS s (series text, is_long boolean)
                HAVING count(*) > 0) AS noted
            """, [.text(series)], timeout: Self.timeout)
    }

    /// Stores the rows of a step and accounts for its ordinals, in one transaction.
    func store(
        _ step: FillPlan.Stretch, _ rows: [FillRows], _ outcome: FillOutcome,
        _ times: (stretches: String, replayed: String)
    ) throws {
        // Not in the transaction, so that a writer that makes a day does not wait for it.
        for rows in rows where rows.table.hasTime { try makeDays(rows) }
        var tries = 0
        while true {
            do {
                try attempt(step, rows, outcome, times)
                return
            } catch {
                tries += 1
                let isInTheWay =
                    error is Overtaken
                    || (error as? PostgresError)?.sqlState?.errorClass == "40"
                guard isInTheWay, tries < Self.triesMax else { throw error }
            }
        }
    }

    private func makeDays(_ rows: FillRows) throws {
        let days = PostgresValue.integerArray(rows.days.sorted())
        let tables =
            rows.table.isOfBars ? Sink.barTables : [rows.table.name]
        for table in tables {
            let missing = try database.execute(
                "SELECT day::text FROM missing_partitions($1, $2) AS day", [.text(table), days],
                timeout: Self.timeout)
            for row in 0..<missing.rowCount {
                try database.execute(
                    "SELECT make_time_partition($1, $2::timestamptz)",
                    [.text(table), .text(missing[row, 0] ?? "")], timeout: Self.timeout)
            }
        }
    }

    private func attempt(
        _ step: FillPlan.Stretch, _ rows: [FillRows], _ outcome: FillOutcome,
        _ times: (stretches: String, replayed: String)
    ) throws {
        let bars = rows.filter(\.table.isOfBars)
        if !bars.isEmpty { try database.script(Sink.barStaging, timeout: Self.timeout) }
        try database.script("BEGIN", timeout: Self.timeout)
        do {
            for rows in rows where !rows.table.isOfBars { try insert(rows, into: rows.table.name) }
            if !bars.isEmpty { try merge(bars) }
            try account(step, outcome, times)
            try database.script("COMMIT", timeout: Self.timeout)
        } catch {
            if database.isUsable, database.isInTransaction {
                try database.script("ROLLBACK", timeout: Self.timeout)
            }
            throw error
        }
    }

    private func insert(_ rows: FillRows, into target: String) throws {
        let names = rows.table.copied(columns[rows.table.name] ?? []).joined(separator: ", ")
        let sql = """
            INSERT INTO \(target) (\(names)) SELECT \(names)
            FROM json_populate_recordset(NULL::\(rows.table.shape), $1::json)
            \(rows.table.isCounted ? "" : "ON CONFLICT DO NOTHING")
            """
        var next = 0
        while next < rows.rows.count {
            var text = "["
            while next < rows.rows.count, text.utf8.count < Self.statementBytes {
                if text.utf8.count > 1 { text += "," }
                text += rows.rows[next]
                next += 1
            }
            try database.execute(sql, [.text(text + "]")], timeout: Self.timeout)
        }
    }

    /// Makes each version of a bar the one that stands, or one that was replaced.
    private func merge(_ bars: [FillRows]) throws {
        for rows in bars { try insert(rows, into: Sink.barStagingTable) }
        var placed: Int64 = 0
        for statement in Sink.placeEarlierBars {
            placed +=
                try database.execute(statement, timeout: Self.timeout).integer(0, 0) ?? 0
        }
        for statement in Sink.placeBars {
            placed += Int64(try database.execute(statement, timeout: Self.timeout).affectedRows)
        }
        guard placed == bars.reduce(0, { $0 + Int64($1.rows.count) }) else { throw Overtaken() }
    }

    private func account(
        _ step: FillPlan.Stretch, _ outcome: FillOutcome,
        _ times: (stretches: String, replayed: String)
    ) throws {
        var named = JSONWriter()
        named.array { json in
            for range in outcome.named {
                json.object { json in
                    json.member("first_ordinal", range.lowerBound)
                    json.member("last_ordinal", range.upperBound)
                }
            }
        }
        try database.execute(
            """
            SELECT fill_ordinals($1, $2, $3::integer, $4, $5::bigint, $6::bigint, $7::bigint,
                $8::bigint, $9::jsonb, $10::jsonb, $11::jsonb)
            """,
            [
                .text(store), .text(step.lane.input), .integer(step.lane.partition),
                .text(step.lane.source), .integer(step.ordinals.lowerBound),
                .integer(step.ordinals.upperBound), .integer(outcome.filled),
                .integer(outcome.skipped), .text(named.text), .text(times.stretches),
                .text(times.replayed),
            ], timeout: Self.timeout)
    }
}
