import DeploymentWatch
import PostgresClient
import Primitives
import ServiceRuntime

/// A session that asks one of the questions. It is opened when it is needed, and again after
/// each failure.
final class DatabaseSession {
    static let timeout = Duration.seconds(2)

    private let configuration: PostgresConfiguration
    private let beat: ThreadBeat
    private let timeout: Duration
    private var connection: PostgresConnection?

    /// It connects, and a statement is answered, within `timeout`.
    init(
        _ configuration: PostgresConfiguration, _ beat: ThreadBeat,
        timeout: Duration = DatabaseSession.timeout
    ) {
        var configuration = configuration
        configuration.statementTimeout = timeout
        configuration.lockTimeout = timeout
        self.timeout = timeout
        self.configuration = configuration
        self.beat = beat
    }

    private func session() throws(PostgresError) -> PostgresConnection {
        if let connection { return connection }
        let opened = try PostgresConnection.newest(of: configuration, timeout: timeout)
        connection = opened
        return opened
    }

    func rows(
        _ sql: String, _ parameters: [PostgresValue] = []
    ) throws(PostgresError) -> PostgresResult {
        do throws(PostgresError) {
            beat.beat(before: Self.timeout * 2)
            return try session().execute(sql, parameters, timeout: timeout)
        } catch {
            connection?.close()
            connection = nil
            throw error
        }
    }

    /// The same in binary form, for one of several statements that all have to be answered until a
    /// time.
    func rows(
        _ sql: String, _ parameters: [PostgresValue], until end: MonotonicTime, _ clock: SystemClock
    ) throws(PostgresError) -> PostgresRows {
        do throws(PostgresError) {
            beat.beat(before: Self.timeout * 2)
            return try session().rows(sql, parameters, timeout: clock.remaining(until: end))
        } catch {
            connection?.close()
            connection = nil
            throw error
        }
    }
}

extension Sighting.Database {
    init(_ session: DatabaseSession, _ clock: SystemClock) throws {
        let asked = clock.now()
        let rows = try session.rows(
            """
            SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
                extract(epoch FROM clock_timestamp() - max(advanced_at))::float8,
                max(sink)
            FROM sink_positions
            """)
        let answered = clock.now()
        guard rows.rowCount == 1 else { return }
        writtenSeconds = rows[0, 1].flatMap { Double($0) }
        store = rows[0, 2]
        self.clock = rows.integer(0, 0).flatMap {
            ClockOffset(asked: asked, answered: answered, microseconds: $0)
        }
    }
}

extension GapList {
    /// Of each state the newest are listed, and all are counted.
    init(_ session: DatabaseSession, _ namespace: String) throws {
        let rows = try session.rows(
            """
            SELECT symbol, kind, source, state, reason, detail, from_s, to_s, noted_s, of_state,
                extract(epoch FROM date_trunc('day', now(), 'UTC'))::float8
            FROM (
                SELECT *, extract(epoch FROM from_time)::float8 AS from_s,
                    extract(epoch FROM to_time)::float8 AS to_s,
                    extract(epoch FROM noted_at)::float8 AS noted_s,
                    count(*) OVER (PARTITION BY state) AS of_state,
                    row_number() OVER (PARTITION BY state ORDER BY from_time DESC) AS place
                FROM \(namespace)_market.open_gaps
            ) AS g
            WHERE place <= \(Self.rowsOfStateMax)
            ORDER BY from_s DESC
            """)
        for row in 0..<rows.rowCount {
            let state = rows[row, 3] ?? ""
            dayStart = rows[row, 10].flatMap { Double($0) } ?? 0
            counts[state] = rows.integer(row, 9).map { UInt64(clamping: $0) }
            gaps.append(
                Gap(
                    symbol: rows[row, 0], kind: rows[row, 1] ?? "", source: rows[row, 2] ?? "",
                    state: state, reason: rows[row, 4] ?? "", detail: rows[row, 5] ?? "",
                    from: rows[row, 6].flatMap { Double($0) } ?? 0,
                    to: rows[row, 7].flatMap { Double($0) },
                    notedAt: rows[row, 8].flatMap { Double($0) }))
        }
        try addLost(session)
    }

    /// Adds the ordinals that the books name. They have no time but that of noting.
    private mutating func addLost(_ session: DatabaseSession) throws {
        let rows = try session.rows(
            """
            SELECT source, reason, first_ordinal, last_ordinal, partition, table_group,
                extract(epoch FROM noted_at)::float8, count(*) OVER ()
            FROM book_gaps WHERE reason IN ('tape_lost', 'hole', 'group_hole')
            ORDER BY noted_at DESC LIMIT \(Self.rowsOfStateMax)
            """)
        for row in 0..<rows.rowCount {
            counts[Self.books] = rows.integer(row, 7).map { UInt64(clamping: $0) }
            let noted = rows[row, 6].flatMap { Double($0) } ?? 0
            gaps.append(
                Gap(
                    symbol: nil, kind: rows[row, 5].map { "tables of \($0)" } ?? "all tables",
                    source: rows[row, 0] ?? "", state: Self.books, reason: rows[row, 1] ?? "",
                    detail: "ordinals \(rows[row, 2] ?? "-") to \(rows[row, 3] ?? "-") of "
                        + "partition \(rows[row, 4] ?? "-")",
                    from: noted, to: noted, notedAt: noted))
        }
        gaps.sort { $0.from > $1.from }
    }
}

extension ActionHistory {
    init(_ session: DatabaseSession) throws {
        let rows = try session.rows(
            """
            SELECT detail->>'action', receive_time_ns,
                detail->>'person', detail->>'origin', detail->>'command', detail->>'reason',
                detail->>'stage', detail->>'outcome'
            FROM events
            WHERE name = 'action' AND ts > now() - make_interval(days => \(Self.daysMax))
            ORDER BY ts DESC, ordinal DESC LIMIT \(Self.recordsMax)
            """)
        self.init(
            (0..<rows.rowCount).map { row in
                Action(
                    number: rows[row, 0] ?? "",
                    time: Timestamp(nanoseconds: rows.integer(row, 1) ?? 0),
                    person: rows[row, 2] ?? "", origin: rows[row, 3] ?? "",
                    command: rows[row, 4] ?? "", reason: rows[row, 5] ?? "",
                    stage: rows[row, 6] ?? "", outcome: rows[row, 7] ?? "")
            })
    }
}
