import MarketModel
import NatsTransport
import PostgresClient
import Primitives
import ServiceRuntime
import StreamCore
import TapeCodec
import TapeProtocol
import TapeTransport

/// Compares rows with the records of the tape that they came from, as far as the tape still has
/// these. It finds what no other row contradicts: the bounds of a gap, the time at which a version
/// of a bar became known, and the values of versions that a later one has replaced.
///
/// Rows whose ordinals were given twice are left out: the tape may have the later record.
struct TapeAudit {
    static let gapsName = "gaps_on_tape"
    static let versionsName = "versions_on_tape"
    static let names = [gapsName, versionsName]
    private static let gapsSentence =
        "rows of gaps are the records that the tape still has, with the same bounds"
    private static let versionsSentence =
        "versions of bars are those that the tape still has, known since it took them"
    /// Rows per round trip.
    private static let page = 20_000
    private static let settingTimeout: Duration = .seconds(5)

    let database: ProofDatabase
    let client: TapeClient
    let names: TapeNames
    let terminal: Terminal
    let asJSON: Bool
    let shutdown: ShutdownSignal

    /// Where the ticks or bars of a partition are on the tape.
    private struct Lane: Hashable {
        let partition: Int64
        let source: String
    }

    /// A failure to read the tape or the tables ends the check, and not the report.
    func add(_ slices: [AuditSlice], to report: inout AuditReport) {
        var progress = ProgressLine(terminal, asJSON: asJSON)
        add(Self.gapsName, Self.gapsSentence, &report) { tally throws(ToolError) in
            try gaps(slices, &progress, &tally)
        }
        add(Self.versionsName, Self.versionsSentence, &report) { tally throws(ToolError) in
            try versions(slices, &progress, &tally)
        }
        progress.end()
    }

    private func add(
        _ name: String, _ sentence: String, _ report: inout AuditReport,
        _ check: (inout TapeTally) throws(ToolError) -> Void
    ) {
        var tally = TapeTally()
        do throws(ToolError) {
            try check(&tally)
        } catch {
            tally.ending = "\(error)"
        }
        if shutdown.isRequested { tally.ending = "interrupted" }
        tally.add(name, sentence, to: &report)
    }

    // MARK: gaps

    private func gaps(
        _ slices: [AuditSlice], _ progress: inout ProgressLine, _ tally: inout TapeTally
    ) throws(ToolError) {
        // A gap that lasts is as long as what is asked for.
        let whole = AuditSlice(from: slices.first?.from ?? nil, to: slices.last?.to ?? nil)
        let query = """
            SELECT partition::bigint, source, ordinal, symbol, kind, from_time_ns, to_time_ns,
                state, reason, detail, coalesce(lost_first_ordinal, 0),
                coalesce(lost_last_ordinal, 0)
            FROM gaps g
            WHERE ordinal IS NOT NULL AND input = 'ticks'
                AND coalesce(from_time, '-infinity') < :'to'::timestamptz
                AND coalesce(to_time, 'infinity') >= :'from'::timestamptz
                AND \(Self.isGivenOnce("ticks", "source", "ordinal"))
            ORDER BY partition, source, ordinal
            """
        let rows = Rows(cursor: "audited_gaps", query: whole.fill(query))
        try read(rows, &progress, &tally) { row, rows in
            guard let partition = rows.integer(row, 0), let source = rows.text(row, 1) else {
                return nil
            }
            return Lane(partition: partition, source: source)
        } judge: { row, rows, sight in
            let partition = rows.integer(row, 0) ?? 0
            let ordinal = UInt64(bitPattern: rows.integer(row, 2) ?? 0)
            let name = "the gap \(sight.header.source)/\(partition)/\(ordinal)"
            return sight.message.payload.withRawSpan { packet in
                guard let record = AuditedGap(ordinal, sight.header, packet) else {
                    return "\(name): the tape has another record"
                }
                return record.difference(from: rows, row).map { "\(name): \($0)" }
            }
        }
    }

    // MARK: versions of bars

    private func versions(
        _ slices: [AuditSlice], _ progress: inout ProgressLine, _ tally: inout TapeTally
    ) throws(ToolError) {
        let columns = AuditedVersion.columns
        for slice in slices where !shutdown.isRequested {
            let query = """
                SELECT partition::bigint, 'operator', revision, \(columns), taken_at
                FROM bars v
                WHERE ts >= :'from'::timestamptz AND ts < :'to'::timestamptz
                    AND \(Self.isGivenOnce("bars", "'operator'", "revision"))
                UNION ALL
                SELECT partition::bigint, 'operator', revision, \(columns), taken_at
                FROM bar_versions v
                WHERE ts >= :'from'::timestamptz AND ts < :'to'::timestamptz
                    AND \(Self.isGivenOnce("bars", "'operator'", "revision"))
                ORDER BY 1, 3
                """
            var clock = KnownClock()
            let rows = Rows(cursor: "audited_versions", query: slice.fill(query))
            try read(rows, &progress, &tally) { row, rows in
                rows.integer(row, 0).map { Lane(partition: $0, source: "") }
            } judge: { row, rows, sight in
                if sight.isApart { clock = KnownClock() }
                let ordinal = UInt64(bitPattern: rows.integer(row, 2) ?? 0)
                return sight.message.payload.withRawSpan { packet in
                    guard let version = AuditedVersion(ordinal, sight.header, packet) else {
                        return "\(AuditedVersion.name(rows, row)): the tape has another record"
                    }
                    let known = rows.timestamp(row, AuditedVersion.knownColumn)
                    let fault =
                        version.difference(from: rows, row)
                        ?? clock.fault(
                            of: known, taken: sight.message.time, highest: sight.highest)
                    return fault.map { "\(AuditedVersion.name(rows, row)): \($0)" }
                }
            }
        }
    }

    // MARK: rows and packets

    private static func isGivenOnce(
        _ input: String, _ source: String, _ ordinal: String
    ) -> String {
        let row = input == "ticks" ? "g" : "v"
        let own = source.hasPrefix("'") ? source : "\(row).\(source)"
        return """
            NOT EXISTS (SELECT FROM gaps t
                WHERE t.ordinal IS NULL AND t.reason = 'given_twice' AND t.input = '\(input)'
                    AND t.source = \(own) AND t.partition = \(row).partition
                    AND \(row).\(ordinal) BETWEEN t.first_ordinal AND t.last_ordinal)
            """
    }

    /// A statement and the name of its cursor. The session prepares the reading of a cursor once,
    /// so another name belongs to other columns.
    private struct Rows {
        let cursor: String
        let query: String
    }

    /// The packet of a row's record.
    private struct Sight {
        let message: StoredMessage
        let header: PacketHeader
        /// The highest time of the packets up to this one that were seen.
        let highest: Timestamp
        /// Whether packets before it were left out since the row before.
        let isApart: Bool
    }

    /// Returns what is wrong with a row.
    private typealias Judge = (Int, PostgresRows, Sight) -> String?

    /// Reads the rows, in the order of lanes and ordinals, with the packets of their records. The
    /// ordinal is the third column.
    private func read(
        _ wanted: Rows, _ progress: inout ProgressLine, _ tally: inout TapeTally,
        lane: (Int, PostgresRows) -> Lane?, judge: Judge
    ) throws(ToolError) {
        // The server keeps the rows of a held cursor without a transaction. One that is open while
        // the tape is read is ended by the server when that takes long, and keeps the server from
        // clearing away old rows.
        try run("DECLARE \(wanted.cursor) NO SCROLL CURSOR WITH HOLD FOR \(wanted.query)")
        defer { close(wanted.cursor) }
        var (present, search, searches): (Lane?, LaneSearch?, Int) = (nil, nil, -1)
        while true {
            let rows = try database.rows("FETCH \(Self.page) FROM \(wanted.cursor)", [])
            for row in 0..<rows.rowCount {
                if shutdown.isRequested { return }
                guard let place = lane(row, rows), let ordinal = rows.integer(row, 2),
                    ordinal >= 0
                else {
                    tally.take("a row has a lane or an ordinal that cannot be")
                    continue
                }
                do throws(JetStreamError) {
                    if place != present { (search, searches) = (try open(place), -1) }
                    present = place
                    switch try search?.find(UInt64(bitPattern: ordinal)) {
                    case .packet(let message, let header):
                        let sight = Sight(
                            message: message, header: header,
                            highest: search?.highest ?? message.time,
                            isApart: search?.searches != searches)
                        searches = search?.searches ?? -1
                        tally.take(judge(row, rows, sight))
                    case .damaged(let sequence):
                        tally.takeDamaged("\(sequence) of \(stream(place))")
                    case .absent, nil: continue
                    }
                } catch {
                    throw ToolError(reading: error)
                }
            }
            progress.show { "\(tally.compared) rows compared with the tape" }
            guard rows.rowCount == Self.page else { return }
        }
    }

    private func stream(_ lane: Lane) -> String {
        lane.source.isEmpty
            ? names.barStream
            : names.tickStream(of: Partition(Int(lane.partition)))
    }

    /// Returns `nil` if the tape has nothing of the lane.
    private func open(_ lane: Lane) throws(JetStreamError) -> LaneSearch? {
        guard (0..<Int64(names.partitions)).contains(lane.partition) else { return nil }
        let partition = Partition(Int(lane.partition))
        guard !lane.source.isEmpty else {
            return try LaneSearch(
                client.jetStream, stream: names.barStream, subject: names.bars(partition))
        }
        guard let source = SourceName(lane.source) else { return nil }
        return try LaneSearch(
            client.jetStream, stream: stream(lane), subject: names.ticks(partition, source))
    }

    private func run(_ statement: String) throws(ToolError) {
        do throws(PostgresError) {
            try database.connection.execute(statement, timeout: DatabaseAudit.checkTimeout)
        } catch {
            throw .unreachable("the rows cannot be read: \(error)")
        }
    }

    /// Ends a reading. If that fails, the session is gone, and with it the cursor; the next
    /// statement reports it.
    private func close(_ cursor: String) {
        do throws(PostgresError) {
            try database.connection.execute("CLOSE \(cursor)", timeout: Self.settingTimeout)
        } catch {
            database.connection.close()
        }
    }
}
