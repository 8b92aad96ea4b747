import MarketModel
import Membership
import PostgresClient
import Primitives
import ServiceRuntime
import StoredBars
import TapeProtocol

/// A database session that reads the market views (`70_market.sql`).
struct MarketSession: ~Copyable {
    private let connection: PostgresConnection
    let namespace: String
    /// The store whose database it is.
    let store: GroupName
    private let timeout: Duration

    init(
        _ deployment: Deployment, timeout: Duration = Deployment.statementTimeout
    ) throws(ToolError) {
        self.timeout = timeout
        namespace = deployment.names.namespace
        store = deployment.store
        let schema = "\(namespace)_market"
        connection = try deployment.openDatabase { base in
            var own = base
            own.statementTimeout = timeout
            own.settings = [("search_path", schema), ("timezone", "UTC")]
            return own
        }
    }

    deinit { connection.close() }

    struct Page {
        let columns: [String]
        let rows: [[String?]]
    }

    func rows(
        _ query: String, _ parameters: [PostgresValue] = []
    ) throws(ToolError) -> [[String?]] {
        try page(query, parameters).rows
    }

    /// Prints rows as objects of JSON or as CSV. `read` reads what is selected of the rows `r`.
    static func show(
        on terminal: Terminal, _ read: (String) throws(ToolError) -> Page
    ) throws(ToolError) -> ExitCode {
        let objects = try read("row_to_json(r)").rows.map { $0[0] ?? "null" }
        // Without a row no object names the columns.
        let columns = terminal.asCSV && objects.isEmpty ? try read("r.*").columns : []
        terminal.show(objects: objects, columns: columns)
        return .success
    }

    /// Opens a cursor. All calls of `fetch` read one snapshot, which ends with the session.
    func open(_ query: String, _ parameters: [PostgresValue]) throws(ToolError) {
        _ = try page("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        _ = try page("DECLARE pages NO SCROLL CURSOR FOR \(query)", parameters)
    }

    /// Returns the next rows. Fewer than `count` means that they are the last.
    func fetch(_ count: Int) throws(ToolError) -> Page {
        try page("FETCH FORWARD \(count) FROM pages")
    }

    func page(
        _ query: String, _ parameters: [PostgresValue] = []
    ) throws(ToolError) -> Page {
        do throws(PostgresError) {
            let result = try connection.execute(query, parameters, timeout: timeout)
            let rows = (0..<result.rowCount).map { row in
                result.columns.indices.map { result[row, $0] }
            }
            return Page(columns: result.columns, rows: rows)
        } catch {
            // A function of ours that raises says all that is to be said.
            if let said = error.serverError, said.sqlState.rawValue == "TL020" {
                throw .refused(said.message)
            }
            guard error.category == .schema else {
                throw .unreachable("the database did not answer: \(error)")
            }
            throw .refused(
                "the schema \(namespace)_market is not there, not to be read or of another "
                    + "version: 'store-writer migrate' makes it (\(error))")
        }
    }

    /// Throws if nothing of a symbol is stored: of a name that does not exist, nothing is missing.
    func requireKnown(_ symbols: [Symbol]) throws(ToolError) {
        guard !symbols.isEmpty else { return }
        // Each is one look into an index: the planner may not join them.
        let tables = [
            "gaps WHERE ordinal IS NOT NULL AND", "trade_rows WHERE", "quote_rows WHERE",
            "bars WHERE", "provider_bars WHERE", "depth WHERE", "options WHERE", "news WHERE",
            "fundamentals WHERE",
            "events WHERE name = 'subscription' AND",
        ].map { "SELECT true FROM \"\(namespace)\".\($0) symbol = asked.symbol LIMIT 1" }
        // The index of values begins with their names: one look for each name that there is.
        let values = "\"\(namespace)\".indicators AS i"
        let value = """
            SELECT true FROM names CROSS JOIN LATERAL (SELECT true FROM \(values)
                WHERE i.name = names.name AND i.symbol = asked.symbol LIMIT 1) AS one LIMIT 1
            """
        let unknown = try rows(
            """
            WITH RECURSIVE names (name) AS (
                (SELECT name FROM \(values) ORDER BY name LIMIT 1)
                UNION ALL
                SELECT (SELECT i.name FROM \(values) WHERE i.name > names.name
                    ORDER BY i.name LIMIT 1)
                FROM names WHERE names.name IS NOT NULL
            )
            SELECT asked.symbol FROM unnest($1::text[]) WITH ORDINALITY AS asked (symbol, place)
            WHERE coalesce(\((tables + [value]).map { "(\($0))" }.joined(separator: ", "))) IS NULL
            ORDER BY place
            """, [.textArray(symbols.map(\.text))]
        ).compactMap { $0[0] }
        guard !unknown.isEmpty else { return }
        throw .refused(Self.unknown(unknown, among: try known()))
    }

    /// Returns the symbols of the last days.
    func known() throws(ToolError) -> [String] {
        try rows("SELECT symbol FROM symbols LIMIT 10000").compactMap { $0[0] }
    }

    /// Returns what is said of symbols that are not stored, with the one that was probably meant.
    static func unknown(_ names: [String], among known: [String]) -> String {
        let near = names.compactMap { NearestName.of($0, in: known) }
        return "nothing of \(names.joined(separator: ", ")) is stored, so nothing can be said of it"
            + (near.isEmpty ? "" : "; did you mean \(near.joined(separator: ", "))?")
    }

    /// Returns SQL that formats a time without a fraction when the fraction is zero.
    static func shown(_ column: String) -> String {
        BarReader.shown(column)
    }
}
