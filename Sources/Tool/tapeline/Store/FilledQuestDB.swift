import Membership
import Primitives
import QuestDBAccess
import QuestDBWire
import StoreHTTP
import StoreSinks
import TapeTransport

/// The server of a store of QuestDB that is filled. A row that comes again replaces itself.
final class FilledQuestDB: FilledServer {
    private let client: QuestDBClient
    let present: Set<String>
    /// Those that are there, and the numbers that they had at the beginning.
    private let tables: [QuestDBTable]
    private let numbers: [String: Int]
    let kind = "questdb"
    let settingNames = "QUESTDB_URL"
    var peer: String { client.peer }

    /// Throws when rows would be lost, or be there twice.
    init(_ settings: QuestDBClient.Settings, _ store: GroupName) throws {
        client = try QuestDBClient(settings) { _ in }
        if let problem = try client.problem() {
            throw ToolError.refused("\(store) cannot be filled: \(client.peer): \(problem)")
        }
        let all = Self.all.values.sorted { $0.name < $1.name } + QuestDBTable.books
        let check = try client.check(all)
        tables = all.filter { check.has($0) || QuestDBTable.books.contains($0) }
        present = Set(tables.map(\.name))
        numbers = check.numbers(of: tables)
        if let problem = tables.lazy.compactMap({ check.problem(of: $0) }).first {
            throw ToolError.refused(
                "\(store) cannot be filled: \(client.peer): \(problem): run 'store-writer migrate' "
                    + "for \(store), and mend by hand what it refuses")
        }
    }

    private static let all: [SinkName: QuestDBTable] = Dictionary(
        uniqueKeysWithValues: SinkCatalogue().sinks.map { ($0.name, QuestDBTable($0)) })

    func identity() throws(StoreServerError) -> String { try client.identity() }

    func named() throws(StoreServerError) -> [FillLane: FilledStore.Named] {
        try client.waitUntilApplied(QuestDBTable.books)
        let range = "SELECT input, \"partition\", source, first_ordinal, last_ordinal"
        let gaps = try client.rows(
            "\(range) FROM ordinal_gaps WHERE reason IN ('hole', 'tape_lost')")
        let fills = try client.rows("\(range), \"rows\" FROM fills")
        return try client.read { () throws(QuestDBAnswerError) in
            var named: [FillLane: FilledStore.Named] = [:]
            for row in 0..<gaps.count {
                guard let (lane, range) = try Self.range(gaps, row) else { continue }
                named[lane, default: FilledStore.Named()].gaps.append(range)
            }
            for row in 0..<fills.count {
                guard let (lane, range) = try Self.range(fills, row) else { continue }
                let rows = Int64(try fills.number(row, "rows"))
                named[lane, default: FilledStore.Named()].addCopied(range, rows: rows)
            }
            return named
        }
    }

    private static func range(
        _ answer: QuestDBAnswer, _ row: Int
    ) throws(QuestDBAnswerError) -> (FillLane, ClosedRange<Int64>)? {
        let lane = FillLane(
            input: try answer.text(row, "input"),
            partition: Int64(try answer.number(row, "partition")),
            source: try answer.text(row, "source"))
        let first = Int64(try answer.number(row, "first_ordinal"))
        let last = Int64(try answer.number(row, "last_ordinal"))
        return first <= last ? (lane, first...last) : nil
    }

    /// It has answered for rows that its tables do not show yet.
    func ordinals(
        of step: FillPlan.Stretch, _ rows: [FillRows]
    ) throws(StoreServerError) -> [Int64] {
        try client.waitUntilApplied(tables)
        guard let question = Self.question(step, rows, tables) else { return [] }
        let answer = try client.rows(question)
        return try client.read { () throws(QuestDBAnswerError) in
            var found: [Int64] = []
            for row in 0..<answer.count {
                found.append(Int64(try answer.number(row, "ordinal")))
            }
            return found.filter(step.has)
        }
    }

    /// Returns the question for the ordinals of a step that have rows; `nil`: there can be none. A
    /// record has one table and one time for ever. So where all ordinals are among these rows, the
    /// server has to look at no other tables and days. Pure.
    static func question(
        _ step: FillPlan.Stretch, _ rows: [FillRows], _ tables: [QuestDBTable]
    ) -> String? {
        let place = QuestDBPlace(
            isDerived: step.lane.input == "bars", partition: Int(step.lane.partition))
        let range = UInt64(step.ordinals.lowerBound)...UInt64(step.ordinals.upperBound)
        let ordinals = Set(rows.flatMap { $0.rows.map(\.ordinal) })
        guard ordinals.count == step.size else {
            return place.ordinals(of: step.lane.source, range, in: tables)
        }
        let found = Dictionary(grouping: rows.filter { !$0.rows.isEmpty }) {
            FilledTable.all[$0.table.name]?.name ?? ""
        }
        return place.ordinals(
            of: step.lane.source, range, in: tables.filter { found[$0.name] != nil },
            within: found.compactMapValues { times(of: $0) })
    }

    /// Returns from when to when rows of a table are; `nil`: that is not known.
    private static func times(of rows: [FillRows]) -> ClosedRange<Timestamp>? {
        var times: ClosedRange<Int64>?
        for row in rows.flatMap(\.rows) {
            guard let time = row.time else { return nil }
            times = min(times?.lowerBound ?? time, time)...max(times?.upperBound ?? time, time)
        }
        guard let times, let first = ExactTime.time(times.lowerBound),
            let last = ExactTime.time(times.upperBound)
        else { return nil }
        return first...last.advanced(byNanoseconds: 999)
    }

    func blocks(_ rows: [FillRows.Row], of table: FilledTable) throws -> FilledBlocks {
        guard let own = Self.all[table.sink] else { return FilledBlocks() }
        return try LineRowWriter(own).blocks(rows, of: table)
    }

    func row(
        of letter: DeadLetter, _ catalogue: SinkCatalogue, sink: Int, at time: Timestamp
    ) -> LetterBlock? {
        guard let own = Self.all[catalogue.sinks[sink].name] else { return nil }
        return LineRowWriter(own).row(of: letter, catalogue, sink: sink, at: time)
    }

    func blocks(_ notes: [FillNote]) -> [any StoreBlock] {
        LineRowWriter(.fills).blocks(notes, isDated: true)
    }

    func insert(_ given: any StoreBlock, token: String) throws(StoreServerError) {
        guard let block = given as? LineBlock else {
            preconditionFailure("a block for another kind of server")
        }
        try client.write(block.body, to: block.tableName)
    }

    func confirm() throws(StoreServerError) { try client.confirm(tables, numbers) }
}
