import TapeTransport
import Glibc
import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime
import StoreSinks
import TapeCodec

/// The database for one worker, on the worker's thread: it claims positions, and writes batches
/// together with the positions after them.
///
/// Records whose row the database refuses, or of which no row can be made, become dead letters
/// inside of `write`. Errors are for the worker: the database is away, its schema does not fit,
/// another writer has a position (a fence), or too much is refused (`StoreError.withheld`).
///
/// After an error the worker closes the session and forgets the batch, except after a fence. The
/// positions in the database show what was written, and the tape has the rest.
final class Store {
    static let connectTimeout = Duration.seconds(5)
    /// Our own deadline for each statement and each COPY.
    static let statementTimeout = Duration.seconds(30)

    private let settings: WriterSettings
    /// The name under which the worker claims positions (`newOwner`).
    let owner: String
    let letters: DeadLetterOutput
    private let beat: ThreadBeat
    /// Decides which server is used.
    private let fence: ServerFence
    /// The server of the session; `nil` when it does not say what it is.
    private var server: ServerIdentity?
    /// Whether the last COMMIT of the session waited for a synchronous standby; false where that is
    /// not asked.
    private(set) var isOnStandby = false
    /// What the server said of that after the COMMIT before.
    private var wasSynchronous = false
    /// By table, how many rows became dead letters since a row of the table was last stored.
    private var refusedInARow: [SinkName: Int] = [:]
    /// The connection; `nil` when there is none.
    private var session: PostgresConnection?
    /// Days that need not be made: they have a time partition or chunk, or can have none.
    var knownDays: Set<TableDay> = []
    /// The tables of the series that this session knows.
    var series = SeriesTables()

    init(
        _ settings: WriterSettings, owner: String, letters: DeadLetterOutput, fence: ServerFence,
        beat: ThreadBeat
    ) {
        self.beat = beat
        self.fence = fence
        self.settings = settings
        self.owner = owner
        self.letters = letters
    }

    /// Returns a name of a worker: host, process, worker and a random number. No other worker has
    /// it, so a position with this owner is still this worker's.
    static func newOwner(thread: Int) -> String {
        let instance = String(UInt32.random(in: .min ... .max), radix: 36)
        return "\(hostName()) \(getpid()).\(thread) \(instance)"
    }

    var catalogue: SinkCatalogue { settings.sinks }
    var isConnected: Bool { session?.isUsable ?? false }

    /// Throws when the server has ended the session, or was replaced by another one. The end must
    /// be noticed soon, because the database may have been restored from a backup, with other
    /// positions.
    func checkAlive() throws(PostgresError) {
        guard let session else { return }
        try session.checkAlive()
        try fence.check(server, peer: session.peer)
    }

    /// Host, port, database and user of the session, and which server it is; empty when there is
    /// none.
    var serverText: String {
        guard let session else { return "" }
        return session.peer + (server.map { " (\($0))" } ?? "")
    }

    /// Ends the session.
    func close() {
        session?.close()
        session = nil
        isOnStandby = false
        wasSynchronous = false
        knownDays.removeAll()
        series = SeriesTables()
    }

    /// Connects, unless it is connected.
    func connect() throws(PostgresError) {
        if isConnected { return }
        close()
        // The C library looks up the host's name first, without a deadline of ours.
        beat.beat(before: ThreadWatch.systemTime)
        var found: ServerIdentity?
        let opened = try PostgresConnection(
            settings.postgres, timeout: Self.connectTimeout, onWait: { [beat] in beat.beat() }
        ) { session throws(PostgresError) in
            found = try fence.admit(session)
        }
        try SchemaCheck(opened, timeout: Self.statementTimeout).run(settings.sinks.sinks)
        for case let merge? in settings.sinks.sinks.map(\.merge) {
            try opened.execute(merge.makeStaging, timeout: Self.statementTimeout)
        }
        session = opened
        server = found
    }

    /// Returns the session. Throws when there is none, or when its server was replaced.
    func required() throws(PostgresError) -> PostgresConnection {
        guard let session else {
            throw .closed(operation: "write", peer: settings.postgres.peer)
        }
        try fence.check(server, peer: session.peer)
        return session
    }

    /// Claims positions for this worker. Returns a row for each of them, claimed or refused.
    func claim(_ claims: [SinkClaim]) throws(StoreError) -> [SinkRow] {
        let database = try StoreError.using(required)
        try StoreError.using { () throws(PostgresError) in try askForStandby(database) }
        let rows = try SinkPosition.claim(
            claims, owner: owner, on: database, timeout: Self.statementTimeout)
        try StoreError.using { () throws(PostgresError) in try askForStandby(database) }
        return rows
    }

    /// Returns the positions of these inputs and their owners, without claiming them.
    func read(_ places: [SinkPlace]) throws(StoreError) -> [SinkRow] {
        try SinkPosition.read(
            places, on: try StoreError.using(required), timeout: Self.statementTimeout)
    }

    /// Writes rows and positions in one transaction. `settle` returns the positions after the batch
    /// for the outcome of its rows. It may be called once per attempt, and the last call counts.
    /// The positions are sent in one message with COMMIT, so a writer that is paused while it
    /// writes holds no lock that a successor needs.
    func write(
        _ batch: WriteBatch, settle: (BatchOutcome) -> [SinkPosition]
    ) throws(StoreError) -> BatchOutcome {
        let database = try StoreError.using(required)
        // True once rows are written in parts, to find the rows that the database refuses.
        var isSalvaging = false
        // The tables whose days were made again because of a row of this batch.
        var madeTables: Set<String> = []
        // The loop ends: after a failure it goes on at most once for each table, whose days are
        // then made, and once to begin the salvage.
        while true {
            do throws(StoreError) {
                return try attempt(
                    batch, on: database, salvaging: isSalvaging, madeTables, settle)
            } catch {
                rollBack(database)
                switch (error.category, error.ofDatabase?.serverError?.table) {
                case (.missingPartition, let table?) where madeTables.insert(table).inserted:
                    try StoreError.using { () throws(PostgresError) in
                        try makeAgain(table, for: batch)
                    }
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
    private static func unattributable(_ error: StoreError, _ peer: String) -> StoreError {
        .withheld(
            StoreError.Withheld(
                operation: "write rows", peer: peer, remedy: .mendTable,
                reason: "the database refuses a batch and none of its rows alone, so nothing is "
                    + "set aside: \(error)"))
    }

    /// Writes the batch in one transaction. With `salvaging`, rows that the database refuses become
    /// dead letters; without, they make the attempt fail.
    private func attempt(
        _ batch: WriteBatch, on database: PostgresConnection, salvaging: Bool,
        _ madeTables: Set<String>, _ settle: (BatchOutcome) -> [SinkPosition]
    ) throws(StoreError) -> BatchOutcome {
        let work = try rows(of: batch, on: database, salvaging: salvaging, madeTables)
        let inARow = try refusedInARow(with: work, database.peer)
        // Letters are stored before COMMIT. So every record that is counted as dead-lettered has
        // its letter, whatever happens. After a failed COMMIT the same letter may come again.
        let made = work.refused.map { letter($0, of: batch) }
        if !made.isEmpty { try keepLetters(made, database.peer) }
        let positions = settle(work.outcome)
        let outcome = try StoreError.using { () throws(PostgresError) in
            try finish(work, positions, on: database)
        }
        if !made.isEmpty { letters.committed(made) }
        try StoreError.using { () throws(PostgresError) in try askForStandby(database) }
        refusedInARow = inARow
        return outcome
    }

    /// Begins the transaction, and sends the rows of a batch. Throws when too many records are
    /// refused: then the tape or the table is at fault, and not single records.
    private func rows(
        of batch: WriteBatch, on database: PostgresConnection, salvaging: Bool,
        _ madeTables: Set<String>
    ) throws(StoreError) -> BatchWork {
        let refusedMax = settings.deadLettersMax
        let work: BatchWork
        if salvaging {
            work = try BatchSalvage(
                database: database, catalogue: catalogue, timeout: Self.statementTimeout,
                madeTables: madeTables, refusedMax: refusedMax
            ).write(batch)
        } else {
            let transaction = StoreTransaction(
                database: database, catalogue: catalogue, timeout: Self.statementTimeout)
            work = try StoreError.using { () throws(PostgresError) in try transaction.copy(batch) }
        }
        guard work.refused.count <= refusedMax else {
            throw .withheld(
                StoreError.Withheld(
                    operation: "write rows", peer: database.peer, remedy: .mendTable,
                    reason: "\(work.refused.count) ticks of one batch cannot be read or stored, so "
                        + "nothing is set aside: look at what writes the tape, or raise "
                        + "WRITER_DEAD_LETTERS_MAX"))
        }
        return work
    }

    /// Returns `refusedInARow` as it is after this batch. Throws when a table has taken none of its
    /// last rows, over many small batches: the table is at fault, and would refuse all later rows.
    private func refusedInARow(
        with work: BatchWork, _ peer: String
    ) throws(StoreError) -> [SinkName: Int] {
        var counts = refusedInARow
        for case let sink? in work.refused.map(\.sink) { counts[sink, default: 0] += 1 }
        for (sink, rows) in work.outcome.rows where rows > 0 { counts[sink] = nil }
        if let (sink, count) = counts.first(where: { $0.value > settings.deadLettersMax }) {
            throw .withheld(
                StoreError.Withheld(
                    operation: "write rows", peer: peer, remedy: .mendTable,
                    reason: "\(count) rows of \(sink.rawValue) are refused and none between them "
                        + "is taken, so no more are set aside: mend the table, or raise "
                        + "WRITER_DEAD_LETTERS_MAX"))
        }
        return counts
    }

    /// Stores dead letters, in NATS or in files. Throws when neither accepts them.
    private func keepLetters(_ made: [DeadLetter], _ peer: String) throws(StoreError) {
        // This publishes, or writes to a disk.
        beat.beat(before: ThreadWatch.systemTime)
        do throws(DeadLetterOutput.Refused) {
            try letters.take(made)
        } catch {
            throw .withheld(
                StoreError.Withheld(
                    operation: "set rows aside", peer: peer, remedy: .waitForLetters,
                    reason: error.description))
        }
    }

    /// Rolls the transaction back after a failure. Closes the session when that is not possible.
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

    /// Asks the server, after a COMMIT, whether COMMITs wait until a standby has flushed them. Two
    /// such answers, before and after a COMMIT, say that it did.
    private func askForStandby(_ database: PostgresConnection) throws(PostgresError) {
        guard settings.durability == .standby else { return }
        let answer = try database.execute(
            """
            SELECT current_setting('synchronous_standby_names') <> ''
                AND current_setting('synchronous_commit') IN ('on', 'remote_apply')
            """, timeout: Self.statementTimeout)
        let isSynchronous = answer.scalar == "t"
        isOnStandby = isSynchronous && wasSynchronous
        wasSynchronous = isSynchronous
    }

    /// Sends the merges of staging tables, the positions and COMMIT in one message, and reads their
    /// answers together. Returns the outcome with the numbers of ignored rows.
    private func finish(
        _ work: BatchWork, _ positions: [SinkPosition], on database: PostgresConnection
    ) throws(PostgresError) -> BatchOutcome {
        try fence.check(server, peer: database.peer)
        var json = JSONWriter(capacity: 1_024)
        json.array { json in for position in positions { position.write(into: &json) } }
        var last = PostgresPipeline()
        for merge in work.merges { try last.append(merge.statement) }
        try last.append(
            "SELECT advance_positions($1, $2::jsonb)",
            [.text(WriterSettings.sink), .text(json.text)])
        try last.append("COMMIT")
        var outcome = work.outcome
        for merge in work.merges { outcome.ignored[merge.sink] = outcome.rows[merge.sink] }
        for (number, answer) in try database.run(last, timeout: Self.statementTimeout).enumerated()
        {
            switch answer {
            case .failed(let error): throw error
            // A statement that follows a failed one, whose error was thrown.
            case .aborted: continue
            case .rows(let rows):
                guard number < work.merges.count else { continue }
                outcome.ignored[work.merges[number].sink, default: 0] -= rows.affectedRows
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
