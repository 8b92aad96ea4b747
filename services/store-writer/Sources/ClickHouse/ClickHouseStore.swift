import ClickHouseWire
import ServiceRuntime
import StoreHTTP
import StoreSinks

extension StoreKind {
    static let clickhouse = StoreKind(
        name: "clickhouse", keys: ClickHouseSettings.keys, rules: ClickHouseSettings.rules,
        batchWaitMin: .seconds(1), migrate: { try ClickHouseMigration($0).run() },
        audit: { context in
            let server = try ClickHouseServer(
                ClickHouseSettings.client(context.configuration),
                WriterSettings.catalogue(context.configuration)
            ) { _ in }
            return try BlockAudit(context, server).run()
        },
        make: {
            BlockStore(.clickhouse($0.service.configuration), $0)
        })
}

/// The settings of ClickHouse as the store.
enum ClickHouseSettings {
    static let keys = [
        ConfigurationKey(
            "CLICKHOUSE_URL", .text, default: "http://127.0.0.1:8123", group: "ClickHouse",
            "Where its interface of HTTP is: http://host:port, or https://host:port."),
        ConfigurationKey(
            "CLICKHOUSE_DATABASE", .text, default: "market_data", group: "ClickHouse",
            "Name of the database, which is this store's alone."),
        ConfigurationKey(
            "CLICKHOUSE_USER", .text, default: "default", group: "ClickHouse",
            "User who inserts and reads; for 'store-writer migrate' one who makes tables."),
        ConfigurationKey(
            "CLICKHOUSE_PASSWORD", .text, secret: true, group: "ClickHouse",
            "Password of that user."),
    ]

    static let rules =
        [urlRule, databaseRule] + BlockStore.rules(ofKind: "clickhouse")

    private static let urlRule = ConfigurationRule(reads: ["CLICKHOUSE_URL"]) { configuration in
        StoreHTTPClient.problem(configuration.text("CLICKHOUSE_URL")).map {
            "CLICKHOUSE_URL: \($0)"
        }
    }

    private static let databaseRule = ConfigurationRule(reads: ["CLICKHOUSE_DATABASE"]) {
        configuration in
        let name = configuration.text("CLICKHOUSE_DATABASE")
        let isName =
            (1...64).contains(name.utf8.count) && name.utf8.first.map { !isDigit($0) } ?? false
            && name.utf8.allSatisfy { isDigit($0) || isLetter($0) || $0 == UInt8(ascii: "_") }
        return isName
            ? nil : "CLICKHOUSE_DATABASE: '\(name)' is no name of letters, digits and _"
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
    private static func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7a).contains(byte | 0x20) }

    static func client(_ configuration: Configuration) -> ClickHouseClient.Settings {
        ClickHouseClient.Settings(
            url: configuration.text("CLICKHOUSE_URL"), user: configuration.text("CLICKHOUSE_USER"),
            password: configuration.secret("CLICKHOUSE_PASSWORD")?.revealed,
            database: configuration.text("CLICKHOUSE_DATABASE"))
    }

    /// The tables of the sinks that are switched on.
    static func tables(_ catalogue: SinkCatalogue) -> [ClickHouseTable] {
        catalogue.sinks.map { ClickHouseTable($0) }
    }
}

extension BlockStore.Product {
    /// A database of ClickHouse.
    static func clickhouse(_ configuration: Configuration) -> Self {
        let settings = ClickHouseSettings.client(configuration)
        let sinks = WriterSettings.catalogue(configuration)
        let tables = ClickHouseSettings.tables(sinks)
        return Self(
            name: "ClickHouse",
            layout: (tables + [.gaps]).map { table in
                "\(table.name)(\(table.columns.map { "\($0.name) \($0.wireType)" }))"
            }.joined(),
            rows: { batch in
                BlockRows(
                    batch, sinks, tables.map { NativeRows($0) }, gaps: NativeRows(.gaps))
            },
            connect: { onCall throws(StoreServerError) in
                try ClickHouseServer(settings, sinks, onCall: onCall)
            })
    }
}
