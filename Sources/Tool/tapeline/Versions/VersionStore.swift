import MarketModel
import NatsTransport
import PostgresClient
import Primitives
import StoreSinks
import TapeCodec

/// Versions of bars that were read from the tape, up to `rowsMax` and those of one packet more.
struct VersionBatch {
    static let rowsMax = 2_000

    struct Packet {
        let header: PacketHeader
        let message: NatsMessage
        /// When it was known.
        let tapeTime: Timestamp
    }

    private(set) var packets: [Packet] = []
    private var records = 0

    var isFull: Bool { records >= Self.rowsMax }

    mutating func append(_ packet: Packet) {
        guard packet.header.tickCount > 0 else { return }
        packets.append(packet)
        records += Int(packet.header.tickCount)
    }

    mutating func removeAll() { self = VersionBatch() }
}

/// The database of `tapeline versions fill`: its session, which only one fill has at a time.
///
/// A batch is one transaction. It changes rows that a writer may replace in the same moment, so it
/// is sent in one message, and gives up a lock that it does not get soon, as a rule before the
/// server looks for deadlocks. It is then tried again. A writer that the server ends for a deadlock
/// repeats its transaction, as after any failed one.
struct VersionStore {
    private static let timeout = Deployment.statementTimeout
    private static let lockTimeout = Duration.milliseconds(250)
    /// Each attempt waits for a lock as long as `lockTimeout`.
    private static let attemptsMax = 60
    /// The same for the turn of this fill: five seconds.
    private static let turnAttemptsMax = 20

    /// A partition whose bars of before are not all kept (`version_books`).
    struct Book: Equatable {
        let partition: Int
        /// The last ordinal from before versions were kept.
        let afterOrdinal: UInt64
        let keptSince: Timestamp
    }

    /// What became of a batch.
    struct Outcome: Equatable {
        /// Versions that got their time, and versions that were added.
        var times = 0
        var versions = 0
        /// The bars that lack earlier versions, and the highest ordinal with which one begins.
        var incompleteBars = 0
        var incomplete: UInt64 = 0
        /// Versions that are not in the database as the tape has them, and the first of them.
        var disagreements = 0
        var examples: [String] = []
    }

    let database: PostgresConnection
    let isDryRun: Bool

    /// The planner has to search bars by the key of each version, however few statistics there are.
    static func configuration(_ base: PostgresConfiguration) -> PostgresConfiguration {
        var own = base
        own.applicationName = "tapeline versions"
        own.lockTimeout = lockTimeout
        own.settings += [
            ("enable_hashjoin", "off"), ("enable_mergejoin", "off"),
            ("timescaledb.max_tuples_decompressed_per_dml_transaction", "0"),
        ]
        return own
    }

    init(_ database: PostgresConnection, isDryRun: Bool) throws(ToolError) {
        self.database = database
        self.isDryRun = isDryRun
        guard try scalar("SELECT to_regclass('version_books') IS NOT NULL") == "t" else {
            throw .refused("the database keeps no versions of bars: run 'store-writer migrate'")
        }
        guard try scalar("SELECT to_regclass('bars_before') IS NULL") == "t" else {
            throw .refused(
                "bars of an earlier release wait in bars_before to be moved: the writers do that, "
                    + "run it again then")
        }
        try takeTurn()
        _ = try scalar(VersionFill.makeStaging)
        _ = try scalar(VersionFill.noteBegin)
    }

    /// Takes the lock that one fill has at a time. The server releases that of a fill that has just
    /// ended a moment after its command.
    private func takeTurn() throws(ToolError) {
        let lock = "hashtextextended('tapeline.filling.' || current_schema(), 0)"
        for attempt in 1...Self.turnAttemptsMax {
            do throws(PostgresError) {
                try database.execute(
                    "SELECT FROM pg_advisory_lock(\(lock))", timeout: Self.timeout)
                return
            } catch {
                guard error.sqlState == .lockNotAvailable else { throw Self.failure(error) }
                guard attempt < Self.turnAttemptsMax else {
                    throw .refused("another 'tapeline versions fill' is at work: wait for it")
                }
            }
        }
    }

    func books() throws(ToolError) -> [Book] {
        let rows = try ProofDatabase(connection: database).rows(
            """
            SELECT partition::bigint, after_ordinal, kept_since FROM version_books
            ORDER BY partition
            """, [])
        return (0..<rows.rowCount).compactMap { row in
            guard let partition = rows.integer(row, 0), let after = rows.integer(row, 1),
                let since = rows.timestamp(row, 2), partition >= 0
            else { return nil }
            return Book(
                partition: Int(partition), afterOrdinal: UInt64(max(0, after)), keptSince: since)
        }
    }

    /// Moves the book of a partition back. Returns false if it stays.
    func move(_ book: Book, after ordinal: UInt64, since: Timestamp) throws(ToolError) -> Bool {
        try scalar(
            "SELECT move_version_book($1::integer, $2, $3, $4)",
            [
                .integer(Int64(book.partition)), .integer(Int64(clamping: book.afterOrdinal)),
                .integer(Int64(clamping: ordinal)), .integer(since.nanoseconds),
            ]) == "t"
    }

    // MARK: a batch

    /// Adds what the database lacks of a batch. `next` is when the tape took the first packet after
    /// all versions of before; undefined if it has none.
    func fill(
        _ batch: VersionBatch, _ book: Book, next: Timestamp
    ) throws(ToolError) -> Outcome {
        var outcome = Outcome()
        guard let times = try stage(batch, book, &outcome) else { return outcome }
        let bounds: [PostgresValue] = [
            .timestamp(times.lowerBound), .timestamp(times.upperBound),
            .timestamp(next.isDefined ? next.advanced(byNanoseconds: 999) : next),
        ]
        for attempt in 1...Self.attemptsMax {
            do throws(PostgresError) {
                try makePartitions(bounds)
                try write(bounds, book, &outcome)
                return outcome
            } catch {
                try rollBack()
                let isLocked = [.lockNotAvailable, .deadlockDetected].contains(error.sqlState)
                guard isLocked, attempt < Self.attemptsMax else {
                    throw Self.failure(error)
                }
            }
        }
        return outcome
    }

    /// Fills the staging table. Returns the first and the last `ts` in it, or `nil` if the batch
    /// has no version of before.
    private func stage(
        _ batch: VersionBatch, _ book: Book, _ outcome: inout Outcome
    ) throws(ToolError) -> ClosedRange<Timestamp>? {
        var (first, last) = (Timestamp.undefined, Timestamp.undefined)
        var unreadable: [UInt64] = []
        do throws(PostgresError) {
            try database.execute(VersionFill.empty, timeout: Self.timeout)
            try database.copyIn(VersionFill.copy, timeout: Self.timeout) {
                row throws(PostgresError) in
                for packet in batch.packets {
                    try walk(packet, upTo: book.afterOrdinal) {
                        context, bar, ordinal, bytes throws(PostgresError) in
                        guard try VersionFill.sink.write(.bar(bar), context, bytes, ordinal, &row)
                        else {
                            unreadable.append(ordinal)
                            return
                        }
                        let time = bar.openTime.storable
                        first = first.isDefined ? min(first, time) : time
                        last = last.isDefined ? max(last, time) : time
                    }
                }
            }
            guard first.isDefined else { return nil }
            try database.execute(VersionFill.setFloors, timeout: Self.timeout)
            try database.execute(VersionFill.analyze, timeout: Self.timeout)
        } catch {
            throw Self.failure(error)
        }
        outcome.disagreements += unreadable.count
        outcome.examples += unreadable.map { "ordinal \($0): the tape's bar cannot become a row" }
        // `ts` has microseconds.
        return first.advanced(byNanoseconds: -1_000)...last.advanced(byNanoseconds: 1_000)
    }

    private func walk(
        _ packet: VersionBatch.Packet, upTo last: UInt64,
        _ take: (borrowing PacketContext, Bar, UInt64, RawSpan) throws(PostgresError) -> Void
    ) throws(PostgresError) {
        try packet.message.withPayload { bytes throws(PostgresError) in
            var context = PacketContext(packet.header)
            context.tapeTime = packet.tapeTime
            try context.walk(bytes) { context, record, ordinal throws(PostgresError) in
                guard case .bar(let bar) = record, ordinal <= last else { return }
                try take(context, bar, ordinal, bytes)
            }
        }
    }

    private func makePartitions(_ bounds: [PostgresValue]) throws(PostgresError) {
        guard !isDryRun else { return }
        var made: Int
        repeat {
            made = try database.execute(
                VersionFill.makePartitions, bounds, timeout: Self.timeout
            ).rowCount
        } while made > 0
    }

    /// Writes, and reads what came of it, in one transaction and one message.
    private func write(
        _ bounds: [PostgresValue], _ book: Book, _ outcome: inout Outcome
    ) throws(PostgresError) {
        var pipeline = PostgresPipeline()
        try pipeline.append("BEGIN")
        let writing = VersionFill.writing(isDry: isDryRun)
        for statement in writing { try pipeline.append(statement, bounds) }
        try pipeline.append(
            VersionFill.lacking,
            bounds.prefix(2) + [.integer(Int64(clamping: book.afterOrdinal))])
        try pipeline.append(VersionFill.faults, bounds + [.bool(isDryRun)])
        try pipeline.append("COMMIT")
        var answers: [PostgresRows] = []
        for answer in try database.run(pipeline, timeout: Self.timeout) {
            switch answer {
            case .rows(let rows): answers.append(rows)
            case .failed(let error): throw error
            case .aborted: continue
            }
        }
        guard answers.count == writing.count + 4 else { return }
        let counts = answers[1...writing.count].map { rows in
            isDryRun ? Int(rows.integer(0, 0) ?? 0) : rows.affectedRows
        }
        outcome.times += counts.dropLast().reduce(0, +)
        outcome.versions += counts.last ?? 0
        let (lacking, faults) = (answers[writing.count + 1], answers[writing.count + 2])
        outcome.incomplete = UInt64(max(0, lacking.integer(0, 0) ?? 0))
        outcome.incompleteBars = Int(lacking.integer(0, 1) ?? 0)
        // Without a fault there is no row, which would hold their number.
        if faults.rowCount > 0 { outcome.disagreements += Int(faults.integer(0, 0) ?? 0) }
        outcome.examples += (0..<faults.rowCount).map { Self.example(faults, $0) }
    }

    private static func example(_ rows: PostgresRows, _ row: Int) -> String {
        func text(_ column: Int) -> String { rows.text(row, column) ?? "?" }
        let open = Timestamp(nanoseconds: rows.integer(row, 4) ?? 0)
        return "\(text(1)) \(text(2)) \(open) of \(text(3)), revision "
            + "\(rows.integer(row, 5) ?? 0): \(text(6))"
    }

    // MARK: statements

    private func rollBack() throws(ToolError) {
        guard database.isUsable, database.isInTransaction else { return }
        _ = try scalar("ROLLBACK")
    }

    private func scalar(
        _ sql: String, _ parameters: [PostgresValue] = []
    ) throws(ToolError) -> String? {
        do throws(PostgresError) {
            return try database.execute(sql, parameters, timeout: Self.timeout).scalar
        } catch {
            throw Self.failure(error)
        }
    }

    private static func failure(_ error: PostgresError) -> ToolError {
        .unreachable("what was filled stays, run it again for the rest: \(error)")
    }
}
