import MarketModel
import NatsTransport
import PostgresClient
import TapeProtocol
import ValkeyClient

/// The addresses and credentials with which the tool reaches the servers of a running stack.
struct StackAccess: Sendable {
    let names: TapeNames
    let nats: NatsConfiguration
    let postgres: PostgresConfiguration
    let valkey: ValkeyConfiguration
    let ports: StackPorts

    init(_ stack: Stack) throws(ToolError) {
        let ports = try StackPorts.present(stack.home)
        self.ports = ports
        let secrets = try StackSecrets.open(stack.home)
        guard
            let names = TapeNames(
                namespace: TapeNames.defaultNamespace, partitions: TapeNames.defaultPartitions)
        else { throw .damaged(path: stack.home.path, problem: "no namespace") }
        self.names = names
        var nats = NatsConfiguration(
            urls: ["nats://\(StackPlan.loopback):\(ports[.nats])"], clientName: "tapeline")
        nats.user = "tool"
        nats.password = secrets[.natsTool]
        self.nats = nats
        var postgres = PostgresConfiguration(
            host: StackPlan.loopback, port: ports[.postgres], database: StackPlan.database,
            user: StackPlan.writer, password: secrets[.postgresWriter])
        postgres.settings = [("search_path", names.namespace)]
        postgres.sslMode = .disable
        postgres.applicationName = "tapeline"
        self.postgres = postgres
        valkey = ValkeyConfiguration(
            host: StackPlan.loopback, port: ports[.valkey], user: StackPlan.valkeyReader,
            password: secrets[.valkeyReader])
    }

    /// Returns the command with which a person can audit the database.
    func psqlCommand(_ stack: Stack) -> String {
        "PGPASSFILE=\(stack.home.passwordFile) \(stack.checkout.databaseProgram("psql")) "
            + "-h \(StackPlan.loopback) -p \(ports[.postgres]) -U \(StackPlan.writer) "
            + "-d \(StackPlan.database) -v schema=\(names.namespace) "
            + "-f \(stack.checkout.deploy(AuditScript.path))"
    }
}
