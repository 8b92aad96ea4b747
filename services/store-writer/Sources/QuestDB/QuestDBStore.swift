import QuestDBWire
import ServiceRuntime
import StoreHTTP
import StoreSinks

extension StoreKind {
    static let questdb = StoreKind(
        name: "questdb", keys: QuestDBSettingKeys.keys, rules: QuestDBSettingKeys.rules,
        batchWaitMin: .seconds(1), migrate: { try QuestDBMigration($0).run() },
        audit: { context in
            let server = try QuestDBServer(
                QuestDBSettingKeys.client(context.configuration),
                WriterSettings.catalogue(context.configuration)
            ) { _ in }
            try server.waitUntilApplied()
            return try BlockAudit(context, server).run()
        },
        make: { BlockStore(.questdb($0.service.configuration), $0) })
}

/// The settings of QuestDB as the store.
enum QuestDBSettingKeys {
    static let keys = [
        ConfigurationKey(
            "QUESTDB_URL", .text, default: "http://127.0.0.1:9000", group: "QuestDB",
            "Where its interface of HTTP is: http://host:port, or https://host:port."),
        ConfigurationKey(
            "QUESTDB_USER", .text, group: "QuestDB",
            "User of that interface; empty: it asks for none."),
        ConfigurationKey(
            "QUESTDB_PASSWORD", .text, secret: true, group: "QuestDB",
            "Password of that user."),
    ]

    static let rules =
        [
            ConfigurationRule(reads: ["QUESTDB_URL"]) { configuration in
                StoreHTTPClient.problem(configuration.text("QUESTDB_URL")).map {
                    "QUESTDB_URL: \($0)"
                }
            }
        ] + BlockStore.rules(ofKind: "questdb")

    static func client(_ configuration: Configuration) -> QuestDBClient.Settings {
        QuestDBClient.Settings(
            url: configuration.text("QUESTDB_URL"),
            user: configuration.optionalText("QUESTDB_USER") ?? "",
            password: configuration.secret("QUESTDB_PASSWORD")?.revealed)
    }

    /// The tables of the sinks that are switched on, and that of gaps.
    static func tables(_ catalogue: SinkCatalogue) -> [QuestDBTable] {
        catalogue.sinks.map { QuestDBTable($0) } + [.gaps]
    }
}

extension BlockStore.Product {
    /// A server of QuestDB.
    static func questdb(_ configuration: Configuration) -> Self {
        let settings = QuestDBSettingKeys.client(configuration)
        let sinks = WriterSettings.catalogue(configuration)
        let tables = QuestDBSettingKeys.tables(sinks)
        let rows = sinks.sinks.map { LineRowWriter(QuestDBTable($0)) }
        let gaps = LineRowWriter(.gaps)
        return Self(
            name: "QuestDB", layout: tables.map(\.layout).joined(),
            rows: { BlockRows($0, sinks, rows, gaps: gaps) },
            connect: { onCall throws(StoreServerError) in
                try QuestDBServer(settings, sinks, onCall: onCall)
            },
            tableBytes: { onCall throws(StoreServerError) in
                try QuestDBClient(settings, onCall: onCall).tableBytes(tables)
            })
    }
}
