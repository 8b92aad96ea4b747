import PostgresClient
import StoreSinks

/// A check whether the tables have the columns that the sinks write. A session runs it when it is
/// opened, before any row is written.
///
/// With a column that was dropped, renamed or changed, every row would be refused. This check
/// reports it in one line that names the column.
struct SchemaCheck {
    static let operation = "check schema"

    private let database: PostgresConnection
    private let timeout: Duration

    init(_ database: PostgresConnection, timeout: Duration) {
        self.database = database
        self.timeout = timeout
    }

    /// Throws an error of category `.schema` for the first difference.
    func run(_ sinks: [Sink]) throws(PostgresError) {
        let faults = try faults(sinks)
        for sink in sinks {
            if let fault = faults[sink.name] { throw fault }
        }
    }

    /// Returns the first difference of each sink that has one.
    func faults(_ sinks: [Sink]) throws(PostgresError) -> [SinkName: PostgresError] {
        var faults: [SinkName: PostgresError] = [:]
        var present: [String: [String: StoredColumn]] = [:]
        let columns = try database.execute(
            Self.query, [.textArray(sinks.flatMap(\.tables))], timeout: timeout)
        for row in 0..<columns.rowCount {
            guard let table = columns[row, 0], let name = columns[row, 1],
                let type = columns[row, 2]
            else { continue }
            present[table, default: [:]][name] = StoredColumn(
                type: type, mustBeGiven: columns[row, 3] == "t")
        }
        for (sink, table) in sinks.flatMap({ sink in sink.tables.map { (sink, $0) } }) {
            if faults[sink.name] == nil,
                let difference = Self.difference(
                    sink, table, present[table], expecting: ColumnTypes.of(sink.name))
            {
                faults[sink.name] = .server(
                    operation: Self.operation, peer: database.peer, difference)
            }
        }
        return faults
    }

    /// A column as the database has it.
    struct StoredColumn: Equatable {
        /// The type's name by `format_type`.
        let type: String
        /// Whether the column is NOT NULL and has no default, so that each row must have a value.
        let mustBeGiven: Bool
    }

    private static let query = """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
            a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = to_regnamespace(quote_ident(current_schema()))
            AND c.relname = ANY ($1::text[]) AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY c.relname, a.attnum
        """

    /// Returns the first difference between one of the sink's tables and the columns that it has,
    /// by name, as the error that a statement would raise; `nil` when there is none. `present` is
    /// `nil` when there is no such table. `expecting` holds types by column; a column that is not
    /// in it may have any type. Pure.
    static func difference(
        _ sink: Sink, _ table: String, _ present: [String: StoredColumn]?,
        expecting types: [String: String]
    ) -> ServerError? {
        guard let present else {
            return ServerError(sqlState: .undefinedTable, message: "table \(table) is missing")
        }
        let written = writtenColumns(sink.copy)
        for column in written {
            guard let found = present[column] else {
                return ServerError(
                    sqlState: .undefinedColumn,
                    message: "table \(table) has no column \(column)"
                        + (types[column].map { ", which should be \($0)" } ?? ""))
            }
            if let type = types[column], found.type != type {
                return ServerError(
                    sqlState: .datatypeMismatch,
                    message: "table \(table), column \(column): expected \(type), "
                        + "found \(found.type)")
            }
        }
        let unknown = present.filter { $0.value.mustBeGiven && !written.contains($0.key) }
        if let column = unknown.keys.sorted().first {
            return ServerError(
                sqlState: .datatypeMismatch,
                message: "table \(table), column \(column): expected none, found one that must "
                    + "be given and that this version does not know")
        }
        return nil
    }

    /// Returns the names in the parentheses of `COPY table (…) FROM STDIN`.
    static func writtenColumns(_ copy: String) -> [String] {
        guard let open = copy.firstIndex(of: "("), let close = copy.firstIndex(of: ")"),
            open < close
        else { return [] }
        return copy[copy.index(after: open)..<close].split(separator: ",").map {
            String($0.drop(while: \.isWhitespace).prefix { !$0.isWhitespace })
        }
    }
}

extension SQLState {
    static let undefinedTable = SQLState(rawValue: "42P01")
    static let undefinedColumn = SQLState(rawValue: "42703")
    static let datatypeMismatch = SQLState(rawValue: "42804")
}
