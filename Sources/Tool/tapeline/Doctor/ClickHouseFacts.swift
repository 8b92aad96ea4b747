import ClickHouseWire
import Primitives
import StoreHTTP

/// What the server of a store of ClickHouse says of itself.
struct ClickHouseFacts {
    let peer: String
    let version: String
    /// The tables that have rows, with their bytes.
    let bytes: [(table: String, bytes: Int64)]

    init(_ client: ClickHouseClient) throws(StoreServerError) {
        peer = client.peer
        version = try client.version()
        bytes = try client.tableBytes()
    }

    init(peer: String, version: String, bytes: [(table: String, bytes: Int64)]) {
        self.peer = peer
        self.version = version
        self.bytes = bytes
    }

    var findings: [Finding] {
        var findings = [
            ClickHouseClient.isTooOld(version)
                ? Finding(
                    .wrong, .database, "\(peer) is ClickHouse \(version)",
                    ClickHouseClient.wantsNewer)
                : Finding(.fine, .database, "\(peer) answers: ClickHouse \(version)", "")
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
