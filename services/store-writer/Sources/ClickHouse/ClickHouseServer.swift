import ClickHouseWire
import MarketModel
import Primitives
import StoreHTTP
import StoreIntents
import StoreSinks
import TapeCodec

/// A server of ClickHouse, as a session uses it.
final class ClickHouseServer: TokenServer {
    private let client: ClickHouseClient
    /// Those that are switched on.
    private let tables: [ClickHouseTable]
    let peer: String
    let settingNames = "CLICKHOUSE_DATABASE"

    init(
        _ settings: ClickHouseClient.Settings, _ sinks: SinkCatalogue,
        onCall: @escaping (Duration) -> Void
    ) throws(StoreServerError) {
        tables = ClickHouseSettings.tables(sinks)
        client = try ClickHouseClient(settings, onCall: onCall)
        peer = client.peer
    }

    func problem() throws(StoreServerError) -> String? {
        let version = try client.version()
        guard !ClickHouseClient.isTooOld(version) else {
            return "it is \(version): \(ClickHouseClient.wantsNewer)"
        }
        let problems = try TableCheck.read(client).problems(of: tables + ClickHouseTable.books)
        guard let first = problems.first else { return nil }
        return (problems.count == 1 ? first : "\(first), and \(problems.count - 1) more")
            + ": run 'store-writer migrate'"
    }

    /// It is asked what it has instead.
    let tablesSeen = ""

    func identity() throws(StoreServerError) -> String { try client.identity() }

    func insert(_ block: any StoreBlock, token: String) throws(StoreServerError) {
        try client.insert(Self.native(block), token: token)
    }

    /// An insert into a table that is not there fails by itself.
    func confirm() {}

    func keys(of block: any StoreBlock) -> [BlockKey] { Self.native(block).keys }

    private static func native(_ block: any StoreBlock) -> NativeBlock {
        guard let block = block as? NativeBlock else {
            preconditionFailure("a block for another kind of server")
        }
        return block
    }

    func stored(
        _ given: any StoreBlock, of place: SinkPlace
    ) throws(StoreServerError) -> [BlockKey] {
        let block = Self.native(given)
        let identity = block.table.identity
        var answer = try client.ask(
            """
            SELECT toString(\(identity.source)), toInt64(\(identity.ordinal))
            FROM \(block.table.name)
            WHERE partition = \(place.partition.number) AND (\(range(of: block)))
            LIMIT \(2 * block.rowCount + 1)
            """)
        var found: [BlockKey] = []
        while !answer.isOver {
            found.append(
                BlockKey(source: try answer.text(), ordinal: try answer.integer()))
        }
        return found
    }

    /// The condition for the rows that the block has.
    private func range(of block: NativeBlock) -> String {
        let identity = block.table.identity
        if block.table == .gaps {
            return "input = \(ClickHouseClient.quoted(block.text("input", row: 0)))"
                + " AND stream_created_ns = \(block.integer("stream_created_ns", row: 0))"
                + " AND sequence = \(block.integer("sequence", row: 0))"
        }
        var ranges: [String: ClosedRange<Int64>] = [:]
        for key in block.keys {
            let known = ranges[key.source] ?? key.ordinal...key.ordinal
            ranges[key.source] =
                min(known.lowerBound, key.ordinal)...max(known.upperBound, key.ordinal)
        }
        let sources = ranges.sorted { $0.key < $1.key }.map { source, ordinals in
            "\(identity.source) = \(ClickHouseClient.quoted(source)) AND \(identity.ordinal) "
                + "BETWEEN \(ordinals.lowerBound) AND \(ordinals.upperBound)"
        }
        let part: String =
            switch block.table.division {
            case .days: " AND toYYYYMMDD(ts) = \(block.part)"
            case .months: " AND toYYYYMM(ts) = \(block.part)"
            case .none: ""
            }
        return "(" + sources.joined(separator: " OR ") + ")" + part
    }

    func beyond(
        _ known: [SourceOrdinal], of place: SinkPlace
    ) throws(StoreServerError) -> [SourceOrdinal] {
        var found: [SourceOrdinal] = []
        let known = known.map { (source: $0.source.text, last: $0.lastOrdinal) }
        let parts = tables.flatMap { place.rows.beyond(known, in: $0) }
        guard !parts.isEmpty else { return [] }
        var answer = try client.ask(
            "SELECT toString(source), toInt64(max(ordinal)) FROM ("
                + parts.joined(separator: " UNION ALL ") + ") GROUP BY source")
        while !answer.isOver {
            let (text, ordinal) = (try answer.text(), try answer.integer())
            guard let source = SourceName(text) else {
                throw StoreServerError("it has rows of a source '\(text)'", .schema)
            }
            found.append(
                SourceOrdinal(
                    source: source, epoch: 0, lastOrdinal: UInt64(clamping: ordinal)))
        }
        return found
    }

    /// Returns the tables that may have rows: also those that were switched off, and those that
    /// were filled alone.
    func countedTables() throws(StoreServerError) -> [ClickHouseTable] {
        let names = try client.tableNames()
        return ClickHouseSettings.tables(SinkCatalogue()).filter { names.contains($0.name) }
    }

    func named(
        by packet: TapePacket, in ranges: [SourceName: ClosedRange<UInt64>], _ place: SinkPlace
    ) throws(StoreServerError) -> [SourceName: [ClosedRange<UInt64>]] {
        var found: [SourceName: [ClosedRange<UInt64>]] = [:]
        var answer = try client.ask(
            """
            SELECT toString(source), toInt64(first_ordinal), toInt64(last_ordinal)
            FROM ordinal_gaps
            WHERE input = \(ClickHouseClient.quoted(place.input.rawValue))
                AND partition = \(place.partition.number)
                AND stream_created_ns = \(packet.streamCreated.nanoseconds)
                AND sequence = \(packet.sequence) AND reason != 'given_twice'
            """)
        while !answer.isOver {
            let text = try answer.text()
            let (first, last) = (try answer.integer(), try answer.integer())
            guard let source = SourceName(text), first >= 0, first <= last else {
                throw StoreServerError("ordinal_gaps has a row of '\(text)' that is none", .schema)
            }
            found[source, default: []].append(UInt64(first)...UInt64(last))
        }
        return found
    }

    func ordinals(
        of ranges: [OrdinalRange], _ place: SinkPlace
    ) throws(StoreServerError) -> [SourceName: [UInt64]] {
        let wanted = ranges.map {
            RowPlace.Ordinals(source: $0.source.text, range: $0.first...$0.last)
        }
        var found: [SourceName: [UInt64]] = [:]
        guard let question = place.rows.ordinals(wanted, in: try countedTables()) else {
            return found
        }
        var answer = try client.ask(question)
        while !answer.isOver {
            let (text, ordinal) = (try answer.text(), try answer.integer())
            guard let source = SourceName(text) else {
                throw StoreServerError("it has rows of a source '\(text)'", .schema)
            }
            found[source, default: []].append(UInt64(clamping: ordinal))
        }
        return found
    }

    func ask(_ sql: String) throws(StoreServerError) -> ClickHouseAnswer { try client.ask(sql) }
}

extension SinkPlace {
    /// Its rows.
    var rows: RowPlace { RowPlace(isDerived: input == .bars, partition: partition.number) }
}

/// What the server says of the tables of a database. Pure.
struct TableCheck {
    /// By table: its engine with its settings.
    var engines: [String: String] = [:]
    /// By table: its columns with their types.
    var columns: [String: [String: String]] = [:]

    static func read(_ client: ClickHouseClient) throws(StoreServerError) -> TableCheck {
        var check = TableCheck()
        var tables = try client.ask(
            "SELECT name, engine_full FROM system.tables WHERE database = currentDatabase()")
        while !tables.isOver { check.engines[try tables.text()] = try tables.text() }
        var columns = try client.ask(
            "SELECT table, name, type FROM system.columns WHERE database = currentDatabase()")
        while !columns.isOver {
            let (table, name) = (try columns.text(), try columns.text())
            check.columns[table, default: [:]][name] = try columns.text()
        }
        return check
    }

    /// Returns why tables cannot be used, one line each.
    func problems(of tables: [ClickHouseTable]) -> [String] {
        tables.compactMap { problem(of: $0) }
    }

    func problem(of table: ClickHouseTable) -> String? {
        guard let engine = engines[table.name] else { return "there is no table \(table.name)" }
        let found = columns[table.name] ?? [:]
        for column in table.columns where found[column.name] != column.type {
            return "\(table.name).\(column.name) is \(found[column.name] ?? "not there"), "
                + "not \(column.type)"
        }
        return lack(table.name, engine)
    }

    /// Returns which settings a table lacks.
    private func lack(_ name: String, _ engine: String) -> String? {
        // Others take rows for the same, or away.
        guard Self.engines.contains(String(engine.prefix { $0.isLetter })) else {
            return "\(name) is no MergeTree"
        }
        guard !engine.contains(" TTL ") else { return "\(name) has a TTL, which removes rows" }
        // Those with copies remember tokens unless that is switched off.
        let isCopied = engine.hasPrefix("Replicated") || engine.hasPrefix("Shared")
        let key =
            isCopied ? "replicated_deduplication_window" : "non_replicated_deduplication_window"
        let window = Self.setting(" \(key)", engine) ?? (isCopied ? .max : 0)
        if window < ClickHouseTable.windowBlocksMin {
            return "\(name) lacks the setting \(key) = \(ClickHouseTable.windowBlocks)"
        }
        guard isCopied || Self.setting(" fsync_after_insert", engine) == 1 else {
            return "\(name) lacks the setting fsync_after_insert = 1"
        }
        return nil
    }

    private static let engines = ["MergeTree", "ReplicatedMergeTree", "SharedMergeTree"]

    private static func setting(_ name: String, _ engine: String) -> Int? {
        guard let settings = engine.firstRange(of: " SETTINGS ") else { return nil }
        let rest = engine[engine.index(before: settings.upperBound)...]
        guard let place = rest.firstRange(of: "\(name) = ") else { return nil }
        return Int(rest[place.upperBound...].prefix { $0.isNumber })
    }
}
