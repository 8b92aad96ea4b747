// Settings of several services, written once so that name, default and range are the same
// everywhere.
extension ConfigurationKey {
    public static let market = [
        ConfigurationKey(
            "MDS_NAMESPACE", .name(bytesMax: 32, also: "_"), default: "md", group: "Market data",
            "First token of all subjects, name of the database schema."),
        ConfigurationKey(
            "MDS_PARTITIONS", .integer(1...Kind.partitionsMax), default: "8",
            group: "Market data", "Partitions of the tape; fixed for a tape's whole life."),
        ConfigurationKey(
            "MDS_REPLICAS", .choice(["1", "3"]), default: "1", group: "Market data",
            "Copies of streams and buckets: 1, or 3 on a NATS cluster. None is taken away."),
    ]

    public static let nats = [
        ConfigurationKey(
            "NATS_URL", .urls(["nats", "tls"]), default: "nats://127.0.0.1:4222", group: "NATS",
            "NATS servers, tried in any order."),
        ConfigurationKey("NATS_USER", .text, group: "NATS", "User at NATS; empty: none."),
        ConfigurationKey(
            "NATS_PASSWORD", .text, secret: true, group: "NATS", "Password of that user."),
        ConfigurationKey(
            "NATS_CREDS_FILE", .text, group: "NATS",
            "Path of a credentials file of NATS (JWT and seed), instead of user and password."),
        ConfigurationKey(
            "NATS_TLS_CA", .text, group: "NATS",
            "Path of the certificates (PEM) that a server of NATS is checked against."),
        ConfigurationKey(
            "NATS_TLS_CERTIFICATE", .text, group: "NATS",
            "Path of this client's own certificate (PEM), if the server asks for one."),
        ConfigurationKey(
            "NATS_TLS_KEY", .text, group: "NATS", "Path of that certificate's key (PEM)."),
        ConfigurationKey(
            "NATS_MONITOR_URL", .urls(["http"]), group: "NATS",
            "NATS monitors (http://address:port), comma-separated: say when an ack is on disk."
        ),
    ]

    /// The keys of services that share partitions.
    public static let membership = [
        ConfigurationKey(
            "MDS_MEMBER", .text, group: "Membership",
            "Name of this process in its group; empty: host name and port of operations."),
        ConfigurationKey(
            "MDS_PLACE", .text, group: "Membership",
            "Text that successive starts of one process share, and no other process; empty: none."),
        ConfigurationKey(
            "MDS_LEASE", .duration(.milliseconds(100)...(.seconds(60))), default: "500ms",
            group: "Membership",
            "Time after which a silent process loses its partitions; the same in a whole group."),
    ]

    public static let postgres = [
        ConfigurationKey(
            "POSTGRES_HOST", .text, default: "127.0.0.1", group: "PostgreSQL",
            "Host names, addresses or socket folders of the database, comma-separated, tried in "
                + "order."
        ),
        ConfigurationKey(
            "POSTGRES_PORT", .integer(1...65_535), default: "5432", group: "PostgreSQL",
            "TCP port of the database; a host may have its own, as db-b:5433."),
        ConfigurationKey(
            "POSTGRES_DB", .text, default: "market_data", group: "PostgreSQL",
            "Name of the database."),
        ConfigurationKey(
            "POSTGRES_USER", .text, default: "tapeline", group: "PostgreSQL",
            "User who reads and writes."),
        ConfigurationKey(
            "POSTGRES_PASSWORD", .text, secret: true, group: "PostgreSQL",
            "Password of that user."),
        ConfigurationKey(
            "POSTGRES_SSLMODE", .choice(["disable", "prefer", "require", "verify-full"]),
            default: "prefer", group: "PostgreSQL",
            "Encryption of the connection: verify-full also checks who the server is."),
        ConfigurationKey(
            "POSTGRES_SSLROOTCERT", .text, group: "PostgreSQL",
            "Path of the certificates (PEM) that may sign the server's; verify-full needs it."),
    ]

    /// The keys of the user that makes and changes the schema. The service itself runs without
    /// these permissions.
    public static let postgresMigrator = [
        ConfigurationKey(
            "POSTGRES_MIGRATOR_USER", .text, group: "PostgreSQL",
            "User who owns the schema; only the migration uses it."),
        ConfigurationKey(
            "POSTGRES_MIGRATOR_PASSWORD", .text, secret: true, group: "PostgreSQL",
            "Password of that user."),
        ConfigurationKey(
            "POSTGRES_READER", .text, group: "PostgreSQL",
            "Role that the migration lets read everything and change nothing; empty: none."),
    ]

    public static let valkey = [
        ConfigurationKey(
            "VALKEY_HOST", .text, default: "127.0.0.1", group: "Valkey",
            "Host name or address of the Valkey server."),
        ConfigurationKey(
            "VALKEY_PORT", .integer(1...65_535), default: "6379", group: "Valkey",
            "TCP port of the Valkey server."),
        ConfigurationKey("VALKEY_USER", .text, group: "Valkey", "User at Valkey; empty: none."),
        ConfigurationKey(
            "VALKEY_PASSWORD", .text, secret: true, group: "Valkey", "Password of that user."),
    ]

    /// What the cockpit and `tapeline actions serve` share.
    public static let actions = [
        ConfigurationKey(
            "COCKPIT_ACTIONS_KEY", .text, secret: true, group: "Cockpit",
            "Key by which requests prove that the cockpit made them; 'tapeline actions serve' has "
                + "it.")
    ]

    static let (operationsCertificate, operationsKey) = ("OPS_TLS_CERTIFICATE", "OPS_TLS_KEY")

    /// The key of programs that ask operations ports.
    package static let operationsTrust = ConfigurationKey(
        "OPS_TLS_CA", .text, group: "Operations",
        "Path of the certificates (PEM) that sign those of operations ports; empty: no TLS there.")

    /// `port` is the service's own default.
    public static func operations(port: UInt16) -> [ConfigurationKey] {
        [
            ConfigurationKey(
                "OPS_ADDRESS", .text, default: "127.0.0.1", group: "Operations",
                "Address on which metrics and health are served; 0.0.0.0: on all."),
            ConfigurationKey(
                "OPS_PORT", .integer(0...65_535), default: String(port), group: "Operations",
                "TCP port of metrics and health; 0: any free one."),
            ConfigurationKey(
                operationsCertificate, .text, group: "Operations",
                "Path of the certificates (PEM), its own first, with which that port speaks TLS."),
            ConfigurationKey(
                operationsKey, .text, group: "Operations",
                "Path of that certificate's key (PEM), without a password."),
            ConfigurationKey(
                "OPS_CORE_DUMPS", .flag, default: "false", group: "Operations",
                "Whether a crash may write memory, with secrets, into a core file."),
        ]
    }

    /// The keys of services that ticks pass. Names with OTEL_ are those of OpenTelemetry.
    public static let tracing = [
        ConfigurationKey(
            "OTEL_EXPORTER_OTLP_ENDPOINT", .url(["http", "https"]), group: "Traces",
            "Collector of OpenTelemetry (http://host:4318) for traces; empty: none are sent."),
        ConfigurationKey(
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", .url(["http", "https"]), group: "Traces",
            "Address for traces as it is; empty: that of the collector and /v1/traces."),
        ConfigurationKey(
            "OTEL_EXPORTER_OTLP_CERTIFICATE", .text, group: "Traces",
            "Path of certificates (PEM) that are trusted beside the system's."),
        ConfigurationKey(
            "OTEL_EXPORTER_OTLP_HEADERS", .text, secret: true, group: "Traces",
            "Headers for the collector: NAME=VALUE,...; percent-encoded."),
        ConfigurationKey(
            "OTEL_EXPORTER_OTLP_TIMEOUT", .integer(1...60_000), default: "10000", group: "Traces",
            "Milliseconds that a request may take."),
        ConfigurationKey(
            "OTEL_SERVICE_NAME", .text, group: "Traces",
            "What traces call this service; empty: its own name."),
        ConfigurationKey(
            "OTEL_RESOURCE_ATTRIBUTES", .text, group: "Traces",
            "What traces also say of this service: KEY=VALUE,...; percent-encoded."),
        ConfigurationKey(
            "OTEL_TRACES_SAMPLER_ARG", .real(0...1), default: "0.001", group: "Traces",
            "Share of packets that are traced; the same in all services."),
        ConfigurationKey(
            "MDS_TRACE_SLOW", .duration(.milliseconds(1)...(.seconds(3_600))), default: "1s",
            group: "Traces", "Time after which a packet is slow, and traced in any case."),
    ]

    public static let logging = [
        ConfigurationKey(
            "LOG_LEVEL", .choice(["trace", "debug", "info", "warning", "error"]),
            default: "info", group: "Operations", "Least level of the log lines."),
        ConfigurationKey(
            "LOG_FORMAT", .choice(["auto", "json", "text"]), default: "auto",
            group: "Operations", "Shape of the log lines; auto: text on a terminal, else JSON."),
    ]
}
