import MarketModel
import Membership
import NatsTransport
import OperatorGraph
import PostgresClient
import ServiceRuntime
import TapeProtocol
import TapeTransport
import ValkeyClient

/// The servers that a command works with: those of a local stack, or those that the services'
/// environment names.
struct Deployment: Sendable {
    var names: TapeNames
    let nats: NatsConfiguration
    let postgres: PostgresConfiguration?
    /// Where the store's tables are, if it is none of PostgreSQL.
    var server: StoreServer?
    /// The store whose database that is.
    var store = GroupName.store
    /// `nil` if the environment names none.
    let valkey: ValkeyConfiguration?
    let monitors: [TapeWatch.Monitor]
    /// By what the operations ports of its services are checked.
    var operations = ProbeTrust.plain
    /// The name for messages: "the stack default", "nats.example:4222".
    let title: String
    /// The folder of a local stack, with its secrets and logs. `nil` for other deployments.
    let home: StackHome?
    /// The settings of a local stack's operators that say which bars they make.
    var operators: [String: String] = [:]
    /// Reads the files of their graph, as they were when the operators began with it.
    private var graphFiles = ConfigurationFiles.read

    private static let connectTimeout: Duration = .seconds(5)
    /// The time limit of one statement, which reads a position or a few thousand rows.
    static let statementTimeout: Duration = .seconds(60)
    /// The maximum number of other namespaces of a server that are listed.
    private static let namespacesMax = 8

    /// Finds the servers: by `--nats` or `--name`, else by NATS_URL, else the local stack that is
    /// up.
    static func find(
        _ target: TapeTarget, environment: [String: String], executable: String
    ) throws(ToolError) -> Deployment {
        let url = environment["NATS_URL"] ?? ""
        if target.natsURL != nil || (target.stack == nil && !url.isEmpty) {
            return Deployment(try ToolConfiguration(environment, natsURL: target.natsURL))
        }
        let checkout: Checkout
        do throws(ToolError) {
            checkout = try Checkout.find(home: target.home, executable: executable)
        } catch {
            guard target.home == nil, target.stack == nil else { throw error }
            throw .usage(
                "there is no local stack around this program, and NATS_URL is not set: set it, "
                    + "or give --nats URL")
        }
        return try Deployment(localStack(in: checkout, named: target.stack), environment)
    }

    private init(_ configuration: ToolConfiguration) {
        names = configuration.tape.names
        nats = configuration.tape.nats
        postgres = configuration.postgres
        store = configuration.store
        server = configuration.server
        valkey = configuration.valkey
        monitors = configuration.tape.monitors
        operations = configuration.operations
        title = nats.peer
        home = nil
    }

    /// MDS_NAMESPACE, MDS_PARTITIONS and STORE_NAME also apply to a local stack, because it may
    /// have been started with them.
    init(_ stack: Stack, _ environment: [String: String]) throws(ToolError) {
        let access = try StackAccess(stack)
        var settings = environment.filter {
            ["MDS_NAMESPACE", "MDS_PARTITIONS", "STORE_NAME"].contains($0.key)
        }
        settings["NATS_URL"] = access.nats.urls[0]
        let configuration = try ToolConfiguration(settings, natsURL: nil)
        names = configuration.tape.names
        store = configuration.store
        nats = access.nats
        var postgres = access.postgres
        postgres.database = StackPlan.database(of: store)
        postgres.settings = [("search_path", names.namespace)]
        self.postgres = postgres
        valkey = access.valkey
        monitors = [TapeWatch.Monitor(host: StackPlan.loopback, port: access.ports[.natsMonitor])]
        title = "the stack \(stack.home.name)"
        home = stack.home
        server = try Self.server(of: store, in: stack.home)
        if let kept = try KeptGraph.read(stack.home, names.namespace) {
            operators = kept.operators
            graphFiles = kept.reading
        } else if let state = try StackState.read(stack.home) {
            // Workers that a person starts by hand.
            operators = try StackSettings(of: state.arguments).environment(for: .operators)
        }
    }

    /// Returns where the tables of a stack's store are that has a URL.
    private static func server(
        of store: GroupName, in home: StackHome
    ) throws(ToolError) -> StoreServer? {
        let arguments = try StackState.read(home)?.arguments ?? []
        var options = Stack.UpOptions()
        for (option, word) in zip(arguments, arguments.dropFirst()) where option == "--store" {
            try options.add(store: word)
        }
        guard let url = options.urls[store] else { return nil }
        let file = try StackSettings(of: arguments)[url.passwordFile]
        let text = try file.map { path throws(ToolError) in try FileSystem.read(path) ?? [] }
        let password = text.flatMap {
            String(decoding: $0, as: UTF8.self).split(whereSeparator: \.isNewline).first
        }
        return url.server(password: password.map(String.init))
    }

    /// Returns the graph by which bars are proven: of the environment, else of the local stack.
    func proofGraph(_ environment: [String: String]) throws(ToolError) -> GraphProgram {
        let isNamed = [ProofGraph.graphKey, ProofGraph.seriesKey].contains {
            environment[$0]?.isEmpty == false
        }
        return try isNamed
            ? ProofGraph.find(environment) : ProofGraph.find(operators, read: graphFiles)
    }

    /// Returns the stack of this name, or the only one that is up.
    private static func localStack(
        in checkout: Checkout, named name: String?
    ) throws(ToolError) -> Stack {
        let terminal = Terminal()
        if let name {
            let stack = try Stack(checkout: checkout, name: name, terminal: terminal)
            guard try stack.isUp() else {
                throw .usage(
                    "the stack \(name) is not up: start it with '\(stack.home.command("up"))'")
            }
            return stack
        }
        guard let chosen = try Stack.up(in: checkout, terminal) else {
            throw .usage(
                "no local stack is up and NATS_URL is not set: 'tapeline up' starts one, "
                    + "--nats URL names a server")
        }
        return chosen
    }

    // MARK: sessions

    /// Returns a client that has checked the tape's namespace and its number of partitions.
    func openTape() throws(ToolError) -> TapeClient {
        let client = try connect()
        do throws(TapeError) {
            for stream in allStreams { try client.requireStream(stream) }
            return client
        } catch {
            defer { client.close() }
            guard case .missingStream = error, let present = otherNamespaces(client) else {
                throw Self.failure(error)
            }
            throw .refused("\(error); \(present)")
        }
    }

    /// Lists the other namespaces on the server, because an unknown namespace is more often a
    /// typing error than a new one. `nil` if there are none or the server does not list them.
    private func otherNamespaces(_ client: TapeClient) -> String? {
        let end = "_TICKS_0"
        do throws(JetStreamError) {
            let present = try client.jetStream.streamNames(taking: "*.ticks.0.*")
                .filter { $0.hasSuffix(end) }.map { $0.dropLast(end.count).lowercased() }
            guard !present.isEmpty else { return nil }
            let shown = present.sorted().prefix(Self.namespacesMax).joined(separator: ", ")
            return "MDS_NAMESPACE is \(names.namespace), and this server has \(shown)"
        } catch {
            // The main error is already reported; this would only have added a hint.
            return nil
        }
    }

    /// Returns a client for a server on which the tape may not exist yet.
    func connect() throws(ToolError) -> TapeClient {
        let logger = Logger(
            service: "tapeline", level: .error, format: .text(color: false), sink: .standardError)
        do throws(TapeError) {
            return try TapeClient(
                nats, names: names,
                telemetry: TelemetryHub(logger: logger, metrics: MetricRegistry()),
                readiness: Readiness())
        } catch {
            throw Self.failure(error)
        }
    }

    var allStreams: [String] {
        (0..<TapeNames.tickStreams).map { names.tickStream($0) } + [names.barStream]
    }

    private static func failure(_ error: TapeError) -> ToolError {
        switch error {
        case .otherNamespace: .configuration([error.description])
        case .missingStream, .olderStream, .oldServer, .otherKind: .refused(error.description)
        case .nats, .jetStream: .unreachable(error.description)
        }
    }

    /// Returns the database, or throws what to set.
    func requiredPostgres() throws(ToolError) -> PostgresConfiguration {
        if let server {
            throw .refused(
                "\(store) is a store of \(server.title), and this command reads PostgreSQL: "
                    + "'store-writer audit' checks its rows, 'tapeline groups list' shows it")
        }
        guard let postgres else {
            throw .usage(
                "no database is named: set POSTGRES_HOST, POSTGRES_DB, POSTGRES_USER and "
                    + "POSTGRES_PASSWORD (or POSTGRES_PASSWORD_FILE)")
        }
        return postgres
    }

    /// `changed` adapts the configuration to the command.
    func openDatabase(
        _ changed: (PostgresConfiguration) -> PostgresConfiguration = { $0 }
    ) throws(ToolError) -> PostgresConnection {
        let postgres = try requiredPostgres()
        do throws(PostgresError) {
            return try PostgresConnection.newest(
                of: changed(postgres), timeout: Self.connectTimeout)
        } catch {
            throw .unreachable("\(error)")
        }
    }
}
