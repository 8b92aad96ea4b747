import Foundation
import Primitives
import Synchronization
import TestSupport
import Testing

/// All services on real servers: a gateway, two operator workers, a store writer. All processes end
/// with this value.
final class Pipeline: Sendable {
    /// A process of a run: its product, and a number among processes of the same kind.
    struct Role: Hashable, Sendable, CustomStringConvertible {
        let product: String
        let number: Int

        static func gateway(_ number: Int) -> Role {
            Role(product: "provider-gateway", number: number)
        }
        static func worker(_ number: Int) -> Role {
            Role(product: "operator-worker", number: number)
        }
        static func writer(_ number: Int) -> Role {
            Role(product: "store-writer", number: number)
        }

        static let gateway = gateway(0)
        static let writer = writer(0)

        /// The default roles: two workers divide the partitions.
        static let usual = [gateway, worker(0), worker(1), writer]
        static let kinds = [gateway, worker(0), writer]
        /// One more of each kind, beside the usual ones.
        static let further = [gateway(9), worker(9), writer(9)]

        /// The name of the member, which must be the same after a restart.
        var description: String { "\(product)-\(number)" }
    }

    /// The gateway's ticks. With a `backlog` they begin in the past, so most of their minutes are
    /// closed when the last tick is on the tape.
    struct Load {
        /// All ticks of the source; 0: it has no end before `endSource()`.
        var ticks = 20_000
        var rate = 250
        var pace = "realtime"
        var backlogSeconds = 0
        var seed: UInt64 = 1
        /// The maximum size of each stream of the tape.
        var streamBytes = "256MiB"
    }

    let folder: TemporaryFolder
    /// The only server of NATS, or the first one of `cluster`.
    let nats: NatsServer
    /// Three servers, with three copies of everything. `nil` where there is one.
    let cluster: NatsCluster?
    /// The proxy between the services and NATS. `nil` without one.
    let proxy: NatsProxy?
    let postgres: PostgresServer
    let valkey: ValkeyServer
    let database: String
    /// If set, NATS and the database accept only TLS, as `localhost`; see `serverCertificate`.
    private let certificates: Certificates?
    private let state: Mutex<State>
    private let writerPassword = "writer-secret-9d1"

    private struct State {
        var load: Load
        var running: [Role: ServiceProcess] = [:]
        var starts = 0
    }

    var load: Load { state.withLock { $0.load } }

    private(set) var running: [Role: ServiceProcess] {
        get { state.withLock { $0.running } }
        set { state.withLock { $0.running = newValue } }
    }

    private static let valkeyPassword = "hot-secret-2c7"
    static let valkeyReaderPassword = "reader-secret-77d"

    static let namespace = "md"
    /// The default of MDS_PARTITIONS.
    static let partitions = 8
    /// The passwords of the shipped configuration's users.
    static let natsPasswords = [
        "gateway": "gateway-secret-51c", "operator": "operator-secret-7b2",
        "writer": "writer-secret-3e8", "cockpit": "cockpit-secret-6d8",
        "actions": "actions-secret-7e1",
        "consumer": "consumer-secret-9f1", "tool": "tool-secret-a40",
    ]

    var secrets: [String] {
        Array(Self.natsPasswords.values)
            + [writerPassword, PostgresServer.password, Self.valkeyPassword]
            + [Self.valkeyReaderPassword]
    }

    /// Starts the servers, migrates a fresh database and makes the streams, but starts no service.
    /// `store` is where the tape is stored, if not in the server's own folder. `syncInterval`
    /// overrides the shipped one. Without a writer no database is needed.
    init(
        _ load: Load = Load(), timescale: Bool = true, postgres: PostgresServer? = nil,
        store: String? = nil, syncInterval: String? = nil, throughProxy: Bool = false,
        certificates: Certificates? = nil, withStreams: Bool = true, withDatabase: Bool = true,
        isCluster: Bool = false
    ) throws {
        state = Mutex(State(load: load))
        self.certificates = certificates
        folder = try TemporaryFolder("pipeline")
        let shipped = try Self.optionsAsShipped(
            store: store, syncInterval: syncInterval, certificates: certificates)
        cluster = isCluster ? try NatsCluster(shipped) : nil
        nats = try cluster?.nodes[0] ?? NatsServer(shipped)
        proxy = throughProxy ? try NatsProxy(to: nats.port) : nil
        self.postgres = try postgres ?? Self.postgres(certificates, folder)
        valkey = try ValkeyServer(users: try Self.valkeyUsersAsShipped())
        database = "pipeline_\(UUID().uuidString.prefix(8).lowercased())"
        if withDatabase { try makeDatabase(timescale: timescale) }
        if withStreams { try setUp() }
    }

    deinit { for service in running.values { service.kill() } }

    private func makeDatabase(timescale: Bool) throws {
        try postgres.createDatabase(database, timescale: timescale)
        try postgres.psql(
            "CREATE ROLE \(database) LOGIN PASSWORD '\(writerPassword)'", database: database)
        try migrate()
    }

    /// Starts NATS with the users, permissions and disk writes of `deploy/nats/server.conf`.
    static func natsAsShipped(
        store: String? = nil, syncInterval: String? = nil, certificates: Certificates? = nil
    ) throws -> NatsServer {
        try NatsServer(
            optionsAsShipped(
                store: store, syncInterval: syncInterval, certificates: certificates))
    }

    private static func optionsAsShipped(
        store: String?, syncInterval: String?, certificates: Certificates?
    ) throws -> NatsServer.Options {
        let path = "\(ServerPrograms.checkout)/deploy/nats/server.conf"
        let shipped = try String(contentsOfFile: path, encoding: .utf8)
        let start = try #require(shipped.range(of: "\nauthorization {"))
        var rights = String(shipped[start.lowerBound...])
        for (user, password) in natsPasswords {
            rights = rights.replacingOccurrences(
                of: "$NATS_\(user.uppercased())_PASSWORD", with: "\"\(password)\"")
        }
        var options = NatsServer.Options()
        options.extra = try rights + (certificates.map(tlsAsShipped) ?? "")
        // The monitor has no TLS. It takes any free port.
        if certificates != nil { options.extra += "\nhttp: \"127.0.0.1:-1\"\n" }
        let always = try #require(shipped.firstMatch(of: /\n +sync_interval: (\w+)/)).1
        options.syncInterval = syncInterval ?? String(always)
        options.store = store
        return options
    }

    /// Returns the users of `deploy/valkey/users.conf`. The default user, which that file disables,
    /// is for the test itself.
    private static func valkeyUsersAsShipped() throws -> String {
        try String(
            contentsOfFile: "\(ServerPrograms.checkout)/deploy/valkey/users.conf", encoding: .utf8
        )
        .replacing("user default off\n", with: "")
        .replacing("$VALKEY_WRITER_PASSWORD", with: valkeyPassword)
        .replacing("$VALKEY_READER_PASSWORD", with: valkeyReaderPassword)
        .replacing("$VALKEY_KEYS_PASSWORD", with: valkeyReaderPassword)
    }

    /// The name of the servers' certificate file.
    static let serverCertificate = "server"

    private static func tlsAsShipped(_ certificates: Certificates) throws -> String {
        try String(
            contentsOfFile: "\(ServerPrograms.checkout)/deploy/nats/tls.conf", encoding: .utf8
        )
        .replacing(
            "$NATS_SERVER_CERTIFICATE", with: "\"\(certificates.certificate(serverCertificate))\""
        )
        .replacing("$NATS_SERVER_KEY", with: "\"\(certificates.key(serverCertificate))\"")
    }

    private static func postgres(
        _ certificates: Certificates?, _ folder: TemporaryFolder
    ) throws -> PostgresServer {
        guard let certificates else { return try PostgresServer.shared() }
        let rules = try folder.write("hostssl all all all scram-sha-256\n", to: "pg_hba.conf")
        return try PostgresServer(
            settings: ["ssl=on", "ssl_cert_file=server.crt", "ssl_key_file=server.key"],
            files: [
                "server.crt": certificates.certificate(serverCertificate),
                "server.key": certificates.key(serverCertificate), "pg_hba.conf": rules,
            ])
    }

    /// Migrates the pipeline's database, or another one of its server.
    func migrate(_ other: String? = nil) throws {
        let environment = migratorEnvironment.merging(["POSTGRES_DB": other ?? database]) { $1 }
        try runProgram("store-writer", ["migrate"], environment)
    }

    /// Makes the streams as the tool `tapeline` does, or enlarges existing ones.
    func setUp(streamBytes: String? = nil) throws {
        var tool = environment(.gateway)
        tool["NATS_USER"] = "tool"
        tool["NATS_PASSWORD"] = Self.natsPasswords["tool"]
        tool["MDS_STREAM_BYTES"] = streamBytes ?? load.streamBytes
        try runProgram("tapeline", ["setup"], tool)
    }

    /// Writes the source's recording to a file, as the tool `tapeline` does.
    func record(_ source: String, to path: String) throws {
        try runProgram(
            "tapeline", ["record", "--source", source, "-o", path, "--no-bars"], toolEnvironment)
    }

    /// Runs a program to its end, which has to be a success.
    private func runProgram(
        _ product: String, _ arguments: [String], _ environment: [String: String]
    ) throws {
        let run = try ServiceProcess(
            product, arguments, environment: environment, folder: folder,
            label: "\(arguments.first ?? product)-\(nextStart())")
        guard run.exitCode() == 0 else {
            throw ServiceProcess.NotStarted(
                description: "\(product) \(arguments) failed:\n\(run.output)")
        }
        run.expectCleanOutput(secrets: secrets)
    }

    private func nextStart() -> Int {
        state.withLock {
            $0.starts += 1
            return $0.starts
        }
    }

    // MARK: services

    var migratorEnvironment: [String: String] {
        environment(.writer).merging([
            "POSTGRES_MIGRATOR_USER": PostgresServer.user,
            "POSTGRES_MIGRATOR_PASSWORD": PostgresServer.password,
            "WRITER_MIGRATIONS": "\(ServerPrograms.checkout)/deploy/postgres",
        ]) { $1 }
    }

    func environment(_ role: Role) -> [String: String] {
        var keys = [
            "NATS_URL": proxy?.url ?? nats.url, "MDS_NAMESPACE": Self.namespace, "OPS_PORT": "0",
            "LOG_FORMAT": "json", "MDS_MEMBER": "\(role)",
        ]
        let user: String
        switch role.product {
        case Role.gateway.product:
            user = "gateway"
            keys["MDS_STREAM_BYTES"] = load.streamBytes
            keys["SYNTHETIC_TICKS"] = "\(load.ticks)"
            keys["SYNTHETIC_RATE"] = "\(load.rate)"
            keys["SYNTHETIC_PACE"] = load.pace
            keys["SYNTHETIC_BACKLOG"] = "\(load.backlogSeconds)s"
            keys["SYNTHETIC_SEED"] = "\(load.seed)"
            keys["GATEWAY_SPOOL"] = folder.file("spool-\(role)")
        case Role.worker(0).product:
            user = "operator"
            keys["MDS_STREAM_BYTES"] = load.streamBytes
        default:
            user = "writer"
            keys["POSTGRES_PORT"] = "\(postgres.port)"
            keys["POSTGRES_DB"] = database
            keys["POSTGRES_USER"] = database
            keys["POSTGRES_PASSWORD"] = writerPassword
            // The tests' database does not sync.
            keys["WRITER_DATABASE_DURABLE"] = "false"
            keys["VALKEY_PORT"] = "\(valkey.port)"
            keys["VALKEY_USER"] = "writer"
            keys["VALKEY_PASSWORD"] = Self.valkeyPassword
        }
        keys["NATS_USER"] = user
        keys["NATS_PASSWORD"] = Self.natsPasswords[user]
        if let cluster {
            keys["NATS_URL"] = cluster.urls.joined(separator: ",")
            keys["MDS_REPLICAS"] = "\(NatsCluster.size)"
            // That of the production overlays.
            keys["MDS_LEASE"] = "2s"
        }
        guard let authority = certificates?.certificate("authority") else { return keys }
        keys["NATS_URL"] = "tls://localhost:\(nats.port)"
        keys["NATS_TLS_CA"] = authority
        if user == "writer" {
            keys["POSTGRES_HOST"] = "localhost"
            keys["POSTGRES_SSLMODE"] = "verify-full"
            keys["POSTGRES_SSLROOTCERT"] = authority
        }
        return keys
    }

    /// Makes a process that the caller keeps. It may run beside the present one of its role.
    func makeProcess(
        _ role: Role, _ changes: [String: String] = [:], arguments: [String] = []
    ) throws -> ServiceProcess {
        try ServiceProcess(
            role.product, arguments, environment: environment(role).merging(changes) { $1 },
            folder: folder, label: "\(role)-\(nextStart())")
    }

    func start(_ roles: Role...) throws {
        for role in roles { running[role] = try makeProcess(role) }
    }

    func startAll() throws { for role in Role.usual { try start(role) } }

    /// Sets the number of processes of a kind, numbered from 0, by starting or ending some.
    func scale(_ kind: (Int) -> Role, to count: Int) throws {
        for number in 0..<count where running[kind(number)] == nil { try start(kind(number)) }
        let surplus = running.keys.filter { $0.product == kind(0).product && $0.number >= count }
        for role in surplus.sorted(by: { $0.number < $1.number }) {
            #expect(try end(role) == 0, "\(role)")
        }
    }

    /// Sends SIGTERM and returns the exit code.
    func end(_ role: Role) throws -> Int32? {
        let service = try service(role)
        let code = service.stop()
        service.expectCleanOutput(secrets: secrets)
        running[role] = nil
        return code
    }

    func inspector() throws -> TapeInspector {
        try TapeInspector(
            port: nats.port, user: "tool", password: try #require(Self.natsPasswords["tool"]))
    }

    /// Returns the recorded owner of each partition of each group.
    func owners() throws -> [String: TapeInspector.Owner] {
        try inspector().owners(namespace: Self.namespace)
    }

    /// Waits until this many members of the role's kind own equal shares of all partitions.
    func expectShared(
        _ role: Role, among count: Int, _ location: SourceLocation = #_sourceLocation
    ) throws {
        let group = role.product == Role.writer.product ? "store" : "operator"
        var shares: [String: Int] = [:]
        let isShared = eventually {
            shares = [:]
            // Nobody answers while a cluster elects the leader of the records.
            guard let owners = try? owners() else { return false }
            for (key, owner) in owners where key.hasPrefix("\(group).") {
                shares[owner.member, default: 0] += 1
            }
            return shares.values.reduce(0, +) == Self.partitions && shares.count == count
                && (shares.values.max() ?? 0) - (shares.values.min() ?? 0) <= 1
        }
        let logs = running.filter { $0.key.product == role.product }.values
            .map { $0.output.suffix(1_500) }.joined(separator: "\n")
        #expect(
            isShared, "\(group) among \(count): \(shares)\n\(logs)", sourceLocation: location)
    }

    func service(_ role: Role) throws -> ServiceProcess { try #require(running[role]) }

    /// Makes the other process the one of its role.
    func replace(_ role: Role, by other: ServiceProcess) { running[role] = other }

    /// Sends SIGKILL and starts the process again immediately.
    func killAndRestart(_ role: Role) throws {
        let victim = try service(role)
        victim.kill()
        victim.expectCleanOutput(secrets: secrets)
        try start(role)
    }

    func query(_ sql: String) throws -> String {
        try postgres.psql("SET search_path TO \(Self.namespace); \(sql)", database: database)
    }

    /// Returns the one number that a query has; -1: it has none.
    func number(_ sql: String) throws -> Int { Int(try query(sql)) ?? -1 }

    /// Expects ticks to reach the tape and the database.
    func expectFlow(_ location: SourceLocation = #_sourceLocation) throws {
        let rows = try number("SELECT count(*) FROM trades")
        let flows = try eventually { try number("SELECT count(*) FROM trades") > rows }
        #expect(flows, "no row after \(rows)", sourceLocation: location)
    }

    // MARK: the end of a run

    /// How many ticks the gateway has made.
    var generated: Int {
        get throws { try service(.gateway).status().at("gateway", "generated")?.int ?? 0 }
    }

    /// Returns the last packet of each lane of ticks.
    func lastOrdinals() throws -> [TapeInspector.Head] {
        let inspector = try inspector()
        return try (0..<4).flatMap {
            try inspector.heads(stream: "MD_TICKS_\($0)", filter: "md.ticks.*.*")
        }
    }

    /// Ends a source without end. Its gateways are restarted with a number of ticks that it reaches
    /// soon, so that a load lasts exactly as long as its test.
    func endSource() throws {
        let gateways = running.keys.filter { $0.product == Role.gateway.product }
            .sorted { $0.number < $1.number }
        for role in gateways {
            let gateway = try service(role)
            #expect(try gateway.becomesReady())
            // What is not on the tape yet may be more than the ticks that are added.
            let spooled = #"mds_gateway_spool_ticks{source="synthetic"}"#
            let isOnTape = try eventually {
                let status = try gateway.status()["gateway"]
                guard status?["role"]?.string == "active" else { return true }
                return try status?["waiting"]?.int == 0 && gateway.metric(spooled) ?? 0 == 0
            }
            #expect(isOnTape, "\(gateway.output.suffix(1_500))")
        }
        let environments = try gateways.map { try service($0).environment }
        for role in gateways { #expect(try end(role) == 0) }
        let onTape = try lastOrdinals().reduce(0) { $0 + Int($1.lastOrdinal) }
        // What is due until they are back is made at once.
        state.withLock { $0.load.ticks = onTape + 2 * $0.load.rate }
        let ticks = ["SYNTHETIC_TICKS": "\(load.ticks)"]
        for (role, environment) in zip(gateways, environments) {
            running[role] = try makeProcess(role, environment.merging(ticks) { $1 })
        }
    }

    /// Waits until the source has finished, everything is stored, and each trade is in a bar of the
    /// given series.
    func expectDrained(series: [String] = ["1s"], within seconds: Double = 120) throws {
        var state = ""
        func reached(_ what: String, _ condition: () throws -> Bool) throws {
            let isReached = try eventually(within: seconds, condition)
            if !isReached {
                let logs = running.values.map { $0.output.suffix(1_500) }.joined(separator: "\n")
                Issue.record("never: \(what) (\(state))\n\(logs)")
            }
        }
        try reached("the source finishes") {
            // One of the gateways is active. A standby has generated nothing.
            let gateways = try running.filter { $0.key.product == Role.gateway.product }.values
                .map { try $0.status() }
            state = "\(gateways.map { $0.at("gateway", "generated")?.int ?? 0 }) ticks"
            return gateways.contains {
                $0.at("gateway", "finished")?.bool == true
                    && $0.at("gateway", "waiting")?.int == 0
            }
        }
        try reached("every tick is a row") {
            let rows = try number(
                "SELECT (SELECT count(*) FROM trades) + (SELECT count(*) FROM quotes)")
            state = "\(rows) rows"
            return rows >= load.ticks
        }
        let trades = try number("SELECT count(*) FROM trades")
        for name in series {
            try reached("every trade is in a bar of \(name)") {
                let counted = try number(
                    "SELECT coalesce(sum(trades), 0) FROM bars WHERE series = '\(name)'")
                state = "\(counted) of \(trades) trades"
                return counted >= trades
            }
        }
    }

    /// Expects that generated ticks, ticks on the tape and rows are equal, and that each check of
    /// the audit passes.
    func expectCleanAudit(_ location: SourceLocation = #_sourceLocation) throws {
        let heads = try lastOrdinals()
        let onTape = heads.reduce(0) { $0 + Int($1.lastOrdinal) }
        #expect(onTape == load.ticks, "on the tape", sourceLocation: location)
        let rows = try query(
            """
            SELECT string_agg(format('%s.ticks.%s.%s=%s', '\(Self.namespace)', partition, source,
                last_ordinal), ' ' ORDER BY format('%s.%s', partition, source))
            FROM stored_ticks
            """)
        // A partition in which a symbol may still begin has a lane without ticks.
        #expect(
            Set(rows.split(separator: " ").map(String.init))
                == Set(
                    heads.filter { $0.lastOrdinal > 0 }.map { "\($0.subject)=\($0.lastOrdinal)" }),
            "last ordinals of rows and tape", sourceLocation: location)
        let findings = try Audit().run(
            on: postgres, database: database, schema: Self.namespace)
        for finding in findings {
            #expect(finding.isRight, "\(finding)", sourceLocation: location)
        }
        #expect(
            findings.contains { $0.name == "ticks_stored_once" && $0.found == Decimal(load.ticks) },
            "\(findings)", sourceLocation: location)
        #expect(
            findings.contains { $0.name == "bars_equal_sql" && $0.found > 0 }, "\(findings)",
            sourceLocation: location)
    }

    private var complaintsOfNats: String {
        let lines = nats.log.split(separator: "\n").filter {
            $0.contains("[WRN]") || $0.contains("[ERR]") || $0.contains("Restored")
        }
        return lines.suffix(20).joined(separator: "\n")
    }

    /// Ends all processes together with SIGTERM. Expects a clean end, and no forbidden output.
    func stopAll(_ location: SourceLocation = #_sourceLocation) {
        for service in running.values { service.signal(SIGTERM) }
        for (role, service) in running {
            #expect(
                service.exitCode() == 0,
                "\(role): \(service.output.suffix(2_000))\n\(complaintsOfNats)",
                sourceLocation: location)
            service.expectCleanOutput(secrets: secrets, location)
        }
        running = [:]
    }
}
