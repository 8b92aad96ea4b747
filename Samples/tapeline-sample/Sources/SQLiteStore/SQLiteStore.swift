internal import CSQLite
internal import ServiceRuntime
public import StoreKit

/// Rows and marks in a file of SQLite, which several writers of one machine may share. A COMMIT
/// waits for the disk: that is SQLite's default.
public final class SQLiteStore: RowStore {
    private static let key = ConfigurationKey(
        "SQLITE_FILE", .text, default: "tapeline.sqlite", "Path of the database.")
    public static let kind = RowStoreKind(name: "sqlite", keys: [key]) {
        try SQLiteStore($0.text(key.name))
    }
    let file: SQLiteFile

    public init(_ path: String, timeoutMilliseconds: Int32 = 10_000) throws {
        file = try SQLiteFile(path, timeoutMilliseconds: timeoutMilliseconds)
        try file.run("PRAGMA journal_mode = WAL")
        try file.run("CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, mark TEXT)")
    }

    public func transact(
        _ tables: [StoreTable], marks names: [String],
        _ settle: ([String: String]) throws -> [String: String]
    ) throws {
        // From here on no other connection writes.
        try file.run("BEGIN IMMEDIATE")
        do {
            for table in tables { try add(table) }
            let wanted = names.map { [$0] }
            let found = try file.run("SELECT name, mark FROM marks WHERE name = ?", wanted)
            let marks = try settle(Dictionary(found.map { ($0[0] ?? "", $0[1] ?? "") }) { $1 })
            let set = "INSERT OR REPLACE INTO marks VALUES (?, ?)"
            try file.run(set, marks.map { [$0.key, $0.value] })
            try file.run("COMMIT")
        } catch {
            // An error of its own may have ended the transaction already.
            do { try file.run("ROLLBACK") } catch is SQLiteFile.Failure {}
            throw error
        }
    }

    public func fault(of error: any Error) -> StoreFault {
        switch (error as? SQLiteFile.Failure)?.code {
        case SQLITE_CONSTRAINT: .rows
        // A table lacks a column, for example.
        case SQLITE_ERROR, SQLITE_READONLY: .schema
        case _: .away
        }
    }

    private func add(_ table: StoreTable) throws {
        let columns = table.columns.map { column in
            switch column.values {
            case .int64, .time: "\"\(column.name)\" INTEGER"
            case .decimal, .text, .bool, .json, .bytes: "\"\(column.name)\" TEXT"
            }
        }.joined(separator: ", ")
        let names = table.columns.map { "\"\($0.name)\"" }.joined(separator: ", ")
        try file.run("CREATE TABLE IF NOT EXISTS \"\(table.name)\" (\(columns))")
        let places = table.columns.map { _ in "?" }.joined(separator: ", ")
        let rows = (0..<table.rowCount).map { row in table.columns.map { $0.text(row) } }
        try file.run("INSERT INTO \"\(table.name)\" (\(names)) VALUES (\(places))", rows)
    }

    /// Returns these columns of all rows of a table; none when it has none yet.
    public func rows(of table: String, _ columns: String = "*") throws -> [[String?]] {
        let made = try file.run("SELECT 1 FROM sqlite_schema WHERE name = ?", [[table]])
        return made.isEmpty ? [] : try file.run("SELECT \(columns) FROM \"\(table)\"")
    }
}
