import ClickHouseWire
import MarketModel
import Membership
import Primitives
import ServiceRuntime
import StoreIntents
import StoreSinks
import TapeCodec
import TapeProtocol
import TapeTransport

/// The command `store-writer audit`: whether each record that the positions count is one row.
struct ClickHouseAudit {
    static let name = "audit"

    /// What the rows of one source in a place are.
    struct Rows: Equatable {
        var rows: UInt64
        var ordinals: UInt64
        var first: UInt64
        var last: UInt64
    }

    /// What was copied of one source from another store.
    struct Filled: Equatable {
        var rows: UInt64
        var first: UInt64
    }

    private let context: ServiceContext
    private let settings: WriterSettings

    init(_ context: ServiceContext) {
        self.context = context
        settings = WriterSettings(context.configuration)
    }

    func run() throws -> ExitCode {
        let tape = try TapeSettings(context.configuration)
        let client = try TapeClient(
            tape.nats, names: tape.names, telemetry: context.telemetry,
            readiness: context.readiness)
        defer { client.close() }
        let keeper = IntentBucket(client, of: settings.store)
        let server = try ClickHouseServer(ClickHouseClient.Settings(context.configuration)) { _ in }
        let owner = MarkOwner(namespace: client.names.namespace, name: settings.store.text)
        var problems: [String] = []
        var (sources, rows) = (0, UInt64(0))
        for number in 0..<settings.partitions {
            for input in SinkInput.allCases {
                let place = SinkPlace(input: input, partition: Partition(number))
                guard let value = try keeper.read(place).value else { continue }
                let kept = try KeptIntent(json: value, of: place, store: owner)
                let found = try server.rows(
                    of: place, in: ClickHouseSettings.tables(settings.sinks))
                let filled = try server.filled(place)
                problems += Self.problems(kept, found, filled).map {
                    "\(InputNumber.name(InputNumber.of(place))): \($0)"
                }
                sources += found.count
                rows += found.values.reduce(0) { $0 + $1.rows }
            }
        }
        for problem in problems { context.telemetry.emit(.auditDiffers(problem)) }
        if problems.isEmpty { context.telemetry.emit(.auditClean(rows: rows, sources: sources)) }
        return problems.isEmpty ? .success : .failure
    }

    /// Returns what is wrong with the rows of a place, one line each. While a batch is declared,
    /// any part of it may be there.
    static func problems(
        _ kept: KeptIntent, _ found: [SourceName: Rows], _ filled: [SourceName: Filled] = [:]
    ) -> [String] {
        var problems: [String] = []
        let known = Set(kept.position.sources.map(\.source))
        let declared = Set(kept.record.intent?.ranges.map(\.source) ?? [])
        for account in kept.position.sources {
            let rows = found[account.source] ?? Rows(rows: 0, ordinals: 0, first: 0, last: 0)
            if rows.rows != rows.ordinals {
                problems.append(
                    "\(account.source) has \(rows.rows) rows of \(rows.ordinals) ordinals")
            }
            let isOpen = declared.contains(account.source)
            let copied = filled[account.source]
            let written = account.written + (copied?.rows ?? 0)
            if isOpen ? rows.ordinals < written : rows.ordinals != written {
                problems.append(
                    "\(account.source) has \(rows.ordinals) ordinals, written are "
                        + "\(account.written)"
                        + (copied.map { " and copied \($0.rows)" } ?? ""))
            }
            guard rows.rows > 0 else { continue }
            if rows.first < min(account.firstOrdinal, copied?.first ?? .max)
                || !isOpen && rows.last > account.lastOrdinal
            {
                problems.append(
                    "\(account.source) has ordinals from \(rows.first) to \(rows.last), counted "
                        + "are those from \(account.firstOrdinal) to \(account.lastOrdinal)")
            }
        }
        for source in found.keys.sorted()
        where !known.contains(source) && !declared.contains(source) {
            problems.append("\(source) has rows and is not counted")
        }
        return problems
    }
}

extension ClickHouseServer {
    /// Returns what was copied of a place, by source.
    func filled(
        _ place: SinkPlace
    ) throws(ClickHouseError) -> [SourceName: ClickHouseAudit.Filled] {
        var answer = try ask(
            "SELECT toString(source), toInt64(sum(rows)), toInt64(min(first_ordinal)) FROM fills "
                + "WHERE input = \(ClickHouseClient.quoted(place.input.rawValue)) "
                + "AND partition = \(place.partition.number) GROUP BY source")
        var found: [SourceName: ClickHouseAudit.Filled] = [:]
        while !answer.isOver {
            let text = try answer.text()
            guard let source = SourceName(text) else {
                throw ClickHouseError("fills has a source '\(text)'", .schema)
            }
            found[source] = ClickHouseAudit.Filled(
                rows: UInt64(clamping: try answer.integer()),
                first: UInt64(clamping: try answer.integer()))
        }
        return found
    }

    /// Returns the rows of a place, by the source whose ordinals they have.
    func rows(
        of place: SinkPlace, in tables: [ClickHouseTable]
    ) throws(ClickHouseError) -> [SourceName: ClickHouseAudit.Rows] {
        let parts = tables.compactMap { place.rows.rows(in: $0) }
        var found: [SourceName: ClickHouseAudit.Rows] = [:]
        guard !parts.isEmpty else { return found }
        var answer = try ask(
            "SELECT toString(source), toInt64(count()), toInt64(uniqExact(ordinal)), "
                + "toInt64(min(ordinal)), toInt64(max(ordinal)) FROM ("
                + parts.joined(separator: " UNION ALL ") + ") GROUP BY source")
        while !answer.isOver {
            let text = try answer.text()
            guard let source = SourceName(text) else {
                throw ClickHouseError("it has rows of a source '\(text)'", .schema)
            }
            found[source] = ClickHouseAudit.Rows(
                rows: UInt64(clamping: try answer.integer()),
                ordinals: UInt64(clamping: try answer.integer()),
                first: UInt64(clamping: try answer.integer()),
                last: UInt64(clamping: try answer.integer()))
        }
        return found
    }
}

extension ServiceEvent {
    /// The rows are not those that the positions count.
    fileprivate static func auditDiffers(_ problem: String) -> Self {
        Self(.error, "audit.differs", problem)
    }

    fileprivate static func auditClean(rows: UInt64, sources: Int) -> Self {
        Self(
            .info, "audit.clean", "each record that is counted as written is one row",
            ("rows", .integer(Int64(clamping: rows))), ("sources", .integer(Int64(sources))))
    }
}
