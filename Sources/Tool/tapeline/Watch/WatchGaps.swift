import DeploymentWatch
import PostgresClient
import Primitives
import ServiceRuntime
import Synchronization
import TapeProtocol

/// Counts the gaps in the database on a separate thread, so that a database that does not answer
/// delays nothing else.
final class WatchGaps: Sendable {
    private static let every: Duration = .seconds(1)
    private static let timeout: Duration = .seconds(2)
    /// The most gaps of today that are looked at: the newest.
    private static let lostMax = 250
    /// An answer that takes longer is reported as missing.
    private static let patienceNanoseconds: Int64 = 1_500_000_000

    /// The gaps per source. `nil` if they are not known; `absence` then gives the reason.
    struct Look: Equatable, Sendable {
        var gaps: [String: UInt64]?
        /// The stretches that are open now. `nil` if the schema has no view of them.
        var open: UInt64?
        /// What of today nothing will fill, in words. `nil`: nothing, or it is not known.
        var lost: String?
        /// The age of the newest commit. `nil` if there was none.
        var writtenSeconds: Double?
        /// The database's clock against this machine's.
        var clock: ClockOffset?
        var absence = ""
        /// True if the database does not answer; false if it only refuses to tell.
        var isAway = false
    }

    private struct State {
        var look = Look()
        /// Monotonic nanoseconds at which the unanswered query was sent. `nil` if the last query
        /// was answered.
        var askedAt: MonotonicTime?
    }

    private let deployment: Deployment
    private let state = Mutex(State())
    private let stopped = ShutdownSignal()
    /// Requested when the first query has its answer or its error.
    private let first = ShutdownSignal()

    init(_ deployment: Deployment) throws(ToolError) {
        self.deployment = deployment
        do throws(ServiceError) {
            _ = try ServiceThread(name: "watch-gaps") { [self] in run() }
        } catch {
            throw .runtime(error)
        }
    }

    /// Requests the end. The thread ends after the query in progress; the call does not wait for
    /// it.
    func stop() { stopped.request("the watch ends") }

    /// Returns what is known now. Only the first call waits, for a moment.
    func latest() -> Look {
        _ = first.wait(timeout: .nanoseconds(Self.patienceNanoseconds))
        return state.withLock { state in
            let waited = state.askedAt.map { Self.now - $0 } ?? 0
            guard waited > Self.patienceNanoseconds else { return state.look }
            let seconds = waited / 1_000_000_000
            let reason = state.look.absence.isEmpty ? "" : " (\(state.look.absence))"
            return Look(
                absence: "the database has not answered for \(seconds) s\(reason)", isAway: true)
        }
    }

    private static var now: MonotonicTime { SystemClock().monotonic() }

    private func run() {
        var database: PostgresConnection?
        repeat {
            state.withLock { if $0.askedAt == nil { $0.askedAt = Self.now } }
            do {
                let session = try database ?? deployment.openDatabase()
                database = session
                let look = try Self.look(session, deployment.names.namespace)
                state.withLock { $0 = State(look: look) }
            } catch {
                database?.close()
                database = nil
                let isAway = (error as? PostgresError)?.isRetryable ?? (error is ToolError)
                state.withLock { $0.look = Look(absence: "\(error)", isAway: isAway) }
            }
            first.request("asked")
        } while !stopped.wait(timeout: Self.every)
        database?.close()
    }

    private static func look(
        _ database: PostgresConnection, _ namespace: String
    ) throws -> Look {
        var look = Look(gaps: try read(database))
        let asked = SystemClock().now()
        let found = try database.execute(
            """
            SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
                to_regclass($1 || '_market.open_gaps') IS NOT NULL,
                extract(epoch FROM clock_timestamp() - max(advanced_at))::float8
            FROM sink_positions
            """, [.text(namespace)], timeout: timeout)
        let answered = SystemClock().now()
        look.clock = found.integer(0, 0).flatMap {
            ClockOffset(asked: asked, answered: answered, microseconds: $0)
        }
        look.writtenSeconds = found[0, 2].flatMap { Double($0) }
        guard found[0, 1] == "t" else { return look }
        look.lost = try lost(database, namespace)
        let open = try database.execute(
            "SELECT count(*) FROM \(namespace)_market.open_gaps WHERE state <> 'abandoned'",
            timeout: timeout)
        look.open = open.integer(0, 0).map { UInt64(clamping: $0) }
        return look
    }

    private static func lost(
        _ database: PostgresConnection, _ namespace: String
    ) throws -> String? {
        let rows = try database.execute(
            """
            SELECT symbol, kind, extract(epoch FROM from_time)::float8,
                extract(epoch FROM to_time)::float8, extract(epoch FROM noted_at)::float8,
                extract(epoch FROM date_trunc('day', now(), 'UTC'))::float8
            FROM \(namespace)_market.open_gaps
            WHERE state = 'abandoned'
                AND coalesce(to_time, 'infinity') > date_trunc('day', now(), 'UTC')
            ORDER BY from_time DESC LIMIT \(lostMax + 1)
            """, timeout: timeout)
        func seconds(_ row: Int, _ column: Int) -> Double? {
            rows[row, column].flatMap { Double($0) }
        }
        let gaps = (0..<min(rows.rowCount, lostMax)).map { row in
            LostTicks.Gap(
                symbol: rows[row, 0], kind: rows[row, 1] ?? "", from: seconds(row, 2) ?? 0,
                to: seconds(row, 3), notedAt: seconds(row, 4))
        }
        guard !gaps.isEmpty else { return nil }
        return LostTicks.words(
            gaps, since: seconds(0, 5) ?? 0, isCut: rows.rowCount > lostMax)
    }

    private static func read(_ database: PostgresConnection) throws -> [String: UInt64] {
        let rows = try database.execute(
            "SELECT source, count(*) FROM gaps GROUP BY source", timeout: timeout)
        var gaps: [String: UInt64] = [:]
        for row in 0..<rows.rowCount {
            guard let source = rows[row, 0], let count = rows.integer(row, 1) else { continue }
            gaps[source] = UInt64(clamping: count)
        }
        return gaps
    }
}
