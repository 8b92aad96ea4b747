import PostgresClient

/// Moves the bars that were stored before `source` was part of their key to the tables of today,
/// while the writers write. A portion of rows is one transaction, so that no row is locked for
/// long, and what was moved stays moved: the next mover continues with what is left.
struct BarMover {
    /// A partition's rows are counted by symbol and series first.
    private static let timeout = Duration.seconds(600)

    /// A partition of the old table, by its bounds as the server writes them.
    struct Part: Equatable, Sendable {
        let from: String
        let to: String
    }

    /// The rows of one symbol and series.
    fileprivate struct Pair {
        let symbol: String
        let series: String
        let rows: Int
    }

    /// What is left to do of a partition. It is kept between turns, because finding it reads the
    /// whole partition.
    struct Work {
        let part: Part
        fileprivate var portions: ArraySlice<[Pair]>
        /// The number of rows that were moved so far.
        fileprivate(set) var rows = 0
    }

    let database: PostgresConnection
    /// A portion has about so many rows, or those of one symbol and series.
    var rowsMax = 20_000

    /// Returns whether the database has the tables of today. Without them, `migrate` has not run
    /// yet, and nothing can be said of old bars.
    func hasTables() throws(PostgresError) -> Bool {
        try run("SELECT to_regclass('bars_short') IS NOT NULL").scalar == "t"
    }

    /// Returns the partitions that are left, newest first; `nil` when the old table is gone.
    func left() throws(PostgresError) -> [Part]? {
        let found = try run("SELECT to_regclass('bars_before') IS NOT NULL")
        guard found.scalar == "t" else { return nil }
        return parts(try run("SELECT from_ts::text, to_ts::text FROM bars_to_move()"))
    }

    /// Returns whether this session may move: at most one session does. It keeps this right until
    /// it ends.
    func takeTurn() throws(PostgresError) -> Bool {
        try run(
            """
            SELECT pg_try_advisory_lock(hashtextextended('tapeline.moving.' || current_schema(), 0))
            """
        ).scalar == "t"
    }

    /// Finds what is to be done for a partition, and makes the partitions that its rows need.
    func begin(_ part: Part) throws(PostgresError) -> Work {
        let pairs = try pairs(in: part)
        try makePartitions(for: part)
        return Work(part: part, portions: portions(pairs)[...])
    }

    /// Moves the rows of a partition and drops it. `mayContinue` is called after each piece of
    /// work. Returns false when it was told to stop before the end.
    func move(_ work: inout Work, mayContinue: () -> Bool) throws(PostgresError) -> Bool {
        while let portion = work.portions.first {
            let pieces = try pieces(of: portion, work.part)
            for (index, piece) in pieces.enumerated() {
                work.rows += try move(portion, piece)
                if index == pieces.count - 1 { work.portions.removeFirst() }
                guard mayContinue() else { return false }
            }
        }
        try run("SELECT drop_moved($1::timestamptz, $2::timestamptz)", work.part.bounds)
        return true
    }

    /// Drops the old table when nothing is left of it.
    func end() throws(PostgresError) { try run("SELECT end_moving()") }

    // MARK: portions

    /// Returns the pairs of a partition, and has the database note their series.
    private func pairs(in part: Part) throws(PostgresError) -> [Pair] {
        let found = try run(
            """
            WITH pairs AS MATERIALIZED (
                SELECT * FROM pairs_to_move($1::timestamptz, $2::timestamptz)
            ), series AS (
                SELECT series, bool_and(is_long) AS is_long FROM pairs GROUP BY series
            ), noted AS MATERIALIZED (
                SELECT count(*) FROM note_series(
                    (SELECT array_agg(series ORDER BY series) FROM series),
                    (SELECT array_agg(is_long ORDER BY series) FROM series))
            )
            SELECT symbol, series, row_count FROM pairs, noted ORDER BY 1, 2
            """, part.bounds)
        return (0..<found.rowCount).compactMap { row in
            guard let symbol = found[row, 0], let series = found[row, 1],
                let rows = found.integer(row, 2)
            else { return nil }
            return Pair(symbol: symbol, series: series, rows: Int(rows))
        }
    }

    /// Makes the partitions that the rows need, each in a transaction of its own.
    private func makePartitions(for part: Part) throws(PostgresError) {
        let days = try run(
            """
            SELECT DISTINCT CASE WHEN s.is_long THEN 'bars_long' ELSE 'bars_short' END,
                date_trunc('day', b.ts, 'UTC')::text
            FROM bars_before b JOIN bar_series s USING (series)
            WHERE b.ts >= $1::timestamptz AND b.ts < $2::timestamptz AND may_have_partition(b.ts)
            UNION
            SELECT 'bar_versions', date_trunc('day', b.ts, 'UTC')::text
            FROM bars_before b JOIN bar_series s USING (series)
            WHERE b.ts >= $1::timestamptz AND b.ts < $2::timestamptz AND may_have_partition(b.ts)
                AND s.is_long AND EXISTS (SELECT FROM bars_long n
                    WHERE (n.symbol, n.series, n.ts, n.number, n.source)
                        = (b.symbol, b.series, b.ts, b.number, b.source))
            """, part.bounds)
        for row in 0..<days.rowCount {
            guard let table = days[row, 0], let day = days[row, 1] else { continue }
            try run(
                "SELECT make_time_partition($1, $2::timestamptz)", [.text(table), .text(day)])
        }
    }

    private func portions(_ pairs: [Pair]) -> [[Pair]] {
        var portions: [[Pair]] = []
        var rows = 0
        for pair in pairs {
            if portions.isEmpty || rows + pair.rows > rowsMax {
                portions.append([])
                rows = 0
            }
            portions[portions.count - 1].append(pair)
            rows += pair.rows
        }
        return portions
    }

    /// Returns the stretches in which a portion is moved: days, where one pair of a longer
    /// partition has many rows, else the whole partition. It is never empty.
    private func pieces(of portion: [Pair], _ part: Part) throws(PostgresError) -> [Part] {
        guard portion.count == 1, portion[0].rows > rowsMax else { return [part] }
        let days = parts(
            try run(
                """
                SELECT greatest(day, $1::timestamptz)::text,
                    least(day + interval '24 hours', $2::timestamptz)::text
                FROM (SELECT DISTINCT date_trunc('day', ts, 'UTC') AS day FROM bars_before
                    WHERE symbol = $3 AND series = $4 AND ts >= $1::timestamptz
                        AND ts < $2::timestamptz) AS days
                ORDER BY day DESC
                """, part.bounds + [.text(portion[0].symbol), .text(portion[0].series)]))
        return days.isEmpty ? [part] : days
    }

    private func move(_ portion: [Pair], _ part: Part) throws(PostgresError) -> Int {
        let moved = try run(
            "SELECT move_bars($1::timestamptz, $2::timestamptz, $3::text[], $4::text[])",
            part.bounds + [
                .textArray(portion.map(\.symbol)), .textArray(portion.map(\.series)),
            ])
        return Int(moved.integer(0, 0) ?? 0)
    }

    private func parts(_ rows: PostgresResult) -> [Part] {
        (0..<rows.rowCount).compactMap { row in
            guard let from = rows[row, 0], let to = rows[row, 1] else { return nil }
            return Part(from: from, to: to)
        }
    }

    @discardableResult
    private func run(
        _ sql: String, _ parameters: [PostgresValue] = []
    ) throws(PostgresError) -> PostgresResult {
        try database.execute(sql, parameters, timeout: Self.timeout)
    }
}

extension BarMover.Part {
    fileprivate var bounds: [PostgresValue] { [.text(from), .text(to)] }
}
