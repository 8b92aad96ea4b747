import ClickHouseWire
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
}
