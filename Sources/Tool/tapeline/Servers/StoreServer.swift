import ClickHouseWire
import Membership
import QuestDBAccess

/// Where the tables of a store are that is none of PostgreSQL.
enum StoreServer: Sendable {
    case clickhouse(ClickHouseClient.Settings)
    case questdb(QuestDBClient.Settings)

    /// The product's name.
    var title: String {
        switch self {
        case .clickhouse: "ClickHouse"
        case .questdb: "QuestDB"
        }
    }

    /// Connects to it, for rows of this store.
    func filled(_ store: GroupName) throws -> any FilledServer {
        switch self {
        case .clickhouse(let settings): try FilledClickHouse(settings)
        case .questdb(let settings): try FilledQuestDB(settings, store)
        }
    }
}
