import ClickHouseWire
import ServiceRuntime
import StoreHTTP
import StoreSinks

extension StoreKind {
    static let clickhouse = StoreKind(
        name: "clickhouse", keys: ClickHouseClient.keys, rules: ClickHouseSettings.rules,
        batchWaitMin: .seconds(1), migrate: { try ClickHouseMigration($0).run() },
        audit: { context in
            let server = try ClickHouseServer(
                ClickHouseClient.Settings(context.configuration),
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
    static let rules = ClickHouseClient.rules + BlockStore.rules(ofKind: "clickhouse")

    /// The tables of the sinks that are switched on.
    static func tables(_ catalogue: SinkCatalogue) -> [ClickHouseTable] {
        catalogue.sinks.map { ClickHouseTable($0) }
    }
}

extension BlockStore.Product {
    /// A database of ClickHouse.
    static func clickhouse(_ configuration: Configuration) -> Self {
        let settings = ClickHouseClient.Settings(configuration)
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
            },
            tableBytes: { onCall throws(StoreServerError) in
                try ClickHouseClient(settings, onCall: onCall).tableBytes()
            })
    }
}
