/// The statements by which `tapeline versions fill` adds to the database what it lacks of the
/// versions of bars from before versions were kept. The tape's versions, with the time at which it
/// took them, are in a staging table of the session (`makeStaging`, `copy`).
///
/// No statement changes what a version says. A version becomes a row only while its bar counts more
/// versions than are stored, so what the writer never wrote (a dead letter) is not made a row here.
///
/// Parameters: $1 and $2 are the first and last `ts` in the staging table. $3 is when the tape took
/// the first packet after all versions of before, NULL if it has none. `isDry` statements count
/// what the others write.
package enum VersionFill {
    /// Writes a bar as a row of the staging table.
    package static let sink = Sink.bars
    private static let staging = "fill_versions"
    /// When the fill began, which is the same for all of its batches.
    private static let begin = "fill_begin"
    private static let keyNames = ["symbol", "series", "ts", "number", "source"]
    /// The columns that a row of before may lack.
    private static let filledNames: Set<String> = ["sent_at", "taken_at", "lateness_ns"]

    /// Runs once per session. The floors are the times before which retention drops the bars of a
    /// series, and their replaced versions.
    package static let makeStaging = """
        CREATE TEMPORARY TABLE IF NOT EXISTS \(staging) (LIKE bars_short INCLUDING DEFAULTS,
            bars_floor timestamptz, versions_floor timestamptz)
        """
    package static let noteBegin = "CREATE TEMPORARY TABLE \(begin) AS SELECT now() AS at"
    package static let empty = "TRUNCATE \(staging)"
    package static let copy = Sink.copy(staging, BarRow.columnNames)

    /// What retention has dropped is not stored again, nor what it would drop next.
    package static let setFloors = """
        UPDATE \(staging) s SET bars_floor = f.bars_floor, versions_floor = f.versions_floor
        FROM (
            SELECT w.series, coalesce((SELECT max(r.until) FROM retired_rows r
                    WHERE r.table_name IN (w.place, 'bars.' || w.series)), '-infinity')
                    AS bars_floor,
                greatest('-infinity', (SELECT max(r.until) FROM retired_rows r
                        WHERE r.table_name IN (w.place, 'bars.' || w.series, 'bar_versions')),
                    (SELECT b.at - min(l.least_kept) FROM retention_least l
                        WHERE l.table_name IN (w.place, 'bars.' || w.series, 'bar_versions')))
                    AS versions_floor
            FROM (SELECT DISTINCT series, CASE WHEN series IN (
                    SELECT series FROM bar_series WHERE is_long)
                    THEN 'bars_long' ELSE 'bars_short' END AS place FROM \(staging)) AS w,
                \(begin) b
        ) AS f WHERE s.series = f.series
        """
    package static let analyze = "ANALYZE \(staging)"

    /// Returns the statements that write: the times of stored versions, table by table, and the
    /// versions that are not stored. Each reports how many rows it changed, or would change.
    package static func writing(isDry: Bool) -> [String] {
        (BarRow.tables + [BarRow.versions]).map { times($0, isDry: isDry) } + [
            isDry
                ? "SELECT count(*) FROM (\(missing)) AS m"
                : "INSERT INTO \(BarRow.versions) (\(BarRow.columnNames)) \(missing) "
                    + "ON CONFLICT (\(keyNames.joined(separator: ", ")), revision) DO NOTHING"
        ]
    }

    private static func times(_ table: String, isDry: Bool) -> String {
        let condition = """
            \(isSameBar("t")) AND t.revision = s.revision AND t.taken_at IS NULL
                AND \(isSame("t")) AND \(isInOrder)
            """
        guard !isDry else {
            return "SELECT count(*) FROM \(staging) s JOIN \(table) t ON \(condition)"
        }
        return """
            UPDATE \(table) AS t SET taken_at = s.taken_at,
                sent_at = coalesce(t.sent_at, s.sent_at),
                lateness_ns = coalesce(t.lateness_ns, s.lateness_ns)
            FROM \(staging) s WHERE \(condition)
            """
    }

    private static let missing = """
        SELECT \(BarRow.columnNames) FROM (
            SELECT s.*, b.replaced - (SELECT count(*) FROM bar_versions v WHERE \(isSameBar("v")))
                    AS lacks,
                row_number() OVER (PARTITION BY \(names("s", keyNames)) ORDER BY s.revision)
                    AS place
            FROM \(staging) s JOIN bars b ON \(isSameBar("b"))
            WHERE b.revision > s.revision AND s.ts >= s.versions_floor AND \(isInOrder)
                AND NOT EXISTS (SELECT FROM bar_versions v
                    WHERE \(isSameBar("v")) AND v.revision = s.revision)
        ) AS s WHERE place <= lacks
        """

    /// Makes the partitions of the versions that `writing` will add, a few at a time: returns a row
    /// for each that was missing. It is complete when it returns none.
    package static let makePartitions = """
        SELECT make_time_partition('bar_versions', day) FROM (
            SELECT day FROM missing_partitions('bar_versions', (
                SELECT array_agg(DISTINCT floor(extract(epoch FROM ts) / 86400)::bigint)
                FROM (\(missing)) AS m)) AS day LIMIT 8) AS days
        """

    /// Returns of the bars whose last version of before is staged, and which lack earlier ones: the
    /// highest of the revisions with which what is stored of each begins, and their number. $3 is
    /// here the last ordinal of before.
    package static let lacking = """
        SELECT max(coalesce(lowest, standing)), count(*) FROM (
            SELECT b.revision AS standing, b.replaced, (SELECT count(*) FROM bar_versions v
                    WHERE \(isSameBar("v"))) AS rows,
                (SELECT min(v.revision) FROM bar_versions v WHERE \(isSameBar("v"))) AS lowest
            FROM \(staging) s JOIN bars b ON \(isSameBar("b"))
            WHERE b.revision = s.revision OR b.revision > $3::bigint AND EXISTS (
                    SELECT FROM bar_versions v WHERE \(isSameBar("v")) AND v.revision = s.revision)
                AND NOT EXISTS (SELECT FROM bar_versions v WHERE \(isSameBar("v"))
                    AND v.revision > s.revision AND v.revision <= $3::bigint)
        ) AS last WHERE rows < replaced
        """

    /// Returns what of the staging table is not in the database as the tape has it: the number of
    /// such versions, and the first ones, with symbol, series, source, time, revision and reason.
    /// $4 says that nothing was written.
    package static let faults = """
        SELECT count(*) OVER (), symbol, series, source, open_time_ns, revision, fault FROM (
            SELECT s.*, CASE
                WHEN b.revision IS NULL THEN 'no version of it is stored'
                WHEN b.revision < s.revision
                    THEN format('only revision %s of it is stored', b.revision)
                WHEN b.revision > s.revision AND v.revision IS NULL THEN CASE
                    WHEN s.ts < s.versions_floor THEN NULL
                    WHEN NOT \(isInOrder) THEN '\(wrongOrder)'
                    WHEN NOT $4::boolean
                        THEN format('its bar counts only %s earlier versions', b.replaced) END
                WHEN NOT CASE WHEN b.revision = s.revision THEN \(isSame("b"))
                    ELSE \(isSame("v")) END THEN 'its row has other values'
                WHEN CASE WHEN b.revision = s.revision THEN b.known_at ELSE v.taken_at END IS NULL
                    THEN CASE WHEN NOT \(isInOrder) THEN '\(wrongOrder)'
                        WHEN NOT $4::boolean THEN 'its time was not stored' END
                END AS fault
            FROM \(staging) s LEFT JOIN bars b ON \(isSameBar("b"))
            LEFT JOIN bar_versions v ON \(isSameBar("v")) AND v.revision = s.revision
            WHERE s.ts >= s.bars_floor
        ) AS judged WHERE fault IS NOT NULL ORDER BY revision LIMIT 5
        """
    private static let wrongOrder = "the server''s clock went back after it"

    // MARK: conditions

    private static func names(_ table: String, _ columns: [String]) -> String {
        columns.map { "\(table).\($0)" }.joined(separator: ", ")
    }

    /// The bounds let the planner leave out partitions of other times.
    private static func isSameBar(_ table: String) -> String {
        """
        (\(names(table, keyNames))) = (\(names("s", keyNames)))
            AND \(table).ts >= $1::timestamptz AND \(table).ts <= $2::timestamptz
        """
    }

    /// Whether a row says the same as the tape, as far as rows of before have it.
    private static func isSame(_ table: String) -> String {
        let own = BarRow.columnNames.split { $0 == "," || $0.isWhitespace }.map(String.init)
            .filter { !keyNames.contains($0) && !filledNames.contains($0) }
        return """
            ((\(names(table, own))) IS NOT DISTINCT FROM (\(names("s", own)))
                AND coalesce(\(table).sent_at = s.sent_at, true))
            """
    }

    /// Versions that the writer stored since then were not known before these.
    private static let isInOrder = "($3::timestamptz IS NULL OR s.taken_at <= $3::timestamptz)"
}
