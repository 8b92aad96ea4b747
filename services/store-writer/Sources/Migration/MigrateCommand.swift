import PostgresClient
import ServiceRuntime
import TapeTransport
import Telemetry

/// `store-writer migrate`: makes or updates the schema with the migrator's rights, and grants the
/// service its own.
struct MigrateCommand {
    static let name = "migrate"
    static let connectTimeout = Duration.seconds(10)

    let context: ServiceContext

    func run() throws -> ExitCode {
        let configuration = context.configuration
        let namespace = configuration.text("MDS_NAMESPACE")
        guard let schema = SchemaName(namespace) else {
            throw SettingsError("MDS_NAMESPACE: \(namespace) cannot be the name of a schema")
        }
        let folder = try MigrationFolder(path: configuration.text("WRITER_MIGRATIONS"))
        var database = WriterSettings.database(configuration)
        let runtimeRole = database.user
        database.user = configuration.optionalText("POSTGRES_MIGRATOR_USER") ?? database.user
        database.password =
            configuration.secret("POSTGRES_MIGRATOR_PASSWORD")?.revealed ?? database.password
        let connection = try PostgresConnection(
            Migrator.configured(database), timeout: Self.connectTimeout)
        defer { connection.close() }
        let telemetry = context.telemetry
        let report = try Migrator(connection, schema: schema, runtimeRole: runtimeRole)
            .run(folder) { telemetry.emit(MigrationStep(file: $0)) }
        telemetry.emit(
            SchemaReady(schema: namespace, version: report.version, applied: report.applied.count))
        return .success
    }
}

struct MigrationStep: TelemetryEvent {
    static let name = "migration.step"
    let file: String

    var level: LogLevel { .info }
    var message: String { "applying \(file)" }
}

struct SchemaReady: TelemetryEvent {
    static let name = "migration.done"
    let schema: String
    let version: Int
    let applied: Int

    var level: LogLevel { .info }
    var message: String {
        applied == 0 ? "the schema was up to date" : "the schema is up to date now"
    }
    var fields: [(String, LogValue)] {
        [
            ("schema", .text(schema)), ("version", .integer(Int64(version))),
            ("applied", .integer(Int64(applied))),
        ]
    }
}
