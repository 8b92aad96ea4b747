import PostgresClient
import Primitives
import ServiceRuntime

/// The settings of PostgreSQL as the store.
struct PostgresSettings: Sendable {
    var connection: PostgresConfiguration
    /// How long rows are kept, by table.
    var retention: RetentionPlan
    /// The bytes that the database may take on its disk, for alerts; `nil` when not configured.
    var databaseBytes: Int?

    static let keys: [ConfigurationKey] =
        ConfigurationKey.postgres + ConfigurationKey.postgresMigrator + [
            ConfigurationKey(
                "WRITER_MIGRATIONS", .text, default: "deploy/postgres", group: "PostgreSQL",
                "Folder of the schema's migrations; only 'store-writer migrate' reads it."),
            ConfigurationKey(
                "WRITER_RETENTION", .list, group: "PostgreSQL",
                "How long rows are kept, as trades=30d,bars=9d,bars.1s=7d; others for ever."),
            ConfigurationKey(
                "WRITER_COMPRESS_AFTER", .duration(.zero...Duration.seconds(3_650 * 86_400)),
                default: "7d", group: "PostgreSQL",
                "Age of rows that 'store-writer migrate' has TimescaleDB (Community) compress."),
            ConfigurationKey(
                "WRITER_DATABASE_BYTES", .byteCount(0...Int.max), default: "0", group: "PostgreSQL",
                "Bytes that the database may take on its disk: alerts tell before. 0: unknown."),
            ConfigurationKey(
                "WRITER_DATABASE_DURABLE", .flag, default: "true", group: "PostgreSQL",
                "Whether commits are promised to survive a crash; an alert watches that."
            ),
            ConfigurationKey(
                "WRITER_BACKUPS", .choice(["unknown", "noted", "cloudnative-pg"]),
                default: "unknown", group: "PostgreSQL",
                "Whose backups an alert waits for: cloudnative-pg, noted ones; unknown: none."
            ),
            ConfigurationKey(
                "WRITER_DAILY_BARS", .flag, default: "false", group: "PostgreSQL",
                "Whether 'store-writer migrate' makes the view bars_daily (Community)."),
        ]

    static let rules: [ConfigurationRule] = [.postgresTLS, hostsRule, .retention, .compression]

    /// Refuses an unusable list of the database's hosts at the start, with the reason.
    static let hostsRule = ConfigurationRule.of(reads: ["POSTGRES_HOST", "POSTGRES_PORT"]) {
        _ = try hosts($0)
    }

    private static func hosts(
        _ configuration: Configuration
    ) throws(PostgresHost.Refusal) -> [PostgresHost] {
        try PostgresHost.list(
            configuration.text("POSTGRES_HOST"),
            port: UInt16(clamping: configuration.integer("POSTGRES_PORT")))
    }

    init(_ configuration: Configuration) {
        retention = RetentionPlan.configured(configuration)
        let room = configuration.integer("WRITER_DATABASE_BYTES")
        databaseBytes = room > 0 ? room : nil
        connection = Self.database(configuration)
        // The server stages and sorts bars in memory: a batch has up to 8 MiB of packets. A late
        // row for a compressed day makes TimescaleDB unpack the rows around it; 0 sets no limit to
        // their number. Without TimescaleDB the last setting has no effect.
        connection.settings = [
            ("search_path", configuration.text("MDS_NAMESPACE")), ("work_mem", "32MB"),
            ("temp_buffers", "16MB"),
            ("timescaledb.max_tuples_decompressed_per_dml_transaction", "0"),
        ]
    }

    /// Returns the database's settings for the service's own user.
    static func database(_ configuration: Configuration) -> PostgresConfiguration {
        let hosts: [PostgresHost]
        do throws(PostgresHost.Refusal) {
            hosts = try Self.hosts(configuration)
        } catch {
            preconditionFailure("the rule has refused this before: \(error)")
        }
        var postgres = PostgresConfiguration(
            hosts: hosts, database: configuration.text("POSTGRES_DB"),
            user: configuration.text("POSTGRES_USER"),
            password: configuration.secret("POSTGRES_PASSWORD")?.revealed)
        postgres.renewable = configuration.renewable("POSTGRES_PASSWORD")
        let mode = configuration.text("POSTGRES_SSLMODE")
        postgres.sslMode = PostgresConfiguration.SSLMode(rawValue: mode) ?? postgres.sslMode
        postgres.rootCertificate = configuration.optionalText("POSTGRES_SSLROOTCERT")
        postgres.applicationName = configuration.service
        return postgres
    }
}
