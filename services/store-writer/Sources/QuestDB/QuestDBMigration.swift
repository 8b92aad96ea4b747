import QuestDBAccess
import QuestDBWire
import ServiceRuntime
import StoreSinks

/// The command `store-writer migrate` for QuestDB: it makes the tables that are missing, and
/// changes none. The writer itself then needs no more rights than to insert and to read.
struct QuestDBMigration {
    private let context: ServiceContext

    init(_ context: ServiceContext) { self.context = context }

    func run() throws -> ExitCode {
        let configuration = context.configuration
        let client = try QuestDBClient(QuestDBClient.Settings(configuration)) { _ in }
        if let problem = try client.problem() {
            throw SettingsError("\(client.peer): \(problem)")
        }
        let tables = QuestDBKind.tables(WriterSettings.catalogue(configuration))
        let isDry = configuration.subcommandFlags.contains(MigrateCommand.dryRun)
        let steps = try steps(tables, client.check([]))
        for step in steps {
            let event: ServiceEvent =
                isDry ? .migrationPending(file: step.name) : .migrationStep(file: step.name)
            context.telemetry.emit(event)
            if !isDry { try client.run(step.sql) }
        }
        if isDry { return steps.isEmpty ? .success : .pending }
        let check = try client.check(tables)
        if let problem = tables.lazy.compactMap({ check.problem(of: $0) }).first {
            throw SettingsError("\(client.peer): \(problem): mend it by hand")
        }
        context.telemetry.emit(
            .schemaReady(schema: client.peer, version: 1, applied: steps.count))
        return .success
    }

    private func steps(
        _ tables: [QuestDBTable], _ check: QuestDBCheck
    ) -> [(name: String, sql: String)] {
        let missing = tables.filter { !check.has($0) }.map { ("table \($0.name)", $0.creation) }
        // It comes last: with it the database is complete.
        return check.tables[QuestDBIdentity.table] == nil
            ? missing + [("table \(QuestDBIdentity.table)", QuestDBIdentity.creation)] : missing
    }

    /// All statements, for people (`deploy/questdb/schema.sql`).
    static var script: String {
        let tables = QuestDBKind.tables(SinkCatalogue())
        return "-- What 'store-writer migrate' makes, and 'make pages' writes here.\n"
            + (tables.map(\.creation) + [QuestDBIdentity.creation]).map { "\n\($0);\n" }.joined()
    }
}
