import QuestDBAccess
import QuestDBWire
import ServiceRuntime
import StoreHTTP
import StoreSinks

extension StoreKind {
    static let questdb = StoreKind(
        name: "questdb", keys: QuestDBClient.keys, rules: QuestDBKind.rules,
        batchWaitMin: .seconds(1), migrate: { try QuestDBMigration($0).run() },
        audit: { context in
            let server = try QuestDBServer(
                QuestDBClient.Settings(context.configuration),
                WriterSettings.catalogue(context.configuration)
            ) { _ in }
            return try BlockAudit(context, server).run()
        },
        make: { BlockStore(.questdb($0.service.configuration), $0) })
}

/// QuestDB as a kind of store.
enum QuestDBKind {
    static let rules = QuestDBClient.rules + BlockStore.rules(ofKind: "questdb")

    /// The tables of the sinks that are switched on, and those of the books.
    static func tables(_ catalogue: SinkCatalogue) -> [QuestDBTable] {
        catalogue.sinks.map { QuestDBTable($0) } + QuestDBTable.books
    }
}

extension BlockStore.Product {
    /// A server of QuestDB.
    static func questdb(_ configuration: Configuration) -> Self {
        let settings = QuestDBClient.Settings(configuration)
        let sinks = WriterSettings.catalogue(configuration)
        let tables = QuestDBKind.tables(sinks)
        let rows = sinks.sinks.map { LineRowWriter(QuestDBTable($0)) }
        let gaps = LineRowWriter(.gaps)
        return Self(
            name: "QuestDB", layout: tables.filter { $0 != .fills }.map(\.layout).joined(),
            rows: { BlockRows($0, sinks, rows, gaps: gaps) },
            connect: { onCall throws(StoreServerError) in
                try QuestDBServer(settings, sinks, onCall: onCall)
            },
            tableBytes: { onCall throws(StoreServerError) in
                try QuestDBClient(settings, onCall: onCall).tableBytes(tables)
            })
    }
}
