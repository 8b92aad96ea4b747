import TapeTransport
import Glibc
import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime
import StoreSinks
import TapeCodec

/// The database in the view of one writer thread: it claims positions, and writes batches together
/// with the positions after them.
///
/// Rows that the database refuses, or that cannot be made, become dead letters inside of `write`.
/// Its errors are for the worker: an outage, a schema that does not fit, a fence.
///
/// After a failure the session is closed and the batch in flight is forgotten. The positions in the
/// database show what was written, and the tape has the rest.
final class Store {
    static let connectTimeout = Duration.seconds(5)
    /// Our own deadline for every wait on the server.
    static let statementTimeout = Duration.seconds(30)

    private let settings: WriterSettings
    /// A name that no other thread or process has. A row with it shows that this thread still owns
    /// the position.
    let owner: String
    let letters: DeadLetterOutput
    private let beat: ThreadBeat
    /// By table, how many of its rows were set aside as dead letters since a row of it was last
    /// stored.
    private var refusedInARow: [SinkName: Int] = [:]
    /// The connection; `nil` when there is none.
    private var session: PostgresConnection?
    /// Days for which this session knows a partition or chunk, or knows that they can have none.
    var knownDays: Set<TableDay> = []

    init(
        _ settings: WriterSettings, thread: Int, letters: DeadLetterOutput, beat: ThreadBeat
    ) {
        self.beat = beat
        self.settings = settings
        self.letters = letters
        let instance = String(UInt32.random(in: .min ... .max), radix: 36)
        owner = "\(hostName()) \(getpid()).\(thread) \(instance)"
    }

    var catalogue: SinkCatalogue { settings.sinks }
    var isConnected: Bool { session?.isUsable ?? false }

    /// Throws when the server has ended the session. A new session may show another state of the
    /// database, restored from a backup.
    func checkAlive() throws(PostgresError) { try session?.checkAlive() }

    /// Ends the session.
    func close() {
        session?.close()
        session = nil
        knownDays.removeAll()
    }

    /// Connects, unless it is connected.
    func connect() throws {
        if isConnected { return }
        close()
        // The database's host name is looked up first.
        beat.beat(before: ThreadWatch.systemTime)
        let opened = try PostgresConnection(
            settings.postgres, timeout: Self.connectTimeout, onWait: { [beat] in beat.beat() })
        try SchemaCheck(opened, timeout: Self.statementTimeout).run(settings.sinks.sinks)
        for case let merge? in settings.sinks.sinks.map(\.merge) {
            try opened.execute(merge.makeStaging, timeout: Self.statementTimeout)
        }
        session = opened
    }

    /// Returns the session, or throws when there is none.
    func required() throws(PostgresError) -> PostgresConnection {
        guard let session else {
            throw .closed(operation: "write", peer: settings.postgres.peer)
        }
        return session
    }

    /// Claims positions for this thread. Returns a row for each of them.
    func claim(_ claims: [SinkClaim]) throws -> [SinkRow] {
        try SinkPosition.claim(
            claims, owner: owner, on: try required(), timeout: Self.statementTimeout)
    }

    /// Returns the positions of these inputs and their owners.
    func read(_ places: [SinkPlace]) throws -> [SinkRow] {
        try SinkPosition.read(places, on: try required(), timeout: Self.statementTimeout)
    }

    /// Writes rows and positions in one transaction. `settle` turns the outcome of the rows into
    /// positions, and may be called more than once. The positions are sent in one message with
    /// COMMIT, so a writer that is paused while it writes holds no lock that a successor needs.
    func write(
        _ batch: WriteBatch, settle: (BatchOutcome) -> [SinkPosition]
    ) throws(PostgresError) -> BatchOutcome {
        let database = try required()
        // True once rows are written in parts, to find the rows that the database refuses.
        var isSalvaging = false
        var madeTables: Set<String> = []
        // Each turn either makes the partitions of another table, or is one of the last two.
        while true {
            do throws(PostgresError) {
                return try attempt(
                    batch, on: database, salvaging: isSalvaging, madeTables, settle)
            } catch {
                rollBack(database)
                switch (error.category, error.serverError?.table) {
                case (.missingPartition, let table?) where madeTables.insert(table).inserted:
                    try makeAgain(table, for: batch)
                case (.data, _) where !isSalvaging, (.missingPartition, _) where !isSalvaging:
                    isSalvaging = true
                case (.data, _), (.missingPartition, _):
                    throw Self.unattributable(error, database.peer)
                default: throw error
                }
            }
        }
    }

    /// Returns the error for a batch that is refused although each row alone is good, for example
    /// by a trigger at COMMIT.
    private static func unattributable(_ error: PostgresError, _ peer: String) -> PostgresError {
        .withheld(
            operation: "write rows", peer: peer, category: .schema,
            reason: "the database refuses a batch and none of its rows alone, so nothing is set "
                + "aside: \(error)")
    }

    /// Writes the batch in one transaction. With `salvaging`, refused rows are set aside.
    private func attempt(
        _ batch: WriteBatch, on database: PostgresConnection, salvaging: Bool,
        _ madeTables: Set<String>, _ settle: (BatchOutcome) -> [SinkPosition]
    ) throws(PostgresError) -> BatchOutcome {
        try database.execute("BEGIN", timeout: Self.statementTimeout)
        let work = try rows(of: batch, on: database, salvaging: salvaging, madeTables)
        let inARow = try refusedInARow(with: work, database.peer)
        // Letters are stored before COMMIT. So every row that is counted as set aside is stored,
        // whatever happens.
        let made = work.refused.map { letter($0, of: batch) }
        if !made.isEmpty { try keepLetters(made, database.peer) }
        let outcome = try finish(work, settle(work.outcome), on: database)
        if !made.isEmpty { letters.committed(made) }
        refusedInARow = inARow
        return outcome
    }

    /// Sends the rows of a batch. Throws when too many are refused.
    private func rows(
        of batch: WriteBatch, on database: PostgresConnection, salvaging: Bool,
        _ madeTables: Set<String>
    ) throws(PostgresError) -> BatchWork {
        let refusedMax = settings.deadLettersMax
        let work: BatchWork
        if salvaging {
            work = try BatchSalvage(
                database: database, catalogue: catalogue, timeout: Self.statementTimeout,
                madeTables: madeTables, refusedMax: refusedMax
            ).write(batch)
        } else {
            work = try StoreTransaction(
                database: database, catalogue: catalogue, timeout: Self.statementTimeout
            ).copy(batch)
        }
        guard work.refused.count <= refusedMax else {
            throw .withheld(
                operation: "write rows", peer: database.peer, category: .schema,
                reason:
                    "\(work.refused.count) ticks of one batch cannot be read or stored, so nothing "
                    + "is set aside: look at what writes the tape, or raise "
                    + "WRITER_DEAD_LETTERS_MAX")
        }
        return work
    }

    /// Throws when a table takes no rows at all any more, however small the batches are. The table
    /// itself is then at fault, and setting aside all rows would never end.
    private func refusedInARow(
        with work: BatchWork, _ peer: String
    ) throws(PostgresError) -> [SinkName: Int] {
        var counts = refusedInARow
        for case let sink? in work.refused.map(\.sink) { counts[sink, default: 0] += 1 }
        for (sink, rows) in work.outcome.rows where rows > 0 { counts[sink] = nil }
        if let (sink, count) = counts.first(where: { $0.value > settings.deadLettersMax }) {
            throw .withheld(
                operation: "write rows", peer: peer, category: .schema,
                reason: "\(count) rows of \(sink.rawValue) are refused and none between them is "
                    + "taken, so no more are set aside: mend the table, or raise "
                    + "WRITER_DEAD_LETTERS_MAX")
        }
        return counts
    }

    /// Stores dead letters.
    private func keepLetters(_ made: [DeadLetter], _ peer: String) throws(PostgresError) {
        // This publishes, or writes to a disk.
        beat.beat(before: ThreadWatch.systemTime)
        do throws(DeadLetterOutput.Refused) {
            try letters.take(made)
        } catch {
            throw .withheld(
                operation: "set rows aside", peer: peer, category: .retryable,
                reason: error.description)
        }
    }

    /// Ends the transaction after a failure, or the session.
    private func rollBack(_ database: PostgresConnection) {
        guard database.isUsable else {
            close()
            return
        }
        do throws(PostgresError) {
            if database.isInTransaction {
                try database.execute("ROLLBACK", timeout: Self.statementTimeout)
            }
        } catch {
            // The server rolls back when the session ends.
            close()
        }
    }

    /// Sends merges, positions and COMMIT together, and reads their answers together.
    private func finish(
        _ work: BatchWork, _ positions: [SinkPosition], on database: PostgresConnection
    ) throws(PostgresError) -> BatchOutcome {
        var json = JSONWriter(capacity: 1_024)
        json.array { json in for position in positions { position.write(into: &json) } }
        var last = PostgresPipeline()
        for merge in work.merges { try last.append(merge.statement) }
        try last.append(
            "SELECT advance_positions($1, $2::jsonb)",
            [.text(WriterSettings.sink), .text(json.text)])
        try last.append("COMMIT")
        var outcome = work.outcome
        for (number, answer) in try database.run(last, timeout: Self.statementTimeout).enumerated()
        {
            switch answer {
            case .failed(let error): throw error
            // It comes after one that failed, whose error was thrown.
            case .aborted: continue
            case .rows(let rows):
                guard number < work.merges.count else { continue }
                let name = work.merges[number].sink
                outcome.ignored[name] = outcome.rows[name, default: 0] - rows.affectedRows
            }
        }
        return outcome
    }
}

private func hostName() -> String {
    var characters = [CChar](repeating: 0, count: 256)
    guard unsafe gethostname(&characters, 255) == 0 else { return "unknown" }
    let bytes = characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    return String(decoding: bytes, as: UTF8.self)
}
