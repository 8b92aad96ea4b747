import NatsTransport
import PostgresClient
import Primitives
import ServiceRuntime
import StoreHTTP
import TapeProtocol
import TapeTransport
import ValkeyClient

/// Looks at all parts of a deployment. What does not answer becomes a finding.
struct Examination {
    let deployment: Deployment
    /// The operations pages of the services.
    let services: [ServicePage]
    private let environment: [String: String]
    private let prometheus: TapeWatch.Monitor?
    /// The processes of a local stack that run. Empty for other deployments.
    private let units: [StackState.Unit]
    /// `nil` for other deployments than a local stack.
    private let stack: StackFacts?

    init(
        _ deployment: Deployment, _ environment: [String: String], _ pages: DoctorCommand.Pages
    ) throws(ToolError) {
        self.deployment = deployment
        self.environment = environment
        let state = try deployment.home.flatMap { home throws(ToolError) in
            try StackState.read(home)
        }
        let units = state?.alive ?? []
        self.units = units
        let ownPrometheus = try deployment.home.flatMap { home throws(ToolError) in
            units.contains { $0.name == StackPlan.prometheus }
                ? TapeWatch.Monitor(
                    host: StackPlan.loopback, port: try StackPorts.present(home)[.prometheus])
                : nil
        }
        prometheus = pages.prometheus ?? ownPrometheus
        stack = state.map { StackFacts($0) }
        let own = units.compactMap { unit in
            unit.operationsPort.map {
                ServicePage(name: unit.name, host: StackPlan.loopback, port: $0)
            }
        }
        services =
            own
            + pages.services.map {
                ServicePage(
                    name: "\($0.host):\($0.port)", host: $0.host, port: $0.port,
                    trust: deployment.operations)
            }
    }

    /// `feeds` are the findings about providers that were tried.
    func report(with feeds: [Finding] = []) throws(ToolError) -> DoctorReport {
        let groups = nats()
        var findings = machine.findings + groups.findings
        findings += database() + valkey() + alerts()
        var facts = groups.services ?? ServiceFacts()
        facts.processes = services.map { $0.process() }
        findings += (stack?.findings ?? []) + feeds
        findings += groups.services == nil ? facts.processFindings : facts.findings
        return DoctorReport(
            title: "\(deployment.title), namespace \(deployment.names.namespace)",
            findings: findings)
    }

    // MARK: parts

    private var machine: MachineFacts {
        let processes = units.compactMap { unit in
            unit.process.map { (name: unit.name, id: $0.id) }
        }
        return MachineLook.facts(
            processes: processes, folders: [deployment.home?.path ?? "/"])
    }

    private func nats() -> (findings: [Finding], services: ServiceFacts?) {
        do {
            let client = try deployment.connect()
            defer { client.close() }
            let look = NatsLook(deployment: deployment, client: client)
            do {
                let sizes = try SetupCommand().sizes(environment)
                return (try look.facts(sizes).findings, try look.groups())
            } catch {
                let refusal = client.complaint.map { " (\($0))" } ?? ""
                return (
                    [
                        Finding(
                            .wrong, .nats, "the tape cannot be looked at: \(error)\(refusal)",
                            "see that JetStream is on, and that NATS_USER is 'tool' or has its "
                                + "rights (deploy/nats/server.conf)", runbook: "Nats")
                    ], nil
                )
            }
        } catch {
            return (
                [
                    Finding(
                        .wrong, .nats, "NATS cannot be used: \(error)",
                        "start it, or correct NATS_URL, NATS_USER and NATS_PASSWORD",
                        runbook: "Nats")
                ], nil
            )
        }
    }

    private func database() -> [Finding] {
        if let server = deployment.server { return database(on: server) }
        guard deployment.postgres != nil else {
            return [
                Finding(
                    .skipped, .database, "no database is named",
                    "set POSTGRES_HOST, POSTGRES_DB, POSTGRES_USER and POSTGRES_PASSWORD")
            ]
        }
        do {
            let session = try deployment.openDatabase()
            defer { session.close() }
            var facts = try DatabaseLook(
                database: session, namespace: deployment.names.namespace
            ).facts()
            facts.known = try migrationFolder.flatMap { folder throws(ToolError) in
                try DatabaseLook.migrations(in: folder)
            }
            facts.freeBytes = try freeBytes(facts)
            return facts.findings
        } catch {
            return [
                Finding(
                    .wrong, .database, "the database cannot be used: \(error)",
                    "start it, or correct POSTGRES_HOST, POSTGRES_USER and POSTGRES_PASSWORD",
                    runbook: "BreakerOpen")
            ]
        }
    }

    private func database(on server: StoreServer) -> [Finding] {
        do throws(StoreServerError) {
            return try StoreServerFacts(server).findings
        } catch {
            let prefix = server.title.uppercased()
            return [
                Finding(
                    .wrong, .database, "the database cannot be used: \(error)",
                    "start it, or correct \(prefix)_URL, \(prefix)_USER and \(prefix)_PASSWORD",
                    runbook: "BreakerOpen")
            ]
        }
    }

    private var migrationFolder: String? {
        if let named = environment["WRITER_MIGRATIONS"], !named.isEmpty { return named }
        return checkout?.deploy("postgres")
    }

    private var checkout: Checkout? {
        do throws(ToolError) {
            return try Checkout.find(home: nil, executable: Checkout.ownExecutable())
        } catch {
            // In an image there is none. What needs it says so.
            return nil
        }
    }

    /// Returns how much the database may still grow, if that is known: up to
    /// WRITER_DATABASE_BYTES, or to the end of the disk of a local stack.
    private func freeBytes(_ facts: DatabaseFacts) throws(ToolError) -> UInt64? {
        let name = "WRITER_DATABASE_BYTES"
        let description = ServiceDescription(
            name: "tapeline", version: ProductVersion.text, summary: "The person's tool.",
            keys: [
                ConfigurationKey(
                    name, .byteCount(0...Int.max), default: "0", group: "Writer",
                    "Bytes that the database may take on its disk.")
            ])
        let limit = try ToolConfiguration.read(
            description, environment.filter { $0.key == name }
        ).integer(name)
        if limit > 0 { return UInt64(limit) - min(UInt64(limit), facts.bytes) }
        return deployment.home.flatMap { MachineLook.disk($0.path)?.freeBytes }
    }

    private func valkey() -> [Finding] {
        guard let configuration = deployment.valkey else {
            return [Finding(.skipped, .valkey, "no Valkey is named", "set VALKEY_HOST")]
        }
        do {
            return try ValkeyLook.facts(configuration, namespace: deployment.names.namespace)
                .findings
        } catch {
            return [
                Finding(
                    .wrong, .valkey, "Valkey cannot be used: \(error)",
                    "start it, or correct VALKEY_HOST, VALKEY_USER and VALKEY_PASSWORD",
                    runbook: "Valkey")
            ]
        }
    }

    private func alerts() -> [Finding] {
        guard let prometheus else {
            return [
                Finding(
                    .skipped, .alerts, "no Prometheus is named: without one alerts reach nobody",
                    "give --prometheus HOST:PORT, or 'tapeline up' ALERTS_WEBHOOK_FILE")
            ]
        }
        let peer = "\(prometheus.host):\(prometheus.port)"
        do {
            let answer = try HTTPProbe.get(
                host: prometheus.host, port: prometheus.port, path: "/api/v1/rules",
                timeout: ServicePage.timeout)
            let wanted = try checkout.map { checkout throws(ToolError) in
                try AlertFacts.shipped(in: checkout.deploy("prometheus"))
            }
            let said = try JSONValue.parse(answer.body)
            guard let facts = AlertFacts(said, peer: peer, wanted: wanted ?? [:]) else {
                return [
                    Finding(
                        .wrong, .alerts, "what answers at \(peer) is no Prometheus",
                        "correct --prometheus")
                ]
            }
            return facts.findings
        } catch {
            return [
                Finding(
                    .wrong, .alerts, "Prometheus does not answer: \(error)",
                    "start it, or correct --prometheus")
            ]
        }
    }
}
