import Membership
import ServiceRuntime
import TapeProtocol

/// The processes of a local stack, with their order, arguments and environment. Pure: the same
/// inputs give the same plan.
struct StackPlan: Equatable, Sendable {
    static let databasePrograms = ["initdb", "pg_isready", "postgres", "psql"]
    static let gateway = "provider-gateway"
    static let worker = "operator-worker"
    static let cockpit = "cockpit"
    static let servicePrograms = [gateway, worker, "store-writer", cockpit]
    /// The unit that carries out what people ask for in the cockpit.
    static let actions = "actions"
    static let loopback = "127.0.0.1"
    static let database = "tapeline"
    static let migrator = "tapeline_migrator"
    static let writer = "tapeline_writer"
    static let reader = "tapeline_reader"
    /// NATS' user for programs that use the data.
    static let natsConsumer = "consumer"
    static let valkeyWriter = "writer"
    static let valkeyReader = "reader"
    /// The user of Valkey who has its users read again.
    static let valkeyKeys = "keys"
    /// The least that nats-server may store, and its room for buckets and letters.
    static let natsStoreBytesMin: Int64 = 8 << 30
    static let natsSpareBytes: Int64 = 2 << 30
    /// The environment variable of every process of a stack that names the stack's folder. It
    /// identifies what a killed supervisor left running.
    static let marker = "TAPELINE_STACK"
    /// OpenSSL's variable of the file of authorities.
    static let authoritiesKey = "SSL_CERT_FILE"

    let checkout: Checkout
    let home: StackHome
    let ports: StackPorts
    let secrets: StackSecrets
    let settings: StackSettings
    /// The sources that have a gateway.
    let sources: [StackSource]
    /// The stores beside the usual one.
    var stores: [GroupName] = []
    /// Those of these whose tables are elsewhere.
    var storeURLs: [GroupName: StoreURL] = [:]
    /// False for only the servers, when the services are started by hand.
    var withServices = true
    /// The stack's copy of the graph's file, from which its workers start; `nil` before there is
    /// one.
    var graph: String?
    /// The simulated venues that supply ticks, as processes of the stack.
    var simulators: [SimulatedVenue] = []
    /// The file of certificate authorities, where it is not the system's own.
    var authorities: String?

    /// The processes in the order of their stages.
    var units: [UnitPlan] {
        let all = servers + (withServices ? services : [])
        return all.map { unit in
            var marked = unit
            marked.environment[StackPlan.marker] = home.path
            marked.environment[StackPlan.authoritiesKey] = authorities
            marked.environment["PATH"] = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
            return marked
        }
    }

    // MARK: servers

    private var servers: [UnitPlan] {
        let venues = simulators.map { venue in
            SimulatorPlan(venue: venue, ports: ports, settings: settings(of: venue))
                .unit(checkout: checkout, home: home)
        }
        return [nats, valkey] + venues + [clusterJob, postgres, setupJob]
            + allStores.filter { storeURLs[$0] == nil }.map(databaseJob)
    }

    private var nats: UnitPlan {
        let monitor = ports[.natsMonitor]
        return UnitPlan(
            name: "nats-server", kind: .server, stage: 0, executable: checkout.natsServer,
            arguments: ["--config", home.natsConfiguration],
            environment: [
                "NATS_SERVER_NAME": quoted("tapeline-\(home.name)"),
                "NATS_HOST": StackPlan.loopback,
                "NATS_PORT": "\(ports[.nats])",
                "NATS_MONITOR_PORT": "\(monitor)",
                "NATS_STORE_DIR": quoted(home.natsStore),
                "NATS_STORE_BYTES_MAX": "\(natsStoreBytes)",
            ],
            check: .http(port: monitor, path: "/healthz?js-enabled-only=true"),
            logPath: home.log("nats-server"), address: address(.nats))
    }

    /// The bytes that nats-server may store: the tape's streams, and what else it stores.
    private var natsStoreBytes: Int64 {
        do throws(ToolError) {
            let stream = try SetupCommand().sizes(settings.environment(for: .writer)).stream
            let streams = Int64(TapeNames.tickStreams + 1)
            let (bytes, overflow) = stream.multipliedReportingOverflow(by: streams)
            guard !overflow, bytes < .max - Self.natsSpareBytes else { return .max }
            return max(Self.natsStoreBytesMin, bytes + Self.natsSpareBytes)
        } catch {
            // The check of the configuration names what is wrong with the value.
            return Self.natsStoreBytesMin
        }
    }

    /// The passwords of NATS' users, as variables of its configuration. Only in a file a running
    /// server finds another one.
    private var natsPasswords: String {
        let users: [(name: String, secret: StackSecrets.Name)] = [
            ("GATEWAY", .natsGateway), ("OPERATOR", .natsOperator), ("WRITER", .natsWriter),
            ("COCKPIT", .natsCockpit), ("ACTIONS", .natsActions), ("CONSUMER", .natsConsumer),
            ("TOOL", .natsTool),
        ]
        var lines = ""
        for user in users { lines += "NATS_\(user.name)_PASSWORD: \"\(secrets[user.secret])\"\n" }
        for store in stores {
            lines += "\(StoreRights.passwordVariable(of: store)): \"\(secrets[writerOf: store])\"\n"
        }
        for (group, secret) in secrets.followers.sorted(by: { $0.key.text < $1.key.text }) {
            lines += "\(FollowerRights.passwordVariable(of: group)): \"\(secret)\"\n"
        }
        return lines
    }

    /// Returns the shipped configuration with the passwords, the users of further stores and of
    /// groups that follow the tape, and the same permissions for the streams of this stack's
    /// namespace, as the file itself instructs.
    func natsConfiguration(shipped: String) throws(ToolError) -> String {
        let followers = secrets.followers.keys.sorted { $0.text < $1.text }
        let shipped =
            try natsPasswords
            + FollowerRights(groups: followers).configuration(
                shipped: StoreRights(further: stores).configuration(shipped: shipped))
        guard settings.namespace != TapeNames.defaultNamespace else { return shipped }
        let own = "\(settings.namespace.uppercased())_"
        return shipped.split(separator: "\n", omittingEmptySubsequences: false)
            .map { line in
                let other = line.replacing("MD_", with: own)
                    .replacing("KV_md_", with: "KV_\(settings.namespace)_")
                return other == line ? "\(line)" : "\(line)\n\(other)"
            }
            .joined(separator: "\n")
    }

    /// Makes the streams, because the services' users may not.
    private var setupJob: UnitPlan {
        UnitPlan(
            name: "setup", kind: .job, stage: 1, executable: checkout.program("tapeline"),
            arguments: ["setup"],
            environment: nats("tool", .natsTool)
                .merging(settings.environment(for: .writer)) { $1 },
            logPath: home.log("setup"))
    }

    private var valkey: UnitPlan {
        UnitPlan(
            name: "valkey", kind: .server, stage: 0,
            executable: checkout.valkeyServer, arguments: [home.valkeyConfiguration],
            check: .valkey(
                port: ports[.valkey], user: StackPlan.valkeyReader,
                passwordFile: home.secret(StackSecrets.Name.valkeyReader.rawValue)),
            logPath: home.log("valkey"), address: address(.valkey))
    }

    var valkeyConfiguration: String {
        """
        include \(quoted(checkout.deploy("valkey/valkey.conf")))
        bind \(StackPlan.loopback)
        port \(ports[.valkey])
        dir \(quoted(home.valkeyFolder))
        aclfile \(quoted(home.valkeyUsers))

        """
    }

    /// Returns the file of Valkey's users, which has no comments. Passwords must be in a file,
    /// because every user can read a command line. `shipped` is the shipped file of users.
    func valkeyUsers(shipped: String) -> String {
        shipped.split(separator: "\n").filter { $0.hasPrefix("user ") }
            .map {
                $0.replacing("$VALKEY_WRITER_PASSWORD", with: secrets[.valkey])
                    .replacing("$VALKEY_READER_PASSWORD", with: secrets[.valkeyReader])
                    .replacing("$VALKEY_KEYS_PASSWORD", with: secrets[.valkeyKeys]) + "\n"
            }
            .joined()
    }

    private var clusterJob: UnitPlan {
        UnitPlan(
            name: "postgres-files", kind: .job, stage: 0,
            executable: checkout.deploy("local/initdb.sh"),
            arguments: [
                checkout.databaseProgram("initdb"), home.postgresData,
                home.secret(StackSecrets.Name.postgresOwner.rawValue),
            ],
            startLimit: .seconds(120), logPath: home.log("postgres-files"))
    }

    private var postgres: UnitPlan {
        UnitPlan(
            name: "postgres", kind: .server, stage: 1,
            executable: checkout.notRoot,
            arguments: [
                "-o", home.postgresData, checkout.databaseProgram("postgres"),
                "-D", home.postgresData,
                "--config-file=\(checkout.deploy("local/postgresql.conf"))",
                "--listen-addresses=\(StackPlan.loopback)", "--port=\(ports[.postgres])",
            ],
            check: .command(
                checkout.databaseProgram("pg_isready"),
                ["-q", "-h", StackPlan.loopback, "-p", "\(ports[.postgres])", "-U", "postgres"]),
            stopSignal: 2, logPath: home.log("postgres"), address: address(.postgres))
    }

    /// libpq's password file.
    var passwordFile: String {
        passwordLine("postgres", .postgresOwner)
            + passwordLine(StackPlan.migrator, .postgresMigrator)
            + passwordLine(StackPlan.writer, .postgresWriter) + readerPasswordFile
    }

    var readerPasswordFile: String { passwordLine(StackPlan.reader, .postgresReader) }

    /// Returns host:port:database:user:password.
    private func passwordLine(_ user: String, _ secret: StackSecrets.Name) -> String {
        "\(StackPlan.loopback):\(ports[.postgres]):*:\(user):\(secrets[secret])\n"
    }

    // MARK: services

    private var services: [UnitPlan] {
        let gateways = sources.enumerated().map { gateway($1, isFirst: $0 == 0) }
        let operators = nats("operator", .natsOperator)
            .merging(settings.environment(for: .operators)) { $1 }
            .merging(graph.map { [ProofGraph.graphKey: $0] } ?? [:]) { $1 }
        let workers = [
            service("\(Self.worker)-a", Self.worker, ports[.operatorA], operators),
            service("\(Self.worker)-b", Self.worker, ports[.operatorB], operators),
        ]
        var pages = service(Self.cockpit, Self.cockpit, ports[.cockpit], cockpitEnvironment)
        pages.address = cockpitAddress
        return allStores.map(migrateJob) + gateways + workers + allStores.map(writerService)
            + [actionsService, pages] + alertUnits
    }

    private var actionsService: UnitPlan {
        UnitPlan(
            name: Self.actions, kind: .service, stage: 4, executable: checkout.program("tapeline"),
            arguments: ["actions", "serve"],
            environment: writerEnvironment(of: .store).merging(nats("actions", .natsActions)) { $1 }
                .merging(actionsKey) { $1 }
                .merging(settings.environment(for: .writer)) { $1 },
            // An action that is under way is ended and noted.
            stopGrace: .seconds(15), logPath: home.log(Self.actions))
    }

    private var actionsKey: [String: String] {
        ["COCKPIT_ACTIONS_KEY_FILE": home.secret(StackSecrets.Name.actionsKey.rawValue)]
    }

    /// The person who may act in the cockpit: the stack's user, with the stack's token.
    func cockpitPeople(user: String) -> String {
        "\(user):\(WebDigest.sha256(secrets[.cockpitToken]))\n"
    }

    /// The cockpit reads as people do, and asks the pages of all services.
    private var cockpitEnvironment: [String: String] {
        let gateways = sources.enumerated().map {
            $0 == 0 ? ports[.gateway] : ports[gateway: $1.name]
        }
        let services =
            gateways + [ports[.operatorA], ports[.operatorB], ports[.writer]]
            + stores.map { ports[writerOf: $0] }
        return nats("cockpit", .natsCockpit).merging(actionsKey) { $1 }.merging([
            "POSTGRES_HOST": StackPlan.loopback, "POSTGRES_PORT": "\(ports[.postgres])",
            "POSTGRES_DB": StackPlan.database, "POSTGRES_USER": StackPlan.reader,
            "POSTGRES_PASSWORD_FILE": home.secret(StackSecrets.Name.postgresReader.rawValue),
            "POSTGRES_SSLMODE": "disable", "COCKPIT_PORT": "\(ports[.cockpitPages])",
            "VALKEY_HOST": StackPlan.loopback, "VALKEY_PORT": "\(ports[.valkey])",
            "VALKEY_USER": StackPlan.valkeyReader,
            "VALKEY_PASSWORD_FILE": home.secret(StackSecrets.Name.valkeyReader.rawValue),
            "COCKPIT_STACK": home.name == StackHome.defaultName ? "" : home.name,
            "COCKPIT_SIMULATED": sources.filter(\.isSimulated).map(\.name)
                .joined(separator: ","),
            "COCKPIT_ACTIONS": "true", "COCKPIT_PEOPLE": home.cockpitPeople,
            "COCKPIT_SERVICES": services.map { "\(StackPlan.loopback):\($0)" }
                .joined(separator: ","),
            "COCKPIT_PROMETHEUS": sendsAlerts ? "http://\(address(.prometheus))" : "",
        ]) { $1 }.merging(settings.environment(for: .cockpit)) { $1 }
    }

    /// The address of the pages for people.
    var cockpitAddress: String { Self.cockpitAddress(ports, settings["COCKPIT_PORT"]) }

    /// Returns that address of a stack with these ports, and with this setting if it is not `nil`.
    static func cockpitAddress(_ ports: StackPorts, _ setting: String?) -> String {
        "http://\(loopback):\(setting ?? "\(ports[.cockpitPages])")/"
    }

    /// The providers that poll a service. The shipped list of each is called like it.
    private static let polled = ["fred", "coingecko", "alternative-me"]

    /// The gateway of a source. That of the stack's first source has no name of its own.
    private func gateway(_ source: StackSource, isFirst: Bool) -> UnitPlan {
        let own = isFirst ? "" : "-\(source.name)"
        var environment = nats("gateway", .natsGateway)
        environment["GATEWAY_PROVIDER"] = source.provider
        environment["GATEWAY_SOURCE"] = source.name
        // Each source has a folder in it.
        environment["GATEWAY_SPOOL"] = home.spool
        environment["GATEWAY_DEAD_LETTERS"] = "\(home.deadLetters)/gateway\(own)"
        for venue in source.simulators {
            environment.merge(SimulatorPlan.gatewayEnvironment(venue, ports)) { $1 }
        }
        // Stocks and coins never share a source.
        if let venue = SimulatedVenue.all(of: source.provider).first {
            environment["GATEWAY_INSTRUMENTS"] = checkout.instruments(venue.instruments)
        } else if let polled = Self.polled.first(where: { source.provider == $0 }) {
            environment["GATEWAY_INSTRUMENTS"] = checkout.instruments(polled)
        }
        for settings in [settings.limited(to: [.all]), source.settings] {
            environment.merge(settings.environment(for: .gateway)) { $1 }
        }
        return service(
            StackPlan.gateway + own, StackPlan.gateway,
            isFirst ? ports[.gateway] : ports[gateway: source.name], environment)
    }

    /// Returns the settings of a simulator, from all sources that it feeds.
    private func settings(of venue: SimulatedVenue) -> StackSettings {
        sources.filter { $0.simulators.contains(venue) }
            .reduce(sources.isEmpty ? settings : StackSettings()) { $0.merging($1.settings) }
    }

    func service(
        _ name: String, _ program: String, _ port: UInt16, _ environment: [String: String]
    ) -> UnitPlan {
        let own = [
            "OPS_ADDRESS": StackPlan.loopback, "OPS_PORT": "\(port)", "LOG_FORMAT": "json",
            "MDS_MEMBER": name,
        ]
        return UnitPlan(
            name: name, kind: .service, stage: 4, executable: checkout.program(program),
            // What a person has set is in `environment` and counts.
            environment: own.merging(environment) { $1 },
            check: .http(port: port, path: "/readyz"), stopGrace: .seconds(12),
            logPath: home.log(name), address: "http://\(StackPlan.loopback):\(port)/status",
            operationsPort: port)
    }

    func nats(_ user: String, _ secret: StackSecrets.Name) -> [String: String] {
        nats(user, file: secret.rawValue)
    }

    func nats(_ user: String, file: String) -> [String: String] {
        [
            "NATS_URL": "nats://\(address(.nats))", "NATS_USER": user,
            "NATS_MONITOR_URL": "http://\(address(.natsMonitor))",
            "NATS_PASSWORD_FILE": home.secret(file),
        ]
    }

    func address(_ port: StackPorts.Name) -> String {
        "\(StackPlan.loopback):\(ports[port])"
    }

    /// Quotes text for the configurations of NATS and Valkey, because a path may contain blanks.
    private func quoted(_ text: String) -> String {
        let escaped = text.map { "\\\"".contains($0) ? "\\\($0)" : String($0) }
        return "\"\(escaped.joined())\""
    }
}
