import ClickHouseWire
import QuestDBAccess
import QuestDBWire
import StoreSinks
import TestSupport

extension ClientFront {
    /// Measures the clients of all products. Returns whether each is fast enough.
    static func run() throws -> Bool {
        let lists = [packages, "questdb"]
        if let obstacle = lists.lazy.compactMap({ PythonServer.obstacle(of: $0) }).first {
            say("clients were not measured: \(obstacle)")
            return true
        }
        let front = try ClientFront()
        var isGood = true
        for kind in [Load.Kind.trades, .quotes] {
            isGood = try front.clickHouse(kind).run() && isGood
            isGood = try front.questDB(kind).run() && isGood
        }
        return isGood
    }

    private var url: String { "http://127.0.0.1:\(port)" }

    private func clickHouse(_ kind: Load.Kind) throws -> ClientRun<NativeRows> {
        let client = try ClickHouseClient(
            ClickHouseClient.Settings(
                url: url, user: "default", password: nil, database: "market_data")
        ) { _ in }
        return ClientRun(
            clients: .init(
                product: "ClickHouse", peer: "clickhouse-connect", packages: Self.packages,
                rows: { NativeRows(ClickHouseTable($0)) }, body: { $0.body },
                send: { try client.insert($0, token: "\($0.tableName)/\($0.part)") }),
            kind: kind, front: self)
    }

    private func questDB(_ kind: Load.Kind) throws -> ClientRun<LineRowWriter> {
        let client = try QuestDBClient(
            QuestDBClient.Settings(url: url, user: "", password: nil)
        ) { _ in }
        return ClientRun(
            clients: .init(
                product: "QuestDB", peer: "questdb", packages: "questdb",
                rows: { LineRowWriter(QuestDBTable($0)) }, body: { $0.body },
                send: { try client.write($0.body, to: $0.tableName) }),
            kind: kind, front: self)
    }
}
