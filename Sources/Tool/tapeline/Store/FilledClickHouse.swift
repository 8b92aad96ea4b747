import ClickHouseWire
import Primitives
import StoreHTTP
import StoreSinks
import TapeTransport

/// The server of a store of ClickHouse that is filled. It recognises a repeat of a block by its
/// token, for some days.
final class FilledClickHouse: FilledServer {
    private let client: ClickHouseClient
    let present: Set<String>
    /// Those that are there.
    private let tables: [ClickHouseTable]
    let kind = "clickhouse"
    let settingNames = "CLICKHOUSE_URL and CLICKHOUSE_DATABASE"
    var peer: String { client.peer }

    init(_ settings: ClickHouseClient.Settings) throws {
        client = try ClickHouseClient(settings) { _ in }
        let names = try client.tableNames()
        present = names
        tables = Self.all.values.filter { names.contains($0.name) }.sorted { $0.name < $1.name }
    }

    private static let all: [SinkName: ClickHouseTable] = Dictionary(
        uniqueKeysWithValues: SinkCatalogue().sinks.map { ($0.name, ClickHouseTable($0)) })

    /// Which database it is, as the writer asks for it; empty: the server does not say so.
    func identity() throws(StoreServerError) -> String { try client.identity() }

    func named() throws(StoreServerError) -> [FillLane: FilledStore.Named] {
        var named: [FillLane: FilledStore.Named] = [:]
        var answer = try client.ask(
            """
            SELECT toString(input), partition, toString(source), first_ordinal, last_ordinal,
                toInt64(-1) FROM ordinal_gaps WHERE reason IN ('hole', 'tape_lost')
            UNION ALL
            SELECT toString(input), partition, toString(source), first_ordinal, last_ordinal, rows
            FROM fills
            """)
        while !answer.isOver {
            let input = try answer.text()
            let partition = try answer.integer()
            let lane = FillLane(input: input, partition: partition, source: try answer.text())
            let (first, last) = (try answer.integer(), try answer.integer())
            let rows = try answer.integer()
            guard first <= last else { continue }
            var own = named[lane] ?? FilledStore.Named()
            if rows < 0 {
                own.gaps.append(first...last)
            } else {
                own.addCopied(first...last, rows: rows)
            }
            named[lane] = own
        }
        return named
    }

    func ordinals(
        of step: FillPlan.Stretch, _ rows: [FillRows]
    ) throws(StoreServerError) -> [Int64] {
        let place = RowPlace(
            isDerived: step.lane.input == "bars", partition: Int(step.lane.partition))
        let range =
            UInt64(step.ordinals.lowerBound)...UInt64(step.ordinals.upperBound)
        let question = place.ordinals(
            [RowPlace.Ordinals(source: step.lane.source, range: range)],
            in: tables)
        guard let question else { return [] }
        var answer = try client.ask(question)
        var found: [Int64] = []
        while !answer.isOver {
            _ = try answer.text()
            found.append(try answer.integer())
        }
        return found.filter(step.has)
    }

    func blocks(_ rows: [FillRows.Row], of table: FilledTable) throws -> FilledBlocks {
        guard let own = Self.all[table.sink] else { return FilledBlocks() }
        return try NativeRows(own).blocks(rows, of: table)
    }

    func row(
        of letter: DeadLetter, _ catalogue: SinkCatalogue, sink: Int, at time: Timestamp
    ) -> LetterBlock? {
        guard let own = Self.all[catalogue.sinks[sink].name] else { return nil }
        return NativeRows(own).row(of: letter, catalogue, sink: sink, at: time)
    }

    func blocks(_ notes: [FillNote]) -> [any StoreBlock] {
        NativeRows(.fills).blocks(notes, isDated: false)
    }

    func insert(_ given: any StoreBlock, token: String) throws(StoreServerError) {
        guard let block = given as? NativeBlock else {
            preconditionFailure("a block for another kind of server")
        }
        try client.insert(block, token: token)
    }

    /// An insert into a table that is not there fails by itself.
    func confirm() {}
}
