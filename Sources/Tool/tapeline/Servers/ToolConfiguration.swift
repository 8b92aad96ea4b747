import ClickHouseWire
import Membership
import MembershipTransport
import NatsTransport
import PostgresClient
import QuestDBAccess
import ServiceRuntime
import TapeProtocol
import TapeTransport
import ValkeyClient

/// The settings by which the tool reaches servers: the services' own keys.
struct ToolConfiguration: Sendable {
    let tape: TapeSettings
    /// The store whose database is named.
    let store: GroupName
    /// `nil` if the environment names no database.
    let postgres: PostgresConfiguration?
    /// `nil` unless STORE_KIND says that the store is none of PostgreSQL.
    let server: StoreServer?
    /// `nil` if the environment names no Valkey.
    let valkey: ValkeyConfiguration?
    /// By what the operations ports of services are checked.
    let operations: ProbeTrust

    private static let description = ServiceDescription(
        name: "tapeline", version: ProductVersion.text, summary: "The person's tool.",
        keys: ConfigurationKey.market + ConfigurationKey.nats + ConfigurationKey.postgres
            + ConfigurationKey.valkey + ClickHouseClient.keys + QuestDBClient.keys
            + [ConfigurationKey.storeName, .operationsTrust],
        rules: [.tape, .postgresTLS, .storeName] + ClickHouseClient.rules + QuestDBClient.rules)

    /// Reads the environment. `natsURL`, from `--nats`, overrides it.
    init(_ environment: [String: String], natsURL: String?) throws(ToolError) {
        let configuration = try Self.read(
            Self.description, environment,
            given: natsURL.map { [GivenKey(option: "--nats", key: "NATS_URL", value: $0)] } ?? [])
        do throws(SettingsError) {
            tape = try TapeSettings(configuration)
            store = try GroupName.storeNamed(configuration)
        } catch {
            throw .configuration([error.description])
        }
        func isNamed(_ prefix: String) -> Bool {
            environment.contains { $0.key.hasPrefix(prefix) && !$0.value.isEmpty }
        }
        let kind = environment["STORE_KIND"]
        server =
            kind == "clickhouse"
            ? .clickhouse(ClickHouseClient.Settings(configuration))
            : kind == "questdb" ? .questdb(QuestDBClient.Settings(configuration)) : nil
        postgres = try isNamed("POSTGRES_") ? Self.database(configuration) : nil
        valkey = isNamed("VALKEY_") ? Self.valkey(configuration) : nil
        operations = ProbeTrust(configuration)
    }

    private static func valkey(_ configuration: Configuration) -> ValkeyConfiguration {
        var valkey = ValkeyConfiguration(
            host: configuration.text("VALKEY_HOST"),
            port: UInt16(clamping: configuration.integer("VALKEY_PORT")),
            user: configuration.optionalText("VALKEY_USER"),
            password: configuration.secret("VALKEY_PASSWORD")?.revealed)
        valkey.renewable = configuration.renewable("VALKEY_PASSWORD")
        return valkey
    }

    /// Reads the keys of `description` from `environment`. Throws with all errors at the same time.
    static func read(
        _ description: ServiceDescription, _ environment: [String: String],
        given: [GivenKey] = []
    ) throws(ToolError) -> Configuration {
        let decision = ServiceCommandLine(description).decide(
            arguments: given.map { "\($0.flag)=\($0.value)" }, environment: environment)
        guard case .run(let configuration) = decision else {
            guard case .refuse(let text) = decision else { throw .configuration([]) }
            // The last line only counts the problems.
            let problems = text.split(separator: "\n").dropLast()
            throw .configuration(
                problems.map { problem in
                    // The tool's option has another name than the services' flag.
                    given.reduce(String(problem.dropFirst("tapeline: ".count))) {
                        $0.replacing($1.flag, with: $1.option)
                    }
                })
        }
        return configuration
    }

    private static func database(
        _ configuration: Configuration
    ) throws(ToolError) -> PostgresConfiguration {
        let hosts: [PostgresHost]
        do throws(PostgresHost.Refusal) {
            hosts = try PostgresHost.list(
                configuration.text("POSTGRES_HOST"),
                port: UInt16(clamping: configuration.integer("POSTGRES_PORT")))
        } catch {
            throw .configuration([error.description])
        }
        var postgres = PostgresConfiguration(
            hosts: hosts, database: configuration.text("POSTGRES_DB"),
            user: configuration.text("POSTGRES_USER"),
            password: configuration.secret("POSTGRES_PASSWORD")?.revealed)
        postgres.renewable = configuration.renewable("POSTGRES_PASSWORD")
        let mode = configuration.text("POSTGRES_SSLMODE")
        postgres.sslMode = PostgresConfiguration.SSLMode(rawValue: mode) ?? postgres.sslMode
        postgres.rootCertificate = configuration.optionalText("POSTGRES_SSLROOTCERT")
        postgres.applicationName = "tapeline"
        postgres.settings = [("search_path", configuration.text("MDS_NAMESPACE"))]
        return postgres
    }
}

/// An option of the tool that overrides a key, with its value.
struct GivenKey: Equatable, Sendable {
    let option: String
    let key: String
    let value: String

    /// The services' own flag of the key.
    fileprivate var flag: String { ConfigurationKey.flag(of: key) }
}
