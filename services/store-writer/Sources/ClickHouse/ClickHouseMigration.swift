import ClickHouseWire
import ServiceRuntime
import StoreHTTP
import StoreSinks

/// The command `store-writer migrate` for ClickHouse: it makes what is missing, and gives tables
/// the settings that they lack. It changes no column. The writer itself then needs no more rights
/// than to insert and to read.
struct ClickHouseMigration {
    private let context: ServiceContext

    init(_ context: ServiceContext) { self.context = context }

    func run() throws -> ExitCode {
        let configuration = context.configuration
        let settings = ClickHouseClient.Settings(configuration)
        let client = try ClickHouseClient(settings) { _ in }
        let version = try client.version()
        guard !ClickHouseClient.isTooOld(version) else {
            throw SettingsError("\(client.peer) is \(version): \(ClickHouseClient.wantsNewer)")
        }
        let sinks = WriterSettings.catalogue(configuration)
        let tables = ClickHouseSettings.tables(sinks) + ClickHouseTable.books
        let isDry = configuration.subcommandFlags.contains(MigrateCommand.dryRun)
        let isThere = try isThere(settings.database, client)
        let steps = try steps(
            tables, isThere ? TableCheck.read(client) : TableCheck(), hasDatabase: isThere,
            settings.database)
        for step in steps {
            let event: ServiceEvent =
                isDry ? .migrationPending(file: step.name) : .migrationStep(file: step.name)
            context.telemetry.emit(event)
            if !isDry { try client.run(step.sql, isInDatabase: step.isInDatabase) }
        }
        if isDry { return steps.isEmpty ? .success : .pending }
        let views = sinks.sinks.filter { $0.name == .bars }.map { ClickHouseTable($0) }
        for sql in views.flatMap(ClickHouseViews.creations) { try client.run(sql) }
        if let problem = try TableCheck.read(client).problems(of: tables).first {
            throw SettingsError("\(client.peer): \(problem): mend it by hand")
        }
        context.telemetry.emit(
            .schemaReady(schema: settings.database, version: 1, applied: steps.count))
        return .success
    }

    /// All statements, for people (`deploy/clickhouse/schema.sql`).
    static var script: String {
        let tables = ClickHouseSettings.tables(SinkCatalogue()) + ClickHouseTable.books
        let views = tables.filter { $0.name == ClickHouseTable.barVersions }
            .flatMap(ClickHouseViews.creations)
        return "-- What 'store-writer migrate' makes, and 'make pages' writes here.\n"
            + (tables.map(\.creation) + views).map { "\n\($0);\n" }.joined()
    }

    /// A statement with the name under which it is told.
    struct Step {
        let name: String
        let sql: String
        var isInDatabase = true
    }

    private func isThere(
        _ database: String, _ client: ClickHouseClient
    ) throws(StoreServerError) -> Bool {
        var answer = try client.ask(
            "SELECT toInt64(count()) FROM system.databases WHERE name = "
                + ClickHouseClient.quoted(database), isInDatabase: false)
        return try answer.integer() > 0
    }

    private func steps(
        _ tables: [ClickHouseTable], _ check: TableCheck, hasDatabase: Bool, _ database: String
    ) -> [Step] {
        let first = Step(
            name: "database \(database)", sql: "CREATE DATABASE IF NOT EXISTS \(database)",
            isInDatabase: false)
        return (hasDatabase ? [] : [first])
            + tables.compactMap { table -> Step? in
                guard let problem = check.problem(of: table) else { return nil }
                if check.engines[table.name] == nil {
                    return Step(name: "table \(table.name)", sql: table.creation)
                }
                // Another column is a person's matter: the check at the end names it.
                return problem.contains("lacks the setting")
                    ? Step(name: "settings of \(table.name)", sql: table.mending) : nil
            }
    }
}
