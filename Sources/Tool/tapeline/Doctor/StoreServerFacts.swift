import ClickHouseWire
import Primitives
import QuestDBAccess
import QuestDBWire
import StoreHTTP
import StoreSinks

/// What the server of a store says of itself that is none of PostgreSQL.
struct StoreServerFacts {
    let peer: String
    let version: String
    /// Why it cannot be a store; `nil`: it can.
    let problem: String?
    /// The tables that have rows, with their bytes.
    let bytes: [(table: String, bytes: Int64)]

    init(_ server: StoreServer) throws(StoreServerError) {
        switch server {
        case .clickhouse(let settings):
            let client = try ClickHouseClient(settings) { _ in }
            let version = try client.version()
            self.init(
                peer: client.peer, version: version,
                problem: ClickHouseClient.isTooOld(version) ? ClickHouseClient.wantsNewer : nil,
                bytes: try client.tableBytes())
        case .questdb(let settings):
            let client = try QuestDBClient(settings) { _ in }
            let tables = SinkCatalogue().sinks.map { QuestDBTable($0) } + QuestDBTable.books
            self.init(
                peer: client.peer, version: try client.serverSettings().version,
                problem: try client.problem(), bytes: try client.tableBytes(tables))
        }
    }

    init(
        peer: String, version: String, problem: String?, bytes: [(table: String, bytes: Int64)]
    ) {
        self.peer = peer
        self.version = version
        self.problem = problem
        self.bytes = bytes
    }

    var findings: [Finding] {
        var findings = [
            problem.map { Finding(.wrong, .database, "\(peer) is of version \(version)", $0) }
                ?? Finding(.fine, .database, "\(peer) answers: version \(version)", "")
        ]
        if bytes.isEmpty {
            findings.append(
                Finding(
                    .warning, .database, "its database has no rows",
                    "run 'store-writer migrate' and start a writer, if it should have some"))
        } else {
            let sum = bytes.reduce(UInt64(0)) { $0 + UInt64(clamping: $1.bytes) }
            findings.append(
                Finding(
                    .fine, .database, "\(bytes.count) tables have \(TapeReport.bytes(sum))", ""))
        }
        return findings
    }
}
