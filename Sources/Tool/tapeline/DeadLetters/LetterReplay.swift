import DeadLetters
import MarketModel
import PostgresClient
import Primitives
import StoreSinks
import TapeCodec
import TapeTransport

/// Makes rows of dead letters, each in its own transaction together with the books.
///
/// The books' row of the letter's source is locked first, so two replays take turns. A row is made
/// only for a tick that the writer has settled and will never write itself. Bars go through the
/// merge, as in the writer. Any other row is inserted only if it is not there yet.
struct LetterReplay: LetterReplaying {
    private static let timeout = Deployment.statementTimeout

    let database: PostgresConnection
    let isDryRun: Bool
    private let catalogue = SinkCatalogue()
    private var prepared: Set<SinkName> = []
    private var series = SeriesTables()

    init(_ database: PostgresConnection, isDryRun: Bool) throws(PostgresError) {
        self.database = database
        self.isDryRun = isDryRun
        // A replay that hangs in the middle must not hold up the writer.
        try database.script(
            "SET idle_in_transaction_session_timeout = '10s'; SET lock_timeout = '30s'",
            timeout: Self.timeout)
    }

    func end() {}

    mutating func replay(_ letter: DeadLetter) throws(PostgresError) -> LetterFate {
        guard letter.place.isOnTape else { return .untaped }
        if letter.isOfOtherKind { return .elsewhere }
        guard let index = catalogue.sink(of: letter) else { return .undecodable }
        let sink = catalogue.sinks[index]
        var hasMadePartition = false
        while true {
            do throws(PostgresError) {
                try prepare(sink)
                return try attempt(
                    letter, sink, index, makesPartition: isDryRun && hasMadePartition)
            } catch {
                try rollBack()
                switch error.category {
                case .missingPartition where !hasMadePartition:
                    hasMadePartition = true
                    // A dry run leaves nothing: the row is made in `attempt` and rolled back.
                    if isDryRun { continue }
                    if let reason = try makePartition(letter, index) { return .refused(reason) }
                case .data, .schema, .missingPartition: return .refused("\(error)")
                case .retryable, .fenced, .authentication, .fatal: throw error
                }
            }
        }
    }

    private mutating func attempt(
        _ letter: DeadLetter, _ sink: Sink, _ index: Int, makesPartition: Bool
    ) throws(PostgresError) -> LetterFate {
        try database.execute("BEGIN", timeout: Self.timeout)
        try noteSeries(of: letter)
        if makesPartition, let reason = try makePartition(letter, index) {
            return try end(.refused(reason))
        }
        switch try books(of: letter, TableGroup(of: sink.name)) {
        case "settled": break
        case "ahead": return try end(.ahead)
        case "missing": return try end(.missing)
        default: return try end(.unknown)
        }
        if try isRetired(letter, sink, index) { return try end(.retired) }
        var isWritten = false
        try database.copyIn(sink.replayCopy, timeout: Self.timeout) { row throws(PostgresError) in
            isWritten = try catalogue.row(of: letter, sink: index) {
                record, context, packet, ordinal throws(PostgresError) in
                try sink.write(record, context, packet, ordinal, &row)
            }
        }
        guard isWritten else { return try end(.undecodable) }
        var made = 0
        for statement in sink.replayInserts {
            made += try database.execute(statement, timeout: Self.timeout).affectedRows
        }
        // The letter may be of a version that a later one has replaced meanwhile.
        for statement in sink.merge?.statementsForEarlier ?? [] where made == 0 {
            made = try database.execute(statement, timeout: Self.timeout).affectedRows
        }
        guard made > 0 else { return try end(.present) }
        try database.execute(
            "SELECT note_replayed($1, $2, $3::integer, $4, $5)", Self.tick(letter),
            timeout: Self.timeout)
        if let change = catalogue.changeByID(letter) {
            var json = JSONWriter()
            json.array { json in change.write(into: &json) }
            try database.execute(
                "SELECT note_changes_by_id($1::jsonb)", [.text(json.text)],
                timeout: Self.timeout)
        }
        if isDryRun { return try end(.storable) }
        try database.execute("COMMIT", timeout: Self.timeout)
        return .stored
    }

    private func end(_ fate: LetterFate) throws(PostgresError) -> LetterFate {
        try database.execute("ROLLBACK", timeout: Self.timeout)
        return fate
    }

    private func books(
        of letter: DeadLetter, _ group: TableGroup
    ) throws(PostgresError) -> String {
        let result = try database.execute(
            "SELECT begin_replay($1, $2, $3::integer, $4, $5, $6)",
            Self.tick(letter) + [.text(group.rawValue)], timeout: Self.timeout)
        return result.scalar ?? ""
    }

    /// Retention may have dropped the letter's row on purpose.
    private func isRetired(
        _ letter: DeadLetter, _ sink: Sink, _ index: Int
    ) throws(PostgresError) -> Bool {
        guard let times = catalogue.times(letter, sink: index, series) else { return false }
        return try database.execute(
            "SELECT is_retired($1, $2, $3)",
            [.text(times.table), .timestamp(times.row), .timestamp(times.received)],
            timeout: Self.timeout
        ).scalar == "t"
    }

    private static func tick(_ letter: DeadLetter) -> [PostgresValue] {
        [
            .text(letter.owner), .text(letter.place.input),
            .text(String(letter.place.partition.number)), .text(letter.place.source.text),
            .integer(Int64(bitPattern: letter.place.ordinal)),
        ]
    }

    private func rollBack() throws(PostgresError) {
        if database.isUsable, database.isInTransaction {
            try database.execute("ROLLBACK", timeout: Self.timeout)
        }
    }

    /// Makes the temporary table that holds the row until it is compared. Every COMMIT empties it.
    private mutating func prepare(_ sink: Sink) throws(PostgresError) {
        guard !prepared.contains(sink.name) else { return }
        try database.execute(sink.replayStaging, timeout: Self.timeout)
        prepared.insert(sink.name)
    }

    /// Has the database decide in which table the bar of a letter is, as the writer does. The
    /// decision is part of the transaction.
    private mutating func noteSeries(of letter: DeadLetter) throws(PostgresError) {
        series = SeriesTables()
        let unknown = catalogue.unknownSeries(letter, series)
        guard !unknown.isEmpty else { return }
        series.take(
            try database.execute(
                SeriesTables.noting, SeriesTables.parameters(unknown), timeout: Self.timeout))
    }

    /// Makes the partition for the row. Returns why it cannot be made, or `nil` on success.
    private func makePartition(
        _ letter: DeadLetter, _ index: Int
    ) throws(PostgresError) -> String? {
        guard let times = catalogue.times(letter, sink: index, series) else {
            return "no time is known of it"
        }
        do throws(PostgresError) {
            // Of a bar also that of replaced versions.
            let tables = [times.table] + catalogue.sinks[index].tables.dropFirst(2)
            try database.execute(
                "SELECT make_time_partition(name, $2) FROM unnest($1::text[]) AS name",
                [.textArray(tables), .timestamp(times.row)], timeout: Self.timeout)
            return nil
        } catch  where [.data, .schema].contains(error.category) {
            return "\(error)"
        }
    }
}

extension Sink {
    fileprivate var staging: String { merge == nil ? "replay_\(name.rawValue)" : copyTarget }

    /// Without the table's own constraints: they are checked when the row moves to the table.
    fileprivate var replayStaging: String {
        merge?.makeStaging ?? """
            CREATE TEMPORARY TABLE IF NOT EXISTS \(staging) ON COMMIT DELETE ROWS AS \
            SELECT \(columnList) FROM \(copyTarget) WITH NO DATA
            """
    }

    fileprivate var replayCopy: String {
        "COPY \(staging) (\(columnList)) FROM STDIN (FORMAT binary)"
    }

    fileprivate var replayInserts: [String] {
        merge?.statements ?? [
            """
            INSERT INTO \(copyTarget) (\(columnList)) SELECT \(columnList) FROM \(staging) s
            WHERE \(sameSymbol.map(isNotThere).joined(separator: " AND "))
            """
        ]
    }

    private var columnList: String { copyColumns.joined(separator: ", ") }

    private func isNotThere(_ sameSymbol: String) -> String {
        let tick = sameTick { "s.\($0)" }
        return "NOT EXISTS (SELECT FROM \(name.rawValue) t WHERE \(tick) AND \(sameSymbol))"
    }

    /// The conditions by which an index finds the row: one for rows with a symbol, one for rows
    /// without. A single IS NOT DISTINCT FROM would match the same rows but use no index.
    private var sameSymbol: [String] {
        copyColumns.contains("symbol")
            ? ["t.symbol = s.symbol", "t.symbol IS NULL AND s.symbol IS NULL"] : ["true"]
    }
}
