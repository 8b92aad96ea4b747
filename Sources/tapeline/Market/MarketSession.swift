import PostgresClient
import TapeProtocol

/// The views for people (`70_market.sql`), asked by a command.
struct MarketSession: ~Copyable {
    private let connection: PostgresConnection
    private let namespace: String
    private static let timeout = Duration.seconds(60)

    init(_ deployment: Deployment) throws(ToolError) {
        namespace = deployment.names.namespace
        let schema = "\(namespace)_market"
        connection = try deployment.openDatabase { base in
            var own = base
            own.statementTimeout = Self.timeout
            own.settings = [("search_path", schema), ("timezone", "UTC")]
            return own
        }
    }

    deinit { connection.close() }

    func rows(
        _ query: String, _ parameters: [PostgresValue] = []
    ) throws(ToolError) -> [[String?]] {
        do throws(PostgresError) {
            let result = try connection.execute(query, parameters, timeout: Self.timeout)
            return (0..<result.rowCount).map { row in
                result.columns.indices.map { result[row, $0] }
            }
        } catch {
            guard error.category == .schema else {
                throw .unreachable("the database did not answer: \(error)")
            }
            throw .refused(
                "the schema \(namespace)_market is not there, not to be read or of another "
                    + "version: 'store-writer migrate' makes it (\(error))")
        }
    }

    /// A time as people write it: without the fraction of a second where there is none.
    static func shown(_ column: String) -> String {
        """
        regexp_replace(to_char(\(column) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
            '\\.?0+$', '', '') || 'Z'
        """
    }
}
