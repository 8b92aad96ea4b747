import PostgresClient
import Primitives
import StoreSinks

/// The store into which rows are copied.
struct FillTarget: FillWriting {
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

    /// The ordinals of a step cannot be filled yet, or are not missing any more: since the books
    /// were read, a group of tables went apart, or came back.
    struct Postponed: Error { let step: FillPlan.Stretch }

    static func configuration(_ base: PostgresConfiguration) -> PostgresConfiguration {
        var own = base
        own.applicationName = "tapeline store fill"
        own.statementTimeout = timeout
        // A filling that hangs in the middle must not hold up the writer.
        own.idleInTransactionTimeout = .seconds(10)
        return own
    }

    /// The lock lasts until the session ends.
    func begin() throws {
        try database.script("SET lock_timeout = '30s'", timeout: Self.timeout)
        let isLocked = try database.execute(
            "SELECT pg_try_advisory_lock(hashtextextended('tapeline.fill.' || current_schema, 0))",
            timeout: Self.timeout
        ).scalar
        guard isLocked == "t" else {
            throw ToolError.refused("\(store) is being filled by another command")
        }
        try checkGaps()
    }

    func end() {}

    /// Throws when the table of gaps takes no rows.
    private func checkGaps() throws {
        func end() throws {
            guard database.isUsable, database.isInTransaction else { return }
            try database.script("ROLLBACK", timeout: Self.timeout)
        }
        do {
            try database.script(
                "BEGIN; SET LOCAL lock_timeout = '1s'; "
                    + "INSERT INTO gaps (sink) SELECT '' WHERE false", timeout: Self.timeout)
            try end()
        } catch let problem as PostgresError where problem.serverError != nil {
            try end()
            throw ToolError.refused(
                "\(store) cannot be filled while its table gaps, which names what it lacks, takes "
                    + "no rows: mend that first (runbook TableBlocked): \(problem)")
        }
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

    /// All is one transaction. Rows of times that retention has dropped here are left out.
    func store(
        _ step: FillPlan.Stretch, _ all: [FillRows], _ times: (stretches: String, replayed: String)
    ) throws -> FillOutcome {
        var tries = 0
        while true {
            let retired = try self.retired()
            let isWanted = { (rows: FillRows) in
                step.group == nil || rows.table.group == step.group
            }
            let rows = all.filter(isWanted).map { $0.kept(retired) }
            let outcome = FillOutcome(
                step, rows: Self.counted(rows), others: Self.counted(all.filter { !isWanted($0) }))
            // The gap stays as it is.
            if outcome.settled == 0, !step.isBeginning { return outcome }
            try outcome.requireFew(of: step, in: store)
            do {
                // Not in the transaction, so that a writer that makes a day does not wait for it.
                for rows in rows where rows.table.hasTime { try makeDays(rows) }
                try attempt(step, rows, outcome, times)
                return outcome
            } catch {
                tries += 1
                // Retention may drop a day that has no row yet.
                let problem = error as? PostgresError
                let isNoGap = problem?.sqlState == SQLState(rawValue: "TL030")
                if isNoGap, try !isReady(for: step) { throw Postponed(step: step) }
                let isInTheWay =
                    error is Overtaken || problem?.sqlState?.errorClass == "40"
                    || problem?.category == .missingPartition || isNoGap
                guard isInTheWay, tries < Self.triesMax else { throw refusal(step, error) }
            }
        }
    }

    /// Reads in the books whether the ordinals of a step can be filled now.
    private func isReady(for step: FillPlan.Stretch) throws -> Bool {
        try FillBooks(database, of: store).lanes[step.lane]?.isReady(for: step) ?? false
    }

    /// Returns the error of a step, with what to do where the database refuses it.
    private func refusal(_ step: FillPlan.Stretch, _ error: any Error) -> any Error {
        guard let problem = error as? PostgresError, problem.serverError != nil else {
            return error
        }
        return ToolError.refused(
            "\(store) takes no copies of \(step.place), or its table gaps cannot be changed: "
                + "mend what refuses them, and repeat it: \(problem)")
    }

    /// Returns the ordinals for which rows account, ascending.
    private static func counted(_ rows: [FillRows]) -> [Int64] {
        rows.filter(\.table.isCounted).flatMap { $0.rows.map(\.ordinal) }.sorted()
    }

    /// Returns up to when retention has dropped rows here, by table, and of bars by series.
    private func retired() throws -> [String: FillRetired] {
        let found = try database.execute(
            """
            SELECT rule, (extract(epoch FROM max(until)) * 1000000)::bigint,
                (extract(epoch FROM max(received_until)) * 1000000)::bigint
            FROM (SELECT table_name AS rule, until, received_until FROM retired_rows
                UNION ALL
                SELECT 'series ' || s.series, r.until, r.received_until
                FROM bar_series s JOIN retired_rows r ON r.table_name IN ('bars.' || s.series,
                    CASE WHEN s.is_long THEN 'bars_long' ELSE 'bars_short' END)) AS dropped
            GROUP BY 1
            """, timeout: Self.timeout)
        var retired: [String: FillRetired] = [:]
        for row in 0..<found.rowCount {
            guard let table = found[row, 0], let until = found.integer(row, 1) else { continue }
            retired[table] = FillRetired(until: until, receivedUntil: found.integer(row, 2))
        }
        return retired
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
                text += rows.rows[next].text
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

    /// Accounts for the ordinals and commits, in one message: the books are locked no longer.
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
        var last = PostgresPipeline()
        try last.append(
            """
            SELECT fill_ordinals($1, $2, $3::integer, $4, $5::bigint, $6::bigint, $7::bigint,
                $8::jsonb, $9::jsonb, $10::jsonb, $11)
            """,
            [
                .text(store), .text(step.lane.input), .integer(step.lane.partition),
                .text(step.lane.source), .integer(step.ordinals.lowerBound),
                .integer(step.ordinals.upperBound), .integer(outcome.filled), .text(named.text),
                .text(times.stretches), .text(times.replayed),
                step.group.map { .text($0.rawValue) } ?? .null,
            ])
        try last.append("COMMIT")
        for answer in try database.run(last, timeout: Self.timeout) {
            if case .failed(let error) = answer { throw error }
        }
    }
}
