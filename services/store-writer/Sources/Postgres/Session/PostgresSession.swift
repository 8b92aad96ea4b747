import Membership
import TapeTransport
import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime
import StoreSinks
import TapeCodec

/// A worker's session with PostgreSQL. Rows and positions are written in one transaction.
final class PostgresSession: StoreSession {
    static let connectTimeout = Duration.seconds(5)
    /// Our own deadline for each statement and each COPY.
    static let statementTimeout = Duration.seconds(30)

    private let store: PostgresStore
    /// The name under which the worker claims positions.
    let owner: String
    private let beat: ThreadBeat
    /// The server of the session; `nil` when it does not say what it is.
    private var server: ServerIdentity?
    /// Whether the last COMMIT of the session waited for a synchronous standby; false where that is
    /// not asked.
    private(set) var isOnStandby = false
    /// What the server said of that after the COMMIT before.
    private var wasSynchronous = false
    private var refusals: RefusalLimits
    private var inARow = RefusedInARow()
    /// The group of tables that waits apart, and that it is for; `nil`: all tables.
    private let group: TableGroup?
    let catalogue: SinkCatalogue
    /// The connection; `nil` when there is none.
    private var session: PostgresConnection?
    /// The limits that the connection has in place of its usual ones.
    private var limits = TableWaits.none
    /// Days that need not be made: they have a time partition or chunk, or can have none.
    var knownDays: Set<TableDay> = []
    /// The tables of the series that this session knows.
    var series = SeriesTables()
    /// Tables that are not as this version writes them, all of one group: it is left when rows
    /// of them come.
    private var faults: [SinkName: PostgresError] = [:]
    /// The tables whose staging tables this session has.
    private var staged: Set<SinkName> = []

    init(
        _ store: PostgresStore, owner: String, beat: ThreadBeat, group: TableGroup? = nil
    ) {
        self.store = store
        self.group = group
        let all = store.writer.sinks
        catalogue =
            group.map { SinkCatalogue($0.tables.intersection(all.sinks.map(\.name))) } ?? all
        self.owner = owner
        self.beat = beat
        refusals = RefusalLimits(deadLettersMax: store.writer.deadLettersMax)
    }

    /// The store's name, the key of its positions.
    private var sink: String { store.writer.store.text }
    private var fence: ServerFence { store.fence }
    private var letters: DeadLetterOutput { store.letters }
    var isOpen: Bool { session?.isUsable ?? false }

    /// Throws when the server has ended the session, or was replaced by another one. The end must
    /// be noticed soon, because the database may have been restored from a backup, with other
    /// positions.
    func checkAlive() throws(StoreError) {
        guard let session else { return }
        try StoreError.using { () throws(PostgresError) in
            try session.checkAlive()
            try fence.check(server, peer: session.peer)
        }
    }

    /// Host, port, database and user of the session, and which server it is.
    var serverText: String {
        guard let session else { return "" }
        return session.peer + (server.map { " (\($0))" } ?? "")
    }

    func close() {
        session?.close()
        session = nil
        limits = .none
        isOnStandby = false
        wasSynchronous = false
        knownDays.removeAll()
        series = SeriesTables()
        faults = [:]
        staged = []
    }

    func open() throws(StoreError) {
        if isOpen { return }
        close()
        try StoreError.using { () throws(PostgresError) in try connect() }
    }

    private func connect() throws(PostgresError) {
        // The C library looks up the host's name first, without a deadline of ours.
        beat.beat(before: ThreadWatch.systemTime)
        var identity: ServerIdentity?
        let opened = try PostgresConnection(
            store.settings.connection, timeout: Self.connectTimeout,
            onWait: { [beat] in beat.beat() }
        ) { session throws(PostgresError) in
            try refuseOtherStore(session)
            identity = try fence.admit(session)
        }
        let found = try SchemaCheck(opened, timeout: Self.statementTimeout).faults(catalogue.sinks)
        if let fault = found.values.first {
            guard try isOfOneGroup(found, opened) else { throw fault }
        }
        faults = found
        session = opened
        server = identity
    }

    /// Whether these are the faults of one group of tables, which can be left. Where nothing was
    /// stored yet, the whole schema is waited for.
    private func isOfOneGroup(
        _ faults: [SinkName: PostgresError], _ opened: PostgresConnection
    ) throws(PostgresError) -> Bool {
        let all = Set(catalogue.sinks.map { TableGroup(of: $0.name) })
        guard mayLeave, all.count > 1, Set(faults.keys.map { TableGroup(of: $0) }).count == 1
        else { return false }
        return try opened.execute(
            "SELECT EXISTS (SELECT FROM sink_positions WHERE sink = $1 AND sequence > 0)",
            [.text(sink)], timeout: Self.statementTimeout
        ).scalar == "t"
    }

    /// Throws when the database has the positions of another store: two of them would store each
    /// record twice. Asked before its server is noted as this store's; a claim asks it, too, where
    /// of two stores that begin together the first one has the database (`take_database`).
    private func refuseOtherStore(_ opened: PostgresConnection) throws(PostgresError) {
        let table = try opened.execute(
            "SELECT to_regclass('sink_positions')::text", timeout: Self.statementTimeout)
        // The check of the schema says what a database without it lacks.
        guard table.scalar != nil else { return }
        let other = try opened.execute(
            "SELECT min(sink) FROM sink_positions WHERE sink <> $1", [.text(sink)],
            timeout: Self.statementTimeout
        ).scalar
        guard let other else { return }
        throw .refused(
            peer: opened.peer,
            reason: "the database is that of \(other), and STORE_NAME is \(sink): give each store "
                + "a database of its own")
    }

    /// Returns the session, without the limits of batches. Throws when there is none, or when its
    /// server was replaced.
    func required() throws(PostgresError) -> PostgresConnection {
        let database = try present()
        try limit(.none, database)
        return database
    }

    /// Gives the connection limits, if it has others. Call it outside of a transaction, whose end
    /// could take them back.
    private func limit(
        _ waits: TableWaits, _ database: PostgresConnection
    ) throws(PostgresError) {
        let connection = store.settings.connection
        let usual = TableWaits(
            lock: connection.lockTimeout, statement: connection.statementTimeout)
        for statement in waits.settings(after: limits, usual: usual) {
            try database.execute(statement, timeout: Self.statementTimeout)
        }
        limits = waits
    }

    private func present() throws(PostgresError) -> PostgresConnection {
        guard let session else {
            throw .closed(operation: "write", peer: store.settings.connection.peer)
        }
        try fence.check(server, peer: session.peer)
        return session
    }

    func claim(_ claims: [SinkClaim]) throws(StoreError) -> [SinkRow] {
        let database = try StoreError.using(required)
        try StoreError.using { () throws(PostgresError) in try askForStandby(database) }
        let rows: [SinkRow]
        do throws(StoreError) {
            rows = try SinkPosition.claim(
                claims, of: sink,
                by: SinkOwner(name: owner, tables: catalogue.sinks.map(\.name)), on: database,
                timeout: Self.statementTimeout)
        } catch {
            // Then that says what to do.
            try StoreError.using { () throws(PostgresError) in
                if error.ofDatabase?.sqlState == .takenByOther { try refuseOtherStore(database) }
            }
            throw error
        }
        try StoreError.using { () throws(PostgresError) in try askForStandby(database) }
        return rows
    }

    /// A session for a group of tables reads the positions of the group.
    func read(_ places: [SinkPlace]) throws(StoreError) -> [SinkRow] {
        if let group {
            return try SinkPosition.read(
                group, at: places, of: sink, on: try StoreError.using(required),
                timeout: Self.statementTimeout)
        }
        return try readCommon(places)
    }

    private func readCommon(_ places: [SinkPlace]) throws(StoreError) -> [SinkRow] {
        try SinkPosition.read(
            places, of: sink, on: try StoreError.using(required), timeout: Self.statementTimeout)
    }

    /// The positions are sent in one message with COMMIT, so a writer that is paused while it
    /// writes holds no lock that a successor needs.
    func write(
        _ batch: WriteBatch, settle: (BatchOutcome) -> [SinkPosition]
    ) throws(StoreError) -> BatchOutcome {
        let database = try StoreError.using(present)
        try prepare(batch)
        // True once rows are written in parts, to find the rows that the database refuses.
        var isSalvaging = false
        // The tables whose days were made again because of a row of this batch.
        var madeTables: Set<String> = []
        // The loop ends: after a failure it continues at most once for each table, whose days are
        // then made, and once to begin the salvage.
        while true {
            do throws(StoreError) {
                try StoreError.using { () throws(PostgresError) in try limit(waits, database) }
                return try attempt(
                    batch, on: database, salvaging: isSalvaging, madeTables, settle)
            } catch {
                rollBack(database)
                switch (error.ofDatabase?.category, error.ofDatabase?.serverError?.table) {
                case (.missingPartition, let table?) where madeTables.insert(table).inserted:
                    try makeAgain(table, for: batch)
                case (.data, _) where !isSalvaging, (.missingPartition, _) where !isSalvaging:
                    isSalvaging = true
                case (.data, _), (.missingPartition, _):
                    throw Self.unattributable(error, Self.text(database))
                default: throw error
                }
            }
        }
    }

    /// The database's address, for messages of a batch that is held back.
    static func text(_ database: PostgresConnection) -> String { "PostgreSQL \(database.peer)" }

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
        let copied = try rows(of: batch, on: database, salvaging: salvaging, madeTables)
        let work = copied.work
        let peer = Self.text(database)
        try refusals.check(work, peer, blocked: batch.blocked)
        let refusalsAfter = try refusals.after(work, peer)
        // Letters are stored before COMMIT. So every record that is counted as dead-lettered has
        // its letter, whatever happens. After a failed COMMIT the same letter may come again.
        let made = work.refused.map { letters.letter($0, of: batch, catalogue) }
        if !made.isEmpty {
            // This publishes, or writes to a disk.
            beat.beat(before: ThreadWatch.systemTime)
            try letters.keep(made, peer)
        }
        let positions = settle(work.outcome)
        let outcome = try finish(copied, positions, on: database)
        if !made.isEmpty { letters.committed(made) }
        try StoreError.using { () throws(PostgresError) in try askForStandby(database) }
        refusals = refusalsAfter
        inARow = copied.inARow
        return outcome
    }

    /// Makes what the batch's tables need in this session. It waits for a table only as long as
    /// the batch itself. Throws when one of them is not as this version writes it.
    private func prepare(_ batch: WriteBatch) throws(StoreError) {
        // Only tables that bars fill have a staging table.
        let isToStage =
            catalogue.sinks.contains { $0.merge != nil && !staged.contains($0.name) }
            && batch.items.contains { $0.header.kind == .bars }
        guard isToStage || !faults.isEmpty else { return }
        let present = BatchWork(batch, catalogue).present
        for (index, sink) in catalogue.sinks.enumerated() where present[index] {
            if faults[sink.name] != nil { try checkAgain(sink) }
            guard let merge = sink.merge, !staged.contains(sink.name) else { continue }
            let database = try StoreError.using(required)
            try limited(database, of: sink.name) { () throws(PostgresError) in
                try database.execute(merge.makeStaging, timeout: Self.statementTimeout)
            }
            staged.insert(sink.name)
        }
    }

    /// Throws when a table is still not as this version writes it.
    private func checkAgain(_ sink: Sink) throws(StoreError) {
        try StoreError.using(of: sink.name) { () throws(PostgresError) in
            try SchemaCheck(required(), timeout: Self.statementTimeout).run([sink])
        }
        faults[sink.name] = nil
    }

    /// Does something with a table in a transaction of its own, which waits for the table only as
    /// long as a batch does.
    @discardableResult
    func limited<Result>(
        _ database: PostgresConnection, of table: SinkName,
        _ body: () throws(PostgresError) -> Result
    ) throws(StoreError) -> Result {
        do throws(PostgresError) {
            for statement in ["BEGIN", waits.lockLimit] {
                try database.execute(statement, timeout: Self.statementTimeout)
            }
            let result = try body()
            try database.execute("COMMIT", timeout: Self.statementTimeout)
            return result
        } catch {
            rollBack(database)
            throw .database(error, of: table)
        }
    }

    /// Begins the transaction, and sends the rows of a batch.
    private func rows(
        of batch: WriteBatch, on database: PostgresConnection, salvaging: Bool,
        _ madeTables: Set<String>
    ) throws(StoreError) -> CopiedBatch {
        if salvaging {
            var counted = inARow
            do throws(StoreError) {
                let work = try BatchSalvage(
                    database: database, catalogue: catalogue, timeout: Self.statementTimeout,
                    madeTables: madeTables, refusedMax: store.writer.deadLettersMax, waits: waits
                ).write(batch, &counted)
                return CopiedBatch(work: work, inARow: counted)
            } catch {
                if let table = error.blockedTable { inARow.forget(table) }
                throw error
            }
        }
        let transaction = PostgresTransaction(
            database: database, catalogue: catalogue, timeout: Self.statementTimeout, waits: waits)
        var copied = try transaction.copy(batch)
        copied.inARow = inARow
        for (table, rows) in copied.work.outcome.rows where rows > 0 {
            copied.inARow.forget(table)
        }
        return copied
    }

    /// Whether a group whose table is blocked is left by the worker.
    private var mayLeave: Bool { group == nil && store.writer.mayLeaveGroups }

    var waits: TableWaits {
        if group != nil { return .apart }
        return mayLeave ? .common : .none
    }

    /// Rolls the transaction back after a failure. Closes the session when that is not possible.
    func rollBack(_ database: PostgresConnection) {
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
        guard store.writer.durability == .standby else { return }
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
        _ copied: CopiedBatch, _ positions: [SinkPosition], on database: PostgresConnection
    ) throws(StoreError) -> BatchOutcome {
        let answers = try StoreError.using { () throws(PostgresError) in
            try fence.check(server, peer: database.peer)
            var last = PostgresPipeline()
            for merge in copied.merges { try last.append(merge.statement) }
            // The limits are meant for the tables, not for the positions.
            if waits.isLimited { try last.append("SET LOCAL statement_timeout = 0") }
            try append(positions, to: &last)
            try last.append("COMMIT")
            return try database.run(last, timeout: Self.statementTimeout)
        }
        var outcome = copied.work.outcome
        for merge in copied.merges { outcome.ignored[merge.sink] = outcome.rows[merge.sink] }
        for (number, answer) in answers.enumerated() {
            switch answer {
            case .failed(let error):
                guard number < copied.merges.count else {
                    // The positions note gaps.
                    let isOfGaps = error.serverError?.table == SinkName.gaps.rawValue
                    throw .database(error, of: isOfGaps ? .gaps : nil)
                }
                throw .database(error, of: copied.merges[number].sink)
            // A statement that follows a failed one, whose error was thrown.
            case .aborted: continue
            case .rows(let rows):
                guard number < copied.merges.count else { continue }
                outcome.ignored[copied.merges[number].sink, default: 0] -= rows.affectedRows
            }
        }
        return outcome
    }

    /// Appends the statement that advances positions.
    private func append(
        _ positions: [SinkPosition], to last: inout PostgresPipeline
    ) throws(PostgresError) {
        var json = JSONWriter(capacity: 1_024)
        json.array { json in
            for position in positions {
                if group == nil {
                    position.write(into: &json)
                } else {
                    position.write(after: position.apart.cameFrom, into: &json)
                }
            }
        }
        guard let group else {
            return try last.append(
                "SELECT advance_positions($1, $2::jsonb)", [.text(sink), .text(json.text)])
        }
        try last.append(
            "SELECT advance_group($1, $2, $3::jsonb)",
            [.text(sink), .text(group.rawValue), .text(json.text)])
    }
}
