import PostgresClient
import ServiceRuntime
import TapeTransport

/// The command `store-writer migrate`, which makes or updates the schema with the migrator's
/// rights, and grants the services theirs.
struct MigrateCommand {
    static let name = "migrate"
    static let dryRun = "--dry-run"
    static let connectTimeout = Duration.seconds(10)

    let context: ServiceContext

    func run() throws -> ExitCode {
        let configuration = context.configuration
        let namespace = configuration.text("MDS_NAMESPACE")
        guard let schema = SchemaName(namespace) else {
            throw SettingsError("MDS_NAMESPACE: \(namespace) cannot be the name of a schema")
        }
        let folder = try MigrationFolder(path: configuration.text("WRITER_MIGRATIONS"))
        var database = PostgresSettings.database(configuration)
        let runtimeRole = database.user
        database.user = configuration.optionalText("POSTGRES_MIGRATOR_USER") ?? database.user
        if let password = configuration.secret("POSTGRES_MIGRATOR_PASSWORD")?.revealed {
            database.password = password
            database.renewable = configuration.renewable("POSTGRES_MIGRATOR_PASSWORD")
        }
        let connection = try PostgresConnection.newest(
            of: Migrator.configured(database), timeout: Self.connectTimeout)
        defer { connection.close() }
        let migrator = Migrator(
            connection, schema: schema, runtimeRole: runtimeRole,
            readerRole: configuration.optionalText("POSTGRES_READER").flatMap {
                $0.isEmpty ? nil : $0
            },
            wishes: Migrator.Wishes(
                compressAfter: configuration.duration("WRITER_COMPRESS_AFTER"),
                dailyBars: configuration.flag("WRITER_DAILY_BARS"),
                retention: RetentionPlan.configured(configuration).daysByTable))
        if configuration.subcommandFlags.contains(Self.dryRun) {
            return try preview(migrator, folder)
        }
        let telemetry = context.telemetry
        let report = try migrator.run(folder) { notice in
            switch notice {
            case .step(let file): telemetry.emit(.migrationStep(file: file))
            case .waits(let file, let attempt):
                telemetry.emit(.migrationWaits(file: file, attempt: attempt))
            }
        }
        telemetry.emit(
            .schemaReady(schema: namespace, version: report.version, applied: report.applied.count))
        return .success
    }

    /// Reports what a run would do. The exit code shows scripts whether there is anything to do.
    private func preview(_ migrator: Migrator, _ folder: MigrationFolder) throws -> ExitCode {
        let preview = try migrator.preview(folder)
        for file in preview.pending { context.telemetry.emit(.migrationPending(file: file)) }
        context.telemetry.emit(
            .migrationPreviewed(schema: migrator.schema.text, preview: preview))
        return preview.pending.isEmpty ? .success : .pending
    }
}

extension ServiceEvent {
    /// A file is about to be applied.
    static func migrationStep(file: String) -> Self {
        Self(.info, "migration.step", "applying \(file)")
    }

    /// Other sessions keep a lock that a file needs.
    static func migrationWaits(file: String, attempt: Int) -> Self {
        Self(
            .warning, "migration.waits",
            "other sessions keep a lock that \(file) needs: it is tried again after they had a "
                + "turn",
            ("attempt", .integer(Int64(attempt))))
    }

    /// A migration has ended well, with the number of files that it applied.
    static func schemaReady(schema: String, version: Int, applied: Int) -> Self {
        Self(
            .info, "migration.done",
            applied == 0 ? "the schema was up to date" : "the schema is up to date now",
            ("schema", .text(schema)), ("version", .integer(Int64(version))),
            ("applied", .integer(Int64(applied))))
    }

    /// A dry run has found a file that is not applied yet.
    static func migrationPending(file: String) -> Self {
        Self(.info, "migration.pending", "would apply \(file)")
    }

    /// A dry run has ended well.
    static func migrationPreviewed(schema: String, preview: Migrator.Preview) -> Self {
        Self(
            .info, "migration.previewed",
            preview.pending.isEmpty
                ? "the schema is up to date; nothing was changed"
                : "'store-writer migrate' would bring the schema up to date; nothing was changed",
            ("schema", .text(schema)), ("version", .integer(Int64(preview.version))),
            ("pending", .integer(Int64(preview.pending.count))))
    }
}
