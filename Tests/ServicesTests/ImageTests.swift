import Foundation
import ServiceRuntime
import TestSupport
import Testing

/// Checks Dockerfiles and compose files as text. `make cluster-test` runs them, if Docker is
/// available.
@Suite("What containers are made of")
struct ImageTests {
    private static let composeFiles = [
        "docker-compose.yml", "deploy/compose/load.yml", "deploy/compose/autoscale.yml",
        "deploy/compose/tls.yml", "deploy/compose/tls-load.yml",
        "deploy/compose/nats-cluster.yml", "deploy/compose/nats-cluster-load.yml",
        "deploy/compose/tws.yml", "deploy/compose/clickhouse.yml",
        "deploy/compose/questdb.yml", "deploy/compose/tls-clickhouse.yml",
        "deploy/compose/tls-questdb.yml", "deploy/compose/nats-cluster-clickhouse.yml",
        "deploy/compose/nats-cluster-questdb.yml", "deploy/compose/nats-cluster-tls.yml",
    ]
    static let dockerfiles =
        Service.all.map { "services/\($0.description.name)/Dockerfile" }
        + [
            "deploy/docker/tapeline.Dockerfile", "deploy/docker/ibkr-simulator.Dockerfile",
            "deploy/docker/binance-simulator.Dockerfile",
            "deploy/docker/alpaca-simulator.Dockerfile",
            "deploy/docker/massive-simulator.Dockerfile",
            "deploy/docker/polled-simulator.Dockerfile",
        ]

    /// Returns the variables that a compose file sets, with their values.
    private static func variables(_ path: String) throws -> [(name: String, value: String)] {
        try CheckoutFiles.lines(path).compactMap { line in
            guard let found = line.firstMatch(of: /^\s+([A-Z][A-Z0-9_]+):\s*(.*)$/) else {
                return nil
            }
            return (String(found.1), String(found.2))
        }
    }

    @Test("a service's image asks the service itself how it is", arguments: Service.all)
    func service(service: Service) throws {
        let name = service.description.name
        let port = try #require(service.port)
        let lines = try CheckoutFiles.lines("services/\(name)/Dockerfile")
        #expect(lines.contains("EXPOSE \(port)"))
        #expect(lines.contains(#"    CMD ["\#(name)", "--probe-alive"]"#))
        #expect(lines.contains(#"ENTRYPOINT ["\#(name)"]"#))
    }

    @Test("every image is of this version, is nobody's root, and is built with all packages")
    func dockerfiles() throws {
        let packages =
            try CheckoutFiles.lines("deploy/local/prerequisites.sh")
            .first { $0.contains("libnats-dev") }?.split(separator: " ") ?? []
        #expect(packages.count == 7)
        for path in Self.dockerfiles {
            let lines = try CheckoutFiles.lines(path)
            #expect(lines.contains("USER 10001:10001"), "\(path)")
            #expect(lines.contains("ARG VERSION=\(ProductVersion.text)"), "\(path)")
            // The build and the label each need it: a stage starts without arguments.
            #expect(lines.count { $0 == "ARG REVISION=unknown" } == 2, "\(path)")
            #expect(
                lines.contains { $0.contains(#"TAPELINE_REVISION="$REVISION" swift build "#) },
                "\(path)")
            for package in packages {
                #expect(lines.contains { $0.contains(" \(package) ") }, "\(path): \(package)")
            }
        }
    }

    @Test("compose gives no setting that nobody knows", arguments: composeFiles)
    func keys(path: String) throws {
        let catalogue = KeyCatalogue.product
        let known = catalogue.names.union(catalogue.foreignNames).union(Self.serverVariables)
        for (name, _) in try Self.variables(path)
        where catalogue.prefixes.contains(where: { name.hasPrefix($0) }) {
            #expect(known.contains(name), "\(path): \(name)")
        }
    }

    /// The variables of the files in `deploy/nats` and of `deploy/compose/nats.sh`.
    private static let serverVariables: Set = [
        "NATS_SERVER_NAME", "NATS_HOST", "NATS_PORT", "NATS_MONITOR_PORT", "NATS_MONITOR_HOST",
        "NATS_STORE_DIR", "NATS_STORE_BYTES_MAX", "NATS_SERVER_CERTIFICATE", "NATS_SERVER_KEY",
        "NATS_CLUSTER_HOST", "NATS_CLUSTER_PORT", "NATS_CLUSTER_SERVERS", "NATS_CLUSTER_CA",
    ]

    @Test("how many members there are is a setting, so that an up does not take back a --scale")
    func members() throws {
        let lines = try CheckoutFiles.lines("docker-compose.yml")
        for number in ["${OPERATOR_WORKERS:-1}", "${STORE_WRITERS:-1}"] {
            #expect(lines.contains("      replicas: \(number)"))
        }
    }

    @Test("how large streams are is one setting of those who make and who use them")
    func streams() throws {
        let lines = try CheckoutFiles.lines("docker-compose.yml")
        #expect(lines.contains("  MDS_STREAM_BYTES: ${MDS_STREAM_BYTES:-1GiB}"))
        #expect(lines.count { $0.contains("<<: ") && $0.contains("*streams") } == 4)
    }

    @Test("what a person may choose stands in .env.example, with the defaults of the compose files")
    func choices() throws {
        var wanted: [String: String] = [:]
        for path in Self.composeFiles {
            let text = try CheckoutFiles.lines(path).joined(separator: "\n")
            for found in text.matches(of: /\$\{([A-Z_]+):?-([^}]*)\}/) {
                // A file that is named by nobody is an empty one.
                let isSecret = ["_KEY_FILE", "_SECRET_FILE", "_HEADERS_FILE"]
                    .contains(where: found.1.hasSuffix)
                wanted[String(found.1)] = isSecret ? "" : String(found.2)
            }
        }
        let told = try CheckoutFiles.lines(".env.example").filter { !$0.hasPrefix("#") }.map {
            line in
            let parts = line.split(
                separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (String(parts[0]), String(parts.last ?? ""))
        }
        #expect(Dictionary(told) { $1 } == wanted)
        #expect(told.count == wanted.count && wanted.count > 25)
    }

    @Test("what is kept is one setting of who migrates and who writes")
    func keeping() throws {
        let lines = try CheckoutFiles.lines("docker-compose.yml")
        #expect(lines.contains("  WRITER_RETENTION: ${WRITER_RETENTION:-}"))
        #expect(lines.count { $0.contains("<<: ") && $0.contains("*keeping") } == 2)
    }

    @Test("nobody on the data's way has a quota of the processor")
    func quotas() throws {
        var service = ""
        var limited: Set<String> = []
        for line in try CheckoutFiles.lines("docker-compose.yml") {
            if let name = line.wholeMatch(of: /(?:  |x-)([a-z-]+):(?: &[a-z-]+)?/)?.1 {
                service = String(name)
            }
            if line.contains("cpus:") { limited.insert(service) }
        }
        let simulators = try ListedSource.all().values.map(\.simulator.program)
        #expect(limited == Set(simulators + ["prometheus", "grafana"]))
    }

    @Test("what runs all the time cannot write the database's files; a recovery can")
    func backups() throws {
        let text = try CheckoutFiles.text("docker-compose.yml")
        func part(_ service: String) throws -> String {
            let found = text.firstMatch(of: try Regex("\n  \(service):.*\n((?:    .*\n)+)"))
            return String(try #require(found?.output[1].substring, "\(service)"))
        }
        let files = "- database:/var/lib/postgresql/data\n"
        #expect(try !part("backup").contains(files))
        let recovery = try part("recover")
        #expect(recovery.contains(files) && recovery.contains("profiles: [recover]"))
        // Both see the same backups.
        for own in [try part("backup"), recovery] {
            #expect(own.contains("- backup:/var/lib/postgresql\n"))
        }
        let guide = try CheckoutFiles.text("docs/backup.md")
        let command = "docker compose run --rm --no-deps recover /var/lib/postgresql/data\n"
        #expect(guide.contains(command))
    }

    @Test("every container has a limit of memory and of processes")
    func limits() throws {
        let text = try CheckoutFiles.text("docker-compose.yml")
        #expect(text.contains("\n  pids_limit: 512\n"))
        let services =
            text.components(separatedBy: "\nservices:\n").last?
            .components(separatedBy: "\nnetworks:\n").first ?? ""
        let parts = services.split(separator: /\n(?=  [a-z-]+:\n)/)
        #expect(parts.count > 30)
        for part in parts where part.wholeMatch(of: /\s*(?:#.*\s*)*/) == nil {
            // The gateways' own template has one, too.
            let isLimited =
                part.contains("limits: {memory: ") || part.contains("deploy: *once")
                || part.contains("<<: *gateway\n") || part.contains("<<: *backup\n")
            #expect(isLimited, "\(part.prefix(60))")
        }
    }

    @Test("NATS' monitor, which shows names, is on a network of NATS, gateways and the tool alone")
    func monitor() throws {
        let text = try CheckoutFiles.lines("docker-compose.yml").joined(separator: "\n")
        #expect(text.components(separatedBy: "http://nats-monitor:8222").count == 4)
        #expect(!text.contains("//nats:8222"))
        let members = text.matches(of: /networks: \[([a-z, -]+)\]/).map { String($0.1) }
            .filter { $0.contains("monitor") }
        let ways = ["broker", "simulators"] + (try ListedSource.beside().keys)
        #expect(
            Set(members)
                == Set(
                    ways.map { "\($0), tape, monitor, observe" } + [
                        "tape, monitor, store, observe"
                    ]))
    }

    @Test("the tool proves the bars that workers are told to make")
    func bars() throws {
        let lines = try CheckoutFiles.lines("docker-compose.yml")
        let start = try #require(lines.firstIndex(of: "x-bars: &bars"))
        #expect(
            lines[(start + 1)...(start + 2)] == [
                "  OPERATOR_SERIES: ${OPERATOR_SERIES:-1s,1m}",
                "  OPERATOR_GRAPH: ${OPERATOR_GRAPH:-}",
            ])
        for service in ["operator-worker", "tapeline"] {
            let part = lines.drop { $0 != "  \(service):" }.dropFirst().prefix {
                $0.hasPrefix("    ")
            }
            #expect(
                part.contains { $0.hasPrefix("      <<: ") && $0.contains("*bars") }, "\(service)")
        }
    }

    @Test("with a real TWS both gateways take lists from outside, else those of the image")
    func instruments() throws {
        let lines = try CheckoutFiles.lines("deploy/compose/tws.yml")
        let key = "GATEWAY_INSTRUMENTS"
        let own = try Self.variables("docker-compose.yml").first { $0.name == key }
        let given = try Self.variables("deploy/compose/tws.yml").filter { $0.name == key }
        #expect(given.map(\.value) == ["${\(key):-\(own?.value ?? "")}"])
        let mount = try #require(lines.first { $0.contains("${INSTRUMENTS_FOLDER:-") })
        #expect(mount.hasSuffix("/instruments}:/etc/tapeline/instruments:ro"))
        for service in ["provider-gateway", "provider-gateway-standby"] {
            let place = try #require(lines.firstIndex(of: "  \(service):"))
            #expect(lines[place + 1] == "    <<: *tws")
        }
    }

    @Test("the cockpit is published on loopback alone, asks for a token, and asks all services")
    func cockpit() throws {
        let lines = try CheckoutFiles.lines("docker-compose.yml")
        let part = lines.drop { $0 != "  cockpit:" }.dropFirst().prefix { $0.hasPrefix("    ") }
        for line in [
            #"    ports: ["127.0.0.1:${COCKPIT_PORT-8510}:8510"]"#,
            "      COCKPIT_ADDRESS: 0.0.0.0", #"      COCKPIT_ON_HOST_LOOPBACK: "true""#,
            "      COCKPIT_TOKEN_FILE: /run/secrets/cockpit-token",
            "      NATS_USER: cockpit", "      NATS_PASSWORD_FILE: /run/secrets/nats-cockpit",
            "      POSTGRES_USER: tapeline_cockpit",
            "      POSTGRES_PASSWORD_FILE: /run/secrets/postgres-cockpit",
            "      VALKEY_USER: reader",
            "      VALKEY_PASSWORD_FILE: /run/secrets/valkey-reader",
            "    secrets: [nats-cockpit, postgres-cockpit, valkey-reader, cockpit-token, "
                + "cockpit-people, actions-key]",
            "    networks: [tape, store, observe, front]",
            #"      test: ["CMD", "cockpit", "--probe-ready"]"#,
            "      COCKPIT_PROMETHEUS: ${COCKPIT_PROMETHEUS:-}",
        ] {
            #expect(part.contains(line), "\(line)")
        }
        for service in Service.recorders {
            let asked = "\(service.description.name):\(try #require(service.port))"
            #expect(part.contains { $0.contains("COCKPIT_SERVICES") && $0.contains(asked) })
        }
        // With TLS it checks both servers as the others do.
        let secured = try CheckoutFiles.lines("deploy/compose/tls.yml")
        #expect(secured.contains("  cockpit: *both") && secured.contains("  actions: *both"))
        // Whatever else is published is on loopback, too.
        let published = lines.filter { $0.contains("    ports:") }
        #expect(published.count == 3)
        #expect(published.allSatisfy { $0.contains(#"["127.0.0.1:$"#) }, "\(published)")
        // Those are on the network for it, which has no way out.
        let inFront = lines.filter {
            $0.hasPrefix("    networks: [") && $0.hasSuffix(", front]")
        }
        #expect(inFront.count == published.count)
        let way = #"{driver_opts: {com.docker.network.bridge.enable_ip_masquerade: "false"}}"#
        #expect(lines.contains("  front: \(way)"))
    }

    @Test("each secret that compose names is one that the script makes, and none is left over")
    func made() throws {
        let script = try CheckoutFiles.lines("deploy/compose/secrets.sh").joined(separator: " ")
        let list = try #require(script.firstMatch(of: /for name in ([^;]*);/)).1
        let made = Set(list.split { !$0.isLetter && $0 != "-" }.map(String.init))
        let files =
            ["docker-compose.yml"]
            + ["nats-cluster", "clickhouse", "questdb"].map { "deploy/compose/\($0).yml" }
        let named = try files.flatMap(CheckoutFiles.lines).compactMap {
            $0.wholeMatch(of: /\s+([a-z-]+): \{file: deploy\/compose\/secrets\/([a-z-]+)\}/)
        }
        #expect(named.allSatisfy { $0.1 == $0.2 })
        #expect(Set(named.map { String($0.1) }) == made && made.contains("cockpit-token"))
    }

    @Test("settings of alerts reach Alertmanager, and their secrets as files")
    func alerts() throws {
        let lines = try CheckoutFiles.lines("docker-compose.yml")
        let part = lines.drop { $0 != "  alertmanager:" }.dropFirst().prefix {
            $0.hasPrefix("    ")
        }
        for line in [
            "      ALERTS_WEBHOOK: ${ALERTS_WEBHOOK:-}",
            "      ALERTS_WATCHDOG: ${ALERTS_WATCHDOG:-}",
            #"    profiles: [observability]"#, "    networks: [observe, outside]",
        ] {
            #expect(part.contains(line), "\(line)")
        }
        let script = try CheckoutFiles.text("deploy/alertmanager/start.sh")
        for (key, inside) in [
            ("ALERTS_WEBHOOK_FILE", "webhook"), ("ALERTS_WATCHDOG_FILE", "watchdog"),
            ("ALERTS_RECEIVER", "receiver.yml"),
        ] {
            let place = "/run/alerts/\(inside)"
            #expect(part.contains("      \(key): \(place)"), "\(key)")
            #expect(
                part.contains {
                    $0.contains(
                        "source: \"${\(key):-/dev/null}\", target: \(place), read_only: true")
                }, "\(key)")
            #expect(script.contains(key.hasSuffix("_FILE") ? String(key.dropLast(5)) : key))
        }
        let password =
            "source: \"${ALERTS_PASSWORD_FILE:-/dev/null}\", target: /run/alerts/password"
        #expect(part.contains { $0.contains(password) })
        for example in ["mail", "chat"] {
            let text = try CheckoutFiles.text("deploy/alertmanager/\(example).yml")
            #expect(text.contains("_file: /run/alerts/password\n"), "\(example)")
        }
        // What is set without the profile starts nothing: the example says so where both are.
        let example = try CheckoutFiles.text(".env.example")
        let monitoring = example.components(separatedBy: "\n# --- ")
            .first { $0.hasPrefix("monitoring") }
        for words in [
            "COCKPIT_PROMETHEUS=http://prometheus:9090\n", "only with --profile observability",
            "deploy/compose/secrets/mail-password",
        ] {
            #expect(monitoring?.contains(words) == true, "\(words)")
        }
        #expect(lines.contains("    networks: [tape, monitor, store, observe]"))
        // Prometheus sends to it.
        let prometheus = try CheckoutFiles.text("deploy/prometheus/prometheus.yml")
        #expect(prometheus.components(separatedBy: "[\"alertmanager:9093\"]").count == 3)
    }

    @Test("a password is a file in every compose file", arguments: composeFiles)
    func secrets(path: String) throws {
        for (name, value) in try Self.variables(path)
        where name.contains("PASSWORD") || name.contains("TOKEN") {
            #expect(name.hasSuffix("_FILE") && value.hasPrefix("/run/secrets/"), "\(name)")
        }
    }

    @Test("of a checkout only what is named can come into an image, and no secret")
    func context() throws {
        let rules = try CheckoutFiles.lines(".dockerignore").filter { !$0.hasPrefix("#") }
        #expect(rules.first == "*")
        let deploy = rules.filter { $0.hasPrefix("!deploy") }
        #expect(deploy == ["!deploy", "!deploy/postgres"] && rules.contains("deploy/*"))
        #expect(rules.filter { $0.hasPrefix("!docs") } == ["!docs", "!docs/runbooks"])
        #expect(rules.contains("docs/*"))
        #expect(try CheckoutFiles.lines(".gitignore").contains("/deploy/compose/secrets/"))
    }
}
