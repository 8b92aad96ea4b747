import HTTPClient
import PostgresClient
import ServiceRuntime
import TapeProtocol
import TapeTransport
import ValkeyClient

/// The address of a service's operations page.
struct ServiceAddress: Equatable, Sendable {
    let host: String
    let port: UInt16

    var text: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Reads `host:port`; an IPv6 address is in brackets.
    init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"),
            let port = UInt16(text[text.index(after: colon)...]), port > 0
        else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty, !host.contains("/") else { return nil }
        self.host = String(host)
        self.port = port
    }
}

/// The settings of the cockpit.
struct CockpitSettings: Sendable {
    let address: String
    let port: UInt16
    /// Without the gateway that stands for the host's loopback: `run` looks that one up.
    let gate: Gate.Settings
    let isOnHostLoopback: Bool
    /// What the pages speak TLS with. `nil`: they do not.
    let certificate: WebCertificate?
    let services: [ServiceAddress]
    /// The sources whose venue is simulated.
    let simulated: Set<String>
    /// Where its alerts are asked for. `nil`: nowhere.
    let prometheus: HTTPURL?
    let calendars: SourceCalendars
    let rights: Rights
    let postgres: PostgresConfiguration
    let valkey: ValkeyConfiguration
    let namespace: String
    /// The local stack that commands on pages name; empty: none.
    let stack: String
    let partitions: Int

    /// What people may do.
    struct Rights: Sendable {
        /// By which requests for actions are proven. `nil`: people can change nothing.
        let actions: ActionKey?
        let sql: AskRight
    }

    static let keys: [ConfigurationKey] =
        ConfigurationKey.market + ConfigurationKey.nats + ConfigurationKey.postgres
        + ConfigurationKey.valkey + ConfigurationKey.operations(port: 8_503)
        + [.operationsTrust] + ConfigurationKey.logging + ConfigurationKey.actions
        + [
            ConfigurationKey(
                "COCKPIT_ADDRESS", .text, default: "127.0.0.1", group: "Cockpit",
                "Address of the pages; any but loopback needs a token, and TLS or listed proxies."),
            ConfigurationKey(
                "COCKPIT_ON_HOST_LOOPBACK", .flag, default: "false", group: "Cockpit",
                "true: in a container, published on its host's loopback alone. Needs a token."),
            ConfigurationKey(
                "COCKPIT_PORT", .integer(0...65_535), default: "8510", group: "Cockpit",
                "TCP port of the pages; 0: any free one."),
            ConfigurationKey(
                "COCKPIT_HOSTS", .list, group: "Cockpit",
                "Names by which browsers reach the pages, besides localhost and its addresses."),
            ConfigurationKey(
                "COCKPIT_PROXIES", .list, group: "Cockpit",
                "Addresses of the proxies that bring browsers by TLS; no others are answered."),
            ConfigurationKey(
                "COCKPIT_TLS_CERTIFICATE", .text, group: "Cockpit",
                "Path of the certificates (PEM), its own first, with which the pages speak TLS."),
            ConfigurationKey(
                "COCKPIT_TLS_KEY", .text, group: "Cockpit",
                "Path of that certificate's key (PEM), without a password."),
            ConfigurationKey(
                "COCKPIT_TOKEN", .text, secret: true, group: "Cockpit",
                "What a person types to be let in, 16 characters or more; empty: nothing."),
            ConfigurationKey(
                "COCKPIT_READERS", .choice(["known", "all"]), default: "known", group: "Cockpit",
                "all: whoever reaches the pages may read; known: on loopback, else who is known."),
            ConfigurationKey(
                "COCKPIT_ACTIONS", .flag, default: "false", group: "Cockpit",
                "true: people can act, by a process that runs 'tapeline actions serve'."),
            ConfigurationKey(
                "COCKPIT_SQL", .flag, default: "false", group: "Cockpit",
                "true: people ask the database in SQL; POSTGRES_USER has to be one that reads."),
            ConfigurationKey(
                "COCKPIT_PEOPLE", .text, group: "Cockpit",
                "Path of the people with a token of their own: lines name:sha256 of the token."),
            ConfigurationKey(
                "COCKPIT_PERSON_HEADER", .text, group: "Cockpit",
                "Header by which the listed proxies name the person, like X-Forwarded-User."),
            ConfigurationKey(
                "COCKPIT_PATH", .text, default: "/", group: "Cockpit",
                "Path of the pages, if a proxy passes it on."),
            ConfigurationKey(
                "COCKPIT_SERVICES", .list, group: "Cockpit",
                "Operations ports of the services (host:port), to ask whether they are ready."),
            ConfigurationKey(
                "COCKPIT_STACK", .text, group: "Cockpit",
                "Name of the local stack in the commands that pages show; empty: they have none."),
            ConfigurationKey(
                "COCKPIT_PROMETHEUS", .text, group: "Cockpit",
                "Prometheus whose alerts are shown (http://host:port or https://); empty: none."),
            ConfigurationKey(
                "COCKPIT_CALENDARS", .list, group: "Cockpit",
                "Calendars of sources (source=path), which say when their markets are closed."),
            ConfigurationKey(
                "COCKPIT_SIMULATED", .list, group: "Cockpit",
                "Sources whose venue is simulated, which the pages then say."),
        ]

    /// Each reports its own problem, so that all are reported at once.
    static let rules: [ConfigurationRule] = [
        .of { _ = try gate($0) }, .of { _ = try services($0) }, .of { _ = try hosts($0) },
        .of { _ = try prometheus($0) }, .of { _ = try certificate($0) },
        .of { _ = try SourceCalendars($0.list("COCKPIT_CALENDARS")) },
        .of {
            try ValkeyConfiguration.check(host: $0.text("VALKEY_HOST"), named: "VALKEY_HOST")
        },
        .of { try actors($0) }, .of { _ = try actions($0) }, .of { _ = try people($0) },
        .of { _ = try asking($0) },
        .of { _ = try personHeader($0) },
    ]

    /// The least length of a token, so that nobody guesses it.
    static let tokenBytesMin = 16

    init(_ configuration: Configuration) throws {
        address = configuration.text("COCKPIT_ADDRESS")
        port = UInt16(clamping: configuration.integer("COCKPIT_PORT"))
        namespace = configuration.text("MDS_NAMESPACE")
        partitions = configuration.integer("MDS_PARTITIONS")
        stack = configuration.optionalText("COCKPIT_STACK") ?? ""
        isOnHostLoopback = configuration.flag("COCKPIT_ON_HOST_LOOPBACK")
        certificate = try Self.certificate(configuration)
        var gate = try Self.gate(configuration)
        gate.people = try Self.people(configuration)
        gate.personHeader = try Self.personHeader(configuration)
        gate.files = Self.tokenFiles(configuration, gate)
        self.gate = gate
        services = try Self.services(configuration)
        prometheus = try Self.prometheus(configuration)
        simulated = Set(configuration.list("COCKPIT_SIMULATED"))
        calendars = try SourceCalendars(configuration.list("COCKPIT_CALENDARS"))
        try Self.actors(configuration)
        rights = Rights(
            actions: try Self.actions(configuration), sql: try Self.asking(configuration))
        postgres = try Self.database(configuration)
        var valkey = ValkeyConfiguration(
            host: configuration.text("VALKEY_HOST"),
            port: UInt16(clamping: configuration.integer("VALKEY_PORT")),
            user: configuration.optionalText("VALKEY_USER"),
            password: configuration.secret("VALKEY_PASSWORD")?.revealed)
        valkey.renewable = configuration.renewable("VALKEY_PASSWORD")
        self.valkey = valkey
    }

    private static func gate(_ configuration: Configuration) throws(SettingsError) -> Gate.Settings
    {
        let address = configuration.text("COCKPIT_ADDRESS")
        let token = configuration.secret("COCKPIT_TOKEN")?.revealed ?? ""
        guard token.isEmpty || token.utf8.count >= tokenBytesMin else {
            throw SettingsError("COCKPIT_TOKEN: it has fewer than \(tokenBytesMin) characters")
        }
        let isOpen = configuration.text("COCKPIT_READERS") == "all"
        guard !isOpen || token.isEmpty else {
            throw SettingsError("COCKPIT_READERS: all may read, so nobody needs COCKPIT_TOKEN")
        }
        guard !configuration.flag("COCKPIT_ON_HOST_LOOPBACK") || !Gate.isLoopback(address) else {
            throw SettingsError(
                "COCKPIT_ON_HOST_LOOPBACK: the host cannot reach COCKPIT_ADDRESS \(address): "
                    + "set it to 0.0.0.0")
        }
        let reach = reach(configuration)
        let missing = missing(configuration, isNamed: isOpen || !token.isEmpty)
        if let reach, !missing.isEmpty {
            throw SettingsError(
                "\(reach) can be reached by others, so " + missing.joined(separator: ", and "))
        }
        var path = configuration.text("COCKPIT_PATH")
        guard path.hasPrefix("/"), path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }),
            !path.contains("//"), !path.contains(where: { "?#;\"\\".contains($0) })
        else { throw SettingsError("COCKPIT_PATH: \(path) is no path") }
        if path.hasSuffix("/") { path.removeLast() }
        return Gate.Settings(
            hosts: Gate.loopbackHosts + configuration.list("COCKPIT_HOSTS").map { $0.lowercased() },
            token: token, asksReaders: reach != nil && !isOpen,
            proxies: configuration.list("COCKPIT_PROXIES"), hasTLS: hasTLS(configuration),
            isStrict: hasTLS(configuration) && configuration.integer("COCKPIT_PORT") == 443,
            path: path)
    }

    private static func hasTLS(_ configuration: Configuration) -> Bool {
        configuration.optionalText("COCKPIT_TLS_CERTIFICATE") != nil
    }

    /// Returns the setting by which others than this machine's own people reach the pages. `nil`:
    /// none says so.
    private static func reach(_ configuration: Configuration) -> String? {
        let address = configuration.text("COCKPIT_ADDRESS")
        if !Gate.isLoopback(address) { return "COCKPIT_ADDRESS: \(address)" }
        // A proxy of this machine brings those of others.
        if !configuration.list("COCKPIT_PROXIES").isEmpty { return "COCKPIT_PROXIES: the pages" }
        let name = configuration.list("COCKPIT_HOSTS").first { !Gate.isLoopback($0.lowercased()) }
        return name.map { "COCKPIT_HOSTS: \($0)" }
    }

    /// Returns what pages need that others can reach, and do not have.
    private static func missing(_ configuration: Configuration, isNamed: Bool) -> [String] {
        // The gateway's address proves little: from it come also those who reach a port that was
        // published on all addresses by mistake. So somebody has to be known there, too.
        let isNamed = isNamed || namesPeople(configuration)
        let hasCarrier =
            !configuration.list("COCKPIT_PROXIES").isEmpty || hasTLS(configuration)
            || configuration.flag("COCKPIT_ON_HOST_LOOPBACK")
        return [
            isNamed
                ? nil
                : "COCKPIT_TOKEN, COCKPIT_TOKEN_FILE or COCKPIT_PEOPLE has to be set, or "
                    + "COCKPIT_READERS to all",
            hasCarrier
                ? nil
                : "COCKPIT_TLS_CERTIFICATE has to be set, or COCKPIT_PROXIES to list the proxies "
                    + "that bring browsers by TLS",
        ].compactMap(\.self)
    }

    private static func actions(
        _ configuration: Configuration
    ) throws(SettingsError) -> ActionKey? {
        configuration.flag("COCKPIT_ACTIONS") ? try ActionKey(configuration) : nil
    }

    /// Somebody has to be able to act where actions are switched on, and be heard.
    private static func actors(_ configuration: Configuration) throws(SettingsError) {
        let isOn = configuration.flag("COCKPIT_ACTIONS")
        guard !isOn || namesPeople(configuration) else {
            throw SettingsError(
                "COCKPIT_ACTIONS: nobody can act, so set COCKPIT_PEOPLE, or COCKPIT_PERSON_HEADER "
                    + "and COCKPIT_PROXIES")
        }
        let user = configuration.optionalText("NATS_USER") ?? ActionRequest.user
        guard !isOn || user == ActionRequest.user else {
            throw SettingsError(
                "COCKPIT_ACTIONS: 'tapeline actions serve' takes requests of the user "
                    + "\(ActionRequest.user) of NATS alone, and NATS_USER is \(user)")
        }
    }

    private static func namesPeople(_ configuration: Configuration) -> Bool {
        ["COCKPIT_PEOPLE", "COCKPIT_PERSON_HEADER"].contains {
            configuration.optionalText($0) != nil
        }
    }

    /// Where others reach the pages, who asks the database has to be known.
    private static func asking(_ configuration: Configuration) throws(SettingsError) -> AskRight {
        guard configuration.flag("COCKPIT_SQL") else { return .off }
        guard let reach = reach(configuration) else { return .machine }
        guard namesPeople(configuration) else {
            throw SettingsError(
                "COCKPIT_SQL: \(reach) can be reached by others, so set COCKPIT_PEOPLE, or "
                    + "COCKPIT_PERSON_HEADER and COCKPIT_PROXIES")
        }
        return .known
    }

    private static func people(_ configuration: Configuration) throws(SettingsError) -> People {
        guard let path = configuration.optionalText("COCKPIT_PEOPLE") else { return People() }
        do throws(People.Refusal) { return try People.read(path).get() } catch {
            throw SettingsError("COCKPIT_PEOPLE: \(error)")
        }
    }

    private static func tokenFiles(
        _ configuration: Configuration, _ gate: Gate.Settings
    ) -> TokenFiles? {
        var people: TokenFiles.ReadPeople?
        if let path = configuration.optionalText("COCKPIT_PEOPLE") {
            people = { People.read(path) }
        }
        return TokenFiles(
            .init(shared: gate.token, people: gate.people),
            shared: configuration.renewable("COCKPIT_TOKEN") { $0.utf8.count >= tokenBytesMin },
            people: people)
    }

    /// Returns the header's name as requests have it.
    private static func personHeader(
        _ configuration: Configuration
    ) throws(SettingsError) -> String? {
        guard let name = configuration.optionalText("COCKPIT_PERSON_HEADER") else { return nil }
        let isName =
            name.utf8.count <= 64
            && name.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x41...0x5a).contains($0)
                    || (0x61...0x7a).contains($0) || $0 == UInt8(ascii: "-")
            }
        guard isName else {
            throw SettingsError("COCKPIT_PERSON_HEADER: it is no name of a header")
        }
        guard !configuration.list("COCKPIT_PROXIES").isEmpty else {
            throw SettingsError(
                "COCKPIT_PERSON_HEADER: only a proxy may name people: list it in COCKPIT_PROXIES")
        }
        return name.lowercased()
    }

    private static func certificate(
        _ configuration: Configuration
    ) throws(SettingsError) -> WebCertificate? {
        try .named("COCKPIT_TLS_CERTIFICATE", "COCKPIT_TLS_KEY", in: configuration)
    }

    private static func services(
        _ configuration: Configuration
    ) throws(SettingsError) -> [ServiceAddress] {
        let texts = configuration.list("COCKPIT_SERVICES")
        guard texts.count <= CockpitLimits.servicesMax else {
            throw SettingsError(
                "COCKPIT_SERVICES: \(texts.count) are more than \(CockpitLimits.servicesMax)")
        }
        var services: [ServiceAddress] = []
        for text in texts {
            guard let service = ServiceAddress(text) else {
                throw SettingsError("COCKPIT_SERVICES: \(text) is not host:port")
            }
            services.append(service)
        }
        return services
    }

    private static func prometheus(
        _ configuration: Configuration
    ) throws(SettingsError) -> HTTPURL? {
        guard let text = configuration.optionalText("COCKPIT_PROMETHEUS") else { return nil }
        guard let url = PrometheusAlerts.url(text) else {
            throw SettingsError(
                "COCKPIT_PROMETHEUS: it is not http://host:port or https://host:port, with a path "
                    + "if it has one, and without user, password and query")
        }
        return url
    }

    private static func hosts(
        _ configuration: Configuration
    ) throws(PostgresHost.Refusal) -> [PostgresHost] {
        try PostgresHost.list(
            configuration.text("POSTGRES_HOST"),
            port: UInt16(clamping: configuration.integer("POSTGRES_PORT")))
    }

    private static func database(
        _ configuration: Configuration
    ) throws(PostgresHost.Refusal) -> PostgresConfiguration {
        var postgres = PostgresConfiguration(
            hosts: try hosts(configuration), database: configuration.text("POSTGRES_DB"),
            user: configuration.text("POSTGRES_USER"),
            password: configuration.secret("POSTGRES_PASSWORD")?.revealed)
        postgres.renewable = configuration.renewable("POSTGRES_PASSWORD")
        let mode = configuration.text("POSTGRES_SSLMODE")
        postgres.sslMode = PostgresConfiguration.SSLMode(rawValue: mode) ?? postgres.sslMode
        postgres.rootCertificate = configuration.optionalText("POSTGRES_SSLROOTCERT")
        postgres.applicationName = configuration.service
        postgres.settings = [("search_path", configuration.text("MDS_NAMESPACE"))]
        return postgres
    }
}
