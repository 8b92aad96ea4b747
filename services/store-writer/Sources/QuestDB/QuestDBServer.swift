import MarketModel
import Primitives
import QuestDBAccess
import QuestDBWire
import StoreHTTP
import StoreSinks
import TapeCodec

/// A server of QuestDB, as a session uses it.
///
/// A row is there once, however often it is sent. Its keys are its time, source, partition and
/// ordinal (and the revision of a bar), which follow from the tape alone: the ordinals of a source
/// are dense within a partition, and the tape gives each record one time for ever. The table has
/// DEDUP UPSERT KEYS of these columns, so rows that come again, of any owner and at any time,
/// replace the same rows by the same values. So a batch may be sent again after each doubt, whole
/// or in parts, and an owner that wakes up late does no harm. The position is stored after the
/// rows, in NATS: if a process ends between the two, its successor sends them once more.
///
/// A request has rows of one table, and of existing columns: the server then stores all or none.
final class QuestDBServer: BlockServer {
    private let client: QuestDBClient
    /// Those that are switched on, and those of the books.
    private let tables: [QuestDBTable]
    /// The numbers of the tables that `problem` has seen.
    private var numbers: [String: Int] = [:]
    let peer: String
    let settingNames = "QUESTDB_URL"

    init(
        _ settings: QuestDBClient.Settings, _ sinks: SinkCatalogue,
        onCall: @escaping (Duration) -> Void
    ) throws(StoreServerError) {
        client = try QuestDBClient(settings, onCall: onCall)
        tables = QuestDBKind.tables(sinks)
        peer = client.peer
    }

    func problem() throws(StoreServerError) -> String? {
        if let problem = try client.problem() { return problem }
        let check = try client.check(tables)
        numbers = check.numbers(of: tables)
        var problems = tables.compactMap { check.problem(of: $0) }
        let hasIdentity = check.tables[QuestDBIdentity.table] != nil
        if !hasIdentity { problems.append("there is no table \(QuestDBIdentity.table)") }
        guard let first = problems.first else { return nil }
        let isComplete = hasIdentity && tables.allSatisfy { check.has($0) }
        return (problems.count == 1 ? first : "\(first), and \(problems.count - 1) more")
            + (isComplete ? ": mend it by hand" : ": run 'store-writer migrate'")
    }

    var tablesSeen: String {
        numbers.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
    }

    func identity() throws(StoreServerError) -> String { try client.identity() }

    func insert(_ given: any StoreBlock, token: String) throws(StoreServerError) {
        guard let block = given as? LineBlock else {
            preconditionFailure("a block for another kind of server")
        }
        try client.write(block.body, to: block.tableName)
    }

    func confirm() throws(StoreServerError) { try client.confirm(tables, numbers) }

    // MARK: counts

    /// Returns the tables that may have rows: also those that were switched off, and those that
    /// were filled alone.
    func countedTables() throws(StoreServerError) -> [QuestDBTable] {
        let check = try client.check([])
        return QuestDBKind.tables(SinkCatalogue()).filter { check.has($0) }
    }

    func lag(behind mark: inout [String: Int]?) throws(StoreServerError) -> String? {
        try client.lag(of: QuestDBKind.tables(SinkCatalogue()), behind: &mark)
    }

    func waitUntilApplied(_ tables: [QuestDBTable]) throws(StoreServerError) {
        try client.waitUntilApplied(tables)
    }

    func ask(_ sql: String) throws(StoreServerError) -> QuestDBAnswer { try client.rows(sql) }

    func read<Value>(
        _ body: () throws(QuestDBAnswerError) -> Value
    ) throws(StoreServerError) -> Value { try client.read(body) }
}
