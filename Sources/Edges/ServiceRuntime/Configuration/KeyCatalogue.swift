/// The names of all settings of all services. The same environment often reaches every service, so
/// a key of another service is no mistake; a name that no service knows is one.
package struct KeyCatalogue: Sendable {
    /// A variable with one of these prefixes is meant for us.
    package let prefixes: [String]
    package let names: Set<String>
    /// Names with such a prefix that belong to the servers' own images.
    package let foreignNames: Set<String>

    package init(prefixes: [String], names: Set<String>, foreignNames: Set<String> = []) {
        self.prefixes = prefixes
        self.names = names
        self.foreignNames = foreignNames
    }

    func claims(_ name: String) -> Bool { prefixes.contains { name.hasPrefix($0) } }

    /// Returns whether Kubernetes or Docker set the variable for a neighbouring service
    /// (`NATS_PORT=tcp://10.0.0.1:4222`, `NATS_SERVICE_HOST`, `NATS_PORT_4222_TCP_ADDR`).
    static func isServiceLink(_ name: String, _ value: String) -> Bool {
        if name.hasSuffix("_SERVICE_HOST") || name.hasSuffix("_SERVICE_PORT")
            || name.contains("_SERVICE_PORT_")
        {
            return true
        }
        let isAddress = ["tcp://", "udp://", "sctp://"].contains { value.hasPrefix($0) }
        if name.hasSuffix("_PORT"), isAddress { return true }
        let words = name.split(separator: "_")
        guard let place = words.lastIndex(of: "PORT"), words.count > place + 2 else {
            return false
        }
        return Int(words[place + 1]) != nil && ["TCP", "UDP", "SCTP"].contains(words[place + 2])
    }
}

extension KeyCatalogue {
    /// Returns the differences between the catalogue and the schemas of all services; empty: they
    /// agree. A key that is missing here would stop every other service that finds it in a shared
    /// environment.
    package func differences(from services: [ServiceDescription]) -> [String] {
        let known = services.reduce(into: Set<String>()) { $0.formUnion($1.names) }
        let missing = known.subtracting(names).sorted().map { "\($0) is not in the catalogue" }
        let stale = names.subtracting(known).sorted().map { "\($0) is in no service's schema" }
        let unclaimed = known.filter { !claims($0) }.sorted()
            .map { "\($0) begins with no prefix of the catalogue" }
        return missing + stale + unclaimed
    }
}

extension KeyCatalogue {
    /// Tapeline's own catalogue. A test compares it with every service's `default.env`.
    package static let product = KeyCatalogue(
        prefixes: [
            "MDS_", "NATS_", "POSTGRES_", "VALKEY_", "GATEWAY_", "OPERATOR_", "WRITER_",
            "SYNTHETIC_", "REPLAY_", "IBKR_", "BINANCE_", "HISTORY_", "ALPACA_", "MASSIVE_",
            "FRED_", "COINGECKO_", "ALTERNATIVE_", "COCKPIT_", "OPS_", "LOG_",
        ],
        names: Set(shared.flatMap(\.names) + ofLibraries + ofServices + filesOfSecrets),
        foreignNames: [
            "POSTGRES_INITDB_ARGS", "POSTGRES_INITDB_WALDIR", "POSTGRES_HOST_AUTH_METHOD",
            "VALKEY_EXTRA_FLAGS", "NATS_DOCKERIZED", "NATS_SERVER", "NATS_CONTEXT",
            // Keys of `tapeline` alone.
            "NATS_MONITOR_URL",
        ])

    private static let shared: [ConfigurationKey] =
        ConfigurationKey.market + ConfigurationKey.nats + ConfigurationKey.membership
        + ConfigurationKey.postgres + ConfigurationKey.postgresMigrator + ConfigurationKey.valkey
        + ConfigurationKey.operations(port: 0) + ConfigurationKey.logging + ConfigurationKey.actions

    /// Keys that libraries above this module declare.
    private static let ofLibraries = [
        "MDS_STREAM_BYTES", "REPLAY_FILE", "REPLAY_NATS_URL", "REPLAY_NATS_USER",
        "REPLAY_NATS_PASSWORD", "REPLAY_NATS_PASSWORD_FILE", "REPLAY_NAMESPACE", "REPLAY_SOURCE",
        "REPLAY_FROM", "REPLAY_TO", "REPLAY_SYMBOLS", "REPLAY_SPEED", "REPLAY_SHIFT",
        "IBKR_HOST", "IBKR_PORT", "IBKR_CLIENT_ID", "IBKR_CONNECT_TIMEOUT",
        "IBKR_DELAYED", "IBKR_LINES", "IBKR_TICK_LINES", "IBKR_SILENT_AFTER", "IBKR_BACKFILL",
        "IBKR_REGION", "IBKR_DEPTH_ROWS", "IBKR_RECONNECT_FIRST", "IBKR_RECONNECT_MAX",
        "IBKR_ALARM_ATTEMPTS", "IBKR_HISTORY_CLIENT_ID", "IBKR_HISTORY_REQUESTS", "IBKR_BARS",
        "BINANCE_URL", "BINANCE_REST_URL", "BINANCE_FILL",
        "BINANCE_PROXY", "BINANCE_TLS_CA",
        "BINANCE_CONNECT_TIMEOUT", "BINANCE_STREAMS", "BINANCE_BARS", "BINANCE_HOT_HOT",
        "BINANCE_HOT_HOT_WAIT",
        "BINANCE_RENEW_AFTER", "BINANCE_OVERLAP", "HISTORY_FROM", "HISTORY_TO",
        "BINANCE_SILENT_AFTER", "BINANCE_DELAY_MAX", "BINANCE_RECONNECT_FIRST",
        "BINANCE_RECONNECT_MAX", "ALPACA_FEED", "ALPACA_API_KEY", "ALPACA_API_KEY_FILE",
        "ALPACA_API_SECRET", "ALPACA_API_SECRET_FILE", "ALPACA_URL", "ALPACA_PROXY",
        "ALPACA_TLS_CA", "ALPACA_CONNECT_TIMEOUT", "ALPACA_SILENT_AFTER", "ALPACA_DELAY_MAX",
        "ALPACA_TRADES_KEPT", "ALPACA_RECONNECT_FIRST", "ALPACA_RECONNECT_MAX",
        "ALPACA_REST_URL", "ALPACA_HISTORY_FEED", "ALPACA_HISTORY_BARS", "MASSIVE_REST_URL",
        "MASSIVE_HISTORY_REQUESTS", "MASSIVE_HISTORY_BARS", "MASSIVE_REREAD_FIRST",
        "MASSIVE_REREAD_LAST", "MASSIVE_FEED",
        "MASSIVE_API_KEY", "MASSIVE_API_KEY_FILE", "MASSIVE_URL", "MASSIVE_BARS", "MASSIVE_PROXY",
        "MASSIVE_TLS_CA", "MASSIVE_CONNECT_TIMEOUT", "MASSIVE_SILENT_AFTER", "MASSIVE_DELAY_MAX",
        "MASSIVE_TRADES_KEPT", "MASSIVE_RECONNECT_FIRST", "MASSIVE_RECONNECT_MAX", "FRED_URL",
        "FRED_EVERY", "FRED_PROXY", "FRED_TLS_CA",
        "FRED_HISTORY", "FRED_API_KEY", "FRED_API_KEY_FILE", "COINGECKO_URL", "COINGECKO_EVERY",
        "COINGECKO_PROXY", "COINGECKO_TLS_CA", "COINGECKO_API_KEY", "COINGECKO_API_KEY_FILE",
        "ALTERNATIVE_URL", "ALTERNATIVE_EVERY", "ALTERNATIVE_PROXY", "ALTERNATIVE_TLS_CA",
        "ALTERNATIVE_HISTORY",
    ]

    /// The files of the services' own secrets.
    private static let filesOfSecrets = ["COCKPIT_TOKEN_FILE"]

    private static let ofServices = [
        "GATEWAY_SOURCE", "GATEWAY_PROVIDER", "GATEWAY_KEEP", "GATEWAY_LATENCY",
        "GATEWAY_PACKETS_PER_SECOND", "GATEWAY_PACKET_BYTES",
        "GATEWAY_LIVE", "GATEWAY_TAPE_DURABLE", "GATEWAY_SPOOL", "GATEWAY_SPOOL_BYTES",
        "GATEWAY_POLICY_TRADES",
        "GATEWAY_POLICY_QUOTES", "GATEWAY_TICKS_PER_SECOND", "GATEWAY_LAG_MAX",
        "GATEWAY_FUTURE_MAX",
        "GATEWAY_DEAD_LETTERS",
        "GATEWAY_DEAD_LETTERS_BYTES", "GATEWAY_INSTRUMENTS", "GATEWAY_CHANNEL_RECORDS",
        "GATEWAY_PROVIDER_STOP", "GATEWAY_USER_AGENT", "GATEWAY_TRIAL_TICKS", "GATEWAY_TRIAL_TIME",
        "SYNTHETIC_SEED",
        "SYNTHETIC_SYMBOLS", "SYNTHETIC_RATE", "SYNTHETIC_TICKS", "SYNTHETIC_PACE",
        "SYNTHETIC_BACKLOG", "SYNTHETIC_MISSED", "SYNTHETIC_AHEAD", "SYNTHETIC_AHEAD_SYMBOLS",
        "OPERATOR_SERIES", "OPERATOR_GRAPH",
        "OPERATOR_GENERATION", "OPERATOR_LIVE", "WRITER_THREADS", "WRITER_BATCH_ROWS",
        "WRITER_BATCH_WAIT",
        "WRITER_QUEUE_ROWS", "WRITER_QUEUE_BYTES", "WRITER_OVERFLOW", "WRITER_HOT_STATE",
        "WRITER_HOT_SYMBOLS", "WRITER_MIGRATIONS", "WRITER_DEAD_LETTERS", "WRITER_DEAD_LETTERS_MAX",
        "WRITER_DEAD_LETTERS_BYTES", "WRITER_SINKS", "WRITER_RETENTION", "WRITER_COMPRESS_AFTER",
        "WRITER_PURGE_AFTER", "WRITER_DATABASE_BYTES", "WRITER_DATABASE_DURABLE", "WRITER_BACKUPS",
        "WRITER_DAILY_BARS",
        "WRITER_QUEUE_HIGH", "WRITER_QUEUE_LOW",
        "WRITER_RETRY_MAX", "WRITER_BREAKER_FAILURES", "WRITER_BREAKER_MAX", "WRITER_HOT_TTL",
        "WRITER_HOT_STALE_AFTER", "COCKPIT_ADDRESS", "COCKPIT_ON_HOST_LOOPBACK",
        "COCKPIT_PORT", "COCKPIT_HOSTS",
        "COCKPIT_PROXIES", "COCKPIT_TLS_CERTIFICATE", "COCKPIT_TLS_KEY", "COCKPIT_TOKEN",
        "COCKPIT_READERS",
        "COCKPIT_ACTIONS", "COCKPIT_PEOPLE", "COCKPIT_PERSON_HEADER", "COCKPIT_PATH",
        "COCKPIT_SERVICES", "COCKPIT_STACK", "COCKPIT_PROMETHEUS", "COCKPIT_CALENDARS",
    ]
}
