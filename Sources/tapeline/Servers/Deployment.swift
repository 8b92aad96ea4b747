import MarketModel
import NatsTransport
import PostgresClient
import ServiceRuntime
import TapeProtocol
import TapeTransport
import Telemetry

/// The servers that a command looks at: those of a local stack, or those that the services'
/// environment names.
struct Deployment: Sendable {
    let names: TapeNames
    let nats: NatsConfiguration
    let postgres: PostgresConfiguration?
    let monitors: [MonitorAddress]
    /// What a person calls it: "the stack default", "nats.example:4222".
    let title: String
    /// Of a local stack: where its secrets and logs lie.
    let home: StackHome?

    private static let connectTimeout: Duration = .seconds(5)
    /// For one statement: a position or a book of some thousand rows.
    static let statementTimeout: Duration = .seconds(60)

    /// `--nats` and `--name` decide; else NATS_URL; else the local stack that is up.
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
        monitors = configuration.monitors
        title = nats.peer
        home = nil
    }

    /// MDS_NAMESPACE and MDS_PARTITIONS hold for a local stack, too: it may have been started with
    /// others.
    private init(_ stack: Stack, _ environment: [String: String]) throws(ToolError) {
        let access = try StackAccess(stack)
        var settings = environment.filter { ["MDS_NAMESPACE", "MDS_PARTITIONS"].contains($0.key) }
        settings["NATS_URL"] = access.nats.urls[0]
        names = try ToolConfiguration(settings, natsURL: nil).tape.names
        nats = access.nats
        var postgres = access.postgres
        postgres.settings = [("search_path", names.namespace)]
        self.postgres = postgres
        monitors = [MonitorAddress(host: StackPlan.loopback, port: access.ports[.natsMonitor])]
        title = "the stack \(stack.home.name)"
        home = stack.home
    }

    /// The stack of this name, or the one that is up: `default` if several are.
    private static func localStack(
        in checkout: Checkout, named name: String?
    ) throws(ToolError) -> Stack {
        let terminal = Terminal()
        if let name {
            let stack = try Stack(checkout: checkout, name: name, terminal: terminal)
            guard try isUp(stack) else {
                throw .usage("the stack \(name) is not up: start it with 'tapeline up'")
            }
            return stack
        }
        let folder = FileSystem.folder(
            of: try StackHome(checkout: checkout, name: StackHome.defaultName).path)
        var found: [Stack] = []
        for name in FileSystem.names(in: folder).sorted() where StackHome.isName(name) {
            let stack = try Stack(checkout: checkout, name: name, terminal: terminal)
            if try isUp(stack) { found.append(stack) }
        }
        if let chosen = found.first(where: { $0.home.name == StackHome.defaultName })
            ?? (found.count == 1 ? found[0] : nil)
        {
            return chosen
        }
        if found.isEmpty {
            throw .usage(
                "no local stack is up and NATS_URL is not set: 'tapeline up' starts one, "
                    + "--nats URL names a server")
        }
        let names = found.map(\.home.name).joined(separator: ", ")
        throw .usage("several stacks are up (\(names)): name one with --name")
    }

    private static func isUp(_ stack: Stack) throws(ToolError) -> Bool {
        guard let state = try StackState.read(stack.home) else { return false }
        return !state.alive.isEmpty
    }

    // MARK: sessions

    /// Connected, and proven to be the tape of this namespace with so many partitions.
    func openTape() throws(ToolError) -> TapeClient {
        let logger = Logger(
            service: "tapeline", level: .error, format: .text(color: false), sink: .standardError)
        do throws(TapeError) {
            let client = try TapeClient(
                nats, names: names,
                telemetry: TelemetryHub(logger: logger, metrics: MetricRegistry()),
                readiness: Readiness())
            do throws(TapeError) {
                for stream in allStreams { try client.requireStream(stream) }
                return client
            } catch {
                client.close()
                throw error
            }
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
        case .missingStream: .refused(error.description)
        case .nats, .jetStream: .unreachable(error.description)
        }
    }

    func openDatabase() throws(ToolError) -> PostgresConnection {
        guard let postgres else {
            throw .usage(
                "no database is named: set POSTGRES_HOST, POSTGRES_DB, POSTGRES_USER and "
                    + "POSTGRES_PASSWORD (or POSTGRES_PASSWORD_FILE)")
        }
        do throws(PostgresError) {
            return try PostgresConnection(postgres, timeout: Self.connectTimeout)
        } catch {
            throw .unreachable("\(error)")
        }
    }
}
