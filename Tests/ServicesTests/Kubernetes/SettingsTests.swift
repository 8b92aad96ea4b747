import Foundation
import ServiceRuntime
import Synchronization
import TestSupport
import Testing
import YAMLFile

@Suite("Kubernetes: what pods are told")
struct SettingsTests {
    /// The only Secret. A person makes it from the files of `deploy/compose/secrets.sh`.
    private static let secret = "tapeline-passwords"
    /// Not below /run/secrets, where service meshes and cloud identities put their files.
    private static let passwords = "/etc/tapeline/passwords/"

    /// A program and the settings that a container gives it.
    private struct Run: CustomStringConvertible {
        let service: Service
        let workload: Manifest
        let environment: [String: String]

        var description: String { "\(workload)" }

        /// Returns the programs by image, because the migration is also the writer's program.
        static func all(of rendered: Rendered) throws -> [Run] {
            try rendered.workloads.compactMap { workload in
                let image = workload.container?["image"]?.text ?? ""
                let product = image.split(separator: "/").last?.split(separator: ":").first
                guard
                    let service = Service.all.first(where: {
                        $0.description.name == product ?? ""
                    })
                else { return nil }
                return Run(
                    service: service, workload: workload,
                    environment: try rendered.environment(of: workload))
            }
        }
    }

    /// Returns the files in a pod: paths of the items of its Secret, and folders of ConfigMaps.
    private static func files(of workload: Manifest) throws -> (
        secrets: [String], folders: [String]
    ) {
        var secrets: [String] = [], folders: [String] = []
        for volume in workload.volumes {
            let name = try #require(volume["name"]?.text)
            let paths = workload.mounts.filter { $0["name"]?.text == name }
                .compactMap { $0["mountPath"]?.text }
            if volume["configMap"] != nil { folders += paths }
            for item in volume["secret", "items"]?.sequence ?? [] {
                let path = try #require(item["path"]?.text)
                secrets += paths.map { "\($0)/\(path)" }
            }
        }
        return (secrets, folders)
    }

    @Test("a service's ConfigMap has its keys, each of them, and no other")
    func keys() throws {
        for rendered in try Rendered.all() {
            for service in Service.all {
                let map = try #require(rendered.configuration(service.description.name))
                let given = Set((map.node["data"]?.texts ?? [:]).keys)
                let own = Set(service.description.keys.map(\.name))
                let files = Set(service.description.keys.compactMap(\.fileName))
                #expect(own.subtracting(given).isEmpty, "\(map)")
                #expect(given.subtracting(own).subtracting(files).isEmpty, "\(map)")
            }
        }
    }

    @Test("an overlay says how large the database may become, or that nobody knows")
    func databaseRoom() throws {
        let key = "WRITER_DATABASE_BYTES"
        let variants = try ["clickhouse", "questdb"].map { try Variant.withStore($0) }
        for rendered in try Rendered.all() + [Variant.withDatabase()] + variants {
            let data = rendered.configuration("store-writer")?.node["data"]
            guard try #require(data?[key]?.text) == "0" else { continue }
            let lines = try CheckoutFiles.lines("\(Rendered.production)/kustomization.yaml")
            let place = try #require(lines.firstIndex { $0.hasSuffix("- \(key)=0") })
            #expect(
                lines[place - 1].contains("DiskFilling fires"), "\(rendered.overlay)")
        }
    }

    @Test("a second store does not wait for a standby of the usual one's database")
    func purgeOfSecondStores() throws {
        let rendered = try Variant.withStore("clickhouse", "questdb", byCloudNativePG: true)
        let usual = rendered.configuration("store-writer")?.node["data"]
        #expect(usual?["WRITER_PURGE_AFTER"]?.text == "standby")
        for store in ["clickhouse", "questdb"] {
            for name in ["store-writer", "store-writer-migrate"] {
                let workload = try #require(rendered.manifest("Deployment", "\(name)-\(store)"))
                let variables = try rendered.environment(of: workload)
                #expect(variables["WRITER_PURGE_AFTER"] == "commit", "\(workload)")
            }
        }
    }

    @Test("the cockpit asks the writers of the second stores, too")
    func pagesOfSecondStores() throws {
        let rendered = try Variant.withStore("clickhouse", "questdb")
        let cockpit = try #require(rendered.manifest("Deployment", "cockpit"))
        let asked = try rendered.environment(of: cockpit)["COCKPIT_SERVICES"]?
            .split(separator: ",").map(String.init)
        let stores = ["clickhouse", "questdb"].map { "store-writer-\($0):8502" }
        #expect(asked.map { Array($0.suffix(3)) } == ["store-writer:8502"] + stores)
        for store in stores {
            let name = String(store.prefix { $0 != ":" })
            #expect(rendered.manifest("Service", name) != nil, "\(name)")
        }
    }

    @Test("NATS in the cluster has the passwords of the second stores' writers")
    func passwordsOfSecondStores() throws {
        let rendered = try Variant.withStore("clickhouse", "questdb", on: "development")
        let nats = try #require(rendered.manifest("StatefulSet", "nats"))
        let passwords = nats.volumes.first { $0["name"]?.text == "passwords" }
        let items = (passwords?["secret", "items"]?.sequence ?? []).compactMap { $0["path"]?.text }
        #expect(Set(items).isSuperset(of: ["nats-writer", "nats-tool"]), "\(items)")
        #expect(items.suffix(2) == ["nats-writer-clickhouse", "nats-writer-questdb"])
    }

    @Test("streams are made for the namespace and of the size that gateways and workers expect")
    func streams() throws {
        for rendered in try Rendered.all() {
            let setup = try rendered.environment(
                of: try #require(rendered.manifest("Deployment", "tapeline-setup")))
            for service in ["provider-gateway", "operator-worker"] {
                let data = try #require(rendered.configuration(service)?.node["data"])
                for key in ["NATS_URL", "NATS_TLS_CA", "MDS_NAMESPACE", "MDS_PARTITIONS"] + [
                    "MDS_REPLICAS", "MDS_STREAM_BYTES",
                ] {
                    #expect(setup[key] == data[key]?.text, "\(rendered.overlay): \(key)")
                }
            }
            #expect(setup["MDS_STREAM_BYTES"] != nil && setup["NATS_USER"] == "tool")
            let isProduction = rendered.overlay.contains("production")
            #expect(setup["MDS_REPLICAS"] == (isProduction ? "3" : "1"), "\(rendered.overlay)")
            let writer = try #require(rendered.configuration("store-writer")?.node["data"])
            #expect(writer["MDS_REPLICAS"]?.text == setup["MDS_REPLICAS"])
        }
    }

    @Test("the tool proves the bars that workers are told to make")
    func bars() throws {
        for rendered in try Rendered.all() {
            let tool = try rendered.environment(
                of: try #require(rendered.manifest("Deployment", "tapeline")))
            let worker = try rendered.environment(
                of: try #require(rendered.manifest("Deployment", "operator-worker")))
            for key in ["OPERATOR_GRAPH", "OPERATOR_SERIES"] {
                #expect(tool[key] == worker[key] && tool[key] != nil, "\(rendered.overlay): \(key)")
            }
            // A path in the image, which contains the same graphs as the workers' image.
            let graph = tool["OPERATOR_GRAPH"] ?? ""
            #expect(graph.isEmpty || graph.hasPrefix("services/operator-worker/graphs/"))
        }
    }

    @Test("every pod's settings are accepted by its program, with the files that it has")
    func accepted() throws {
        // The programs parse the certificate, so it has to be valid.
        let certificates = try Certificates()
        let authority = certificates.certificate("authority")
        let stores = try ["development", "production"]
            .map { try Variant.withStore("clickhouse", "questdb", on: $0) }
        for run in try (Rendered.all() + stores).flatMap(Run.all) {
            let files = try Self.files(of: run.workload)
            let read = Mutex<Set<String>>([])
            // The list is read from the disk: the overlay's file, of which its ConfigMap is made.
            let environment = run.environment.mapValues {
                $0.replacing(
                    "/etc/tapeline/instruments/",
                    with: "\(ServerPrograms.checkout)/\(Rendered.production)/"
                ).replacing("/etc/tapeline/ca/ca.crt", with: authority)
            }
            let isMigration = run.workload.container?["args"]?.list == ["migrate"]
            let decision = ServiceCommandLine(run.service.description).decide(
                arguments: (isMigration ? ["migrate"] : []) + ["--check-config"],
                environment: environment
            ) { path, limit in
                guard path != certificates.certificate("authority") else {
                    return ConfigurationFiles.read(path, limit)
                }
                read.withLock { _ = $0.insert(path) }
                guard files.secrets.contains(path) else {
                    return .failure(.cannotOpen(code: ENOENT))
                }
                return .success(FileContent(bytes: Array("secret".utf8), mode: 0o440))
            }
            guard case .print(let report) = decision else {
                Issue.record("\(run): \(decision)")
                continue
            }
            #expect(!report.contains("warning"), "\(run): \(report)")
            // A pod gets only the passwords that it reads.
            #expect(read.withLock { $0 } == Set(files.secrets), "\(run)")
        }
    }

    @Test("no variable is set twice, and none that begins like ours is unknown")
    func variables() throws {
        let catalogue = KeyCatalogue.product
        let servers: Set = [
            "NATS_SERVER_NAME", "NATS_HOST", "NATS_PORT", "NATS_MONITOR_PORT", "NATS_STORE_DIR",
            "NATS_STORE_BYTES_MAX",
        ]
        let known = catalogue.names.union(catalogue.foreignNames).union(servers)
        for (rendered, workload) in try Rendered.everyWorkload() {
            let names = workload.variables.compactMap { $0["name"]?.text }
            #expect(Set(names).count == names.count, "\(workload)")
            for name in try rendered.environment(of: workload).keys
            where catalogue.prefixes.contains(where: { name.hasPrefix($0) }) {
                #expect(known.contains(name), "\(workload): \(name)")
            }
        }
    }

    @Test("a password is a file of the one Secret, which is not made here")
    func passwords() throws {
        let script = try CheckoutFiles.text("deploy/compose/secrets.sh")
        let list = try #require(script.firstMatch(of: /for name in ([^;]*);/)).1
        let made = Set(list.split { !$0.isLetter && $0 != "-" }.map(String.init))
        #expect(try Rendered.all().allSatisfy { $0.all("Secret").isEmpty })
        for (rendered, workload) in try Rendered.everyWorkload() {
            for (name, value) in try rendered.environment(of: workload)
            where name.contains("PASSWORD") {
                let isFile = name.hasSuffix("_FILE") && value.hasPrefix(Self.passwords)
                #expect(isFile || value.isEmpty, "\(workload): \(name)")
            }
            for variable in workload.containers.flatMap({ $0["env"]?.sequence ?? [] }) {
                #expect(variable["valueFrom", "secretKeyRef"] == nil, "\(workload)")
            }
            for secret in workload.volumes.compactMap({ $0["secret"] }) {
                #expect(secret["secretName"]?.text == Self.secret, "\(workload)")
                // The owner and the services' group may read it. Services remark on wider
                // permissions.
                #expect(secret["defaultMode"]?.integer == 0o440, "\(workload)")
                for item in try #require(secret["items"]?.sequence) {
                    let key = try #require(item["key"]?.text)
                    #expect(made.contains(key) && item["path"]?.text == key, "\(workload)")
                }
            }
        }
    }

    @Test("servers and tools have the passwords that they read, and no others")
    func passwordsOfServers() throws {
        let rendered = try Rendered.named("development")
        let scripts = try #require(rendered.configuration("server-scripts")?.node["data"]?.texts)
        let line = /for user in ([a-z ]+) \\\n *\$\(further/
        let users = try #require(scripts["nats.sh"]?.firstMatch(of: line)).1
        let ours = Set(try Run.all(of: rendered).map(\.workload.name))
        for workload in rendered.workloads where !ours.contains(workload.name) {
            var read = Set(
                try rendered.environment(of: workload).filter {
                    $0.key.hasSuffix("_PASSWORD_FILE")
                        // The tool has the writers' settings, but does not use Valkey.
                        && !(workload.name == "tapeline" && $0.key.hasPrefix("VALKEY_"))
                }.values)
            for mount in workload.container?["volumeMounts"]?.sequence ?? [] {
                guard let script = mount["subPath"]?.text, let text = scripts[script] else {
                    continue
                }
                // Only servers of one cluster have a password among themselves.
                read.formUnion(
                    text.matches(of: /\$\((?:password|secret) ([a-z-]+)\)/)
                        .filter { $0.1 != "nats-cluster" }.map { Self.passwords + $0.1 })
                if script == "nats.sh" {
                    read.formUnion(
                        users.split(separator: " ").map { Self.passwords + "nats-\($0)" })
                }
                #expect(
                    try rendered.environment(of: workload)["SECRETS_FOLDER"]
                        == String(Self.passwords.dropLast()), "\(workload)")
            }
            #expect(Set(try Self.files(of: workload).secrets) == read, "\(workload)")
        }
    }

    @Test("files that settings name are in the image, in a ConfigMap, or below the data")
    func files() throws {
        let roots = [String(Self.passwords.dropLast()), "/var/lib/tapeline"]
        for run in try Rendered.all().flatMap(Run.all) {
            let folders = try Self.files(of: run.workload).folders + roots
            for (name, value) in run.environment
            where name.hasSuffix("_CA") || name.hasSuffix("CERT") || name.hasSuffix("GRAPH")
                || name.hasSuffix("INSTRUMENTS")
            {
                for path in value.split(separator: ",").map(String.init) {
                    if path.hasPrefix("/") {
                        #expect(folders.contains { path.hasPrefix($0 + "/") }, "\(run): \(path)")
                    } else {
                        // Relative to /opt/tapeline, whose paths are those of a checkout.
                        let file = "\(ServerPrograms.checkout)/\(path)"
                        #expect(FileManager.default.fileExists(atPath: file), "\(run): \(path)")
                    }
                }
            }
        }
    }

    @Test("the migration works for the same roles as that of docker-compose.yml")
    func roles() throws {
        let compose = try CheckoutFiles.text("docker-compose.yml")
        let service = try #require(compose.firstMatch(of: /\n  migrate:\n((?:    .*\n)+)/)).1
        let roles = Dictionary(
            uniqueKeysWithValues: service.matches(of: /(POSTGRES_\w+): (tapeline_\w+)/).map {
                (String($0.1), String($0.2))
            })
        #expect(roles.count == 2)
        for rendered in try Rendered.all() {
            let job = try #require(rendered.manifest("Deployment", "store-writer-migrate"))
            let environment = try rendered.environment(of: job)
            for (key, role) in roles { #expect(environment[key] == role, "\(job): \(key)") }
        }
    }

    @Test("the list of instruments for production is one")
    func instruments() throws {
        let list = "\(ServerPrograms.checkout)/\(Rendered.production)/instruments.yaml"
        let told = try run(
            try ProductPrograms.path("provider-gateway"), ["--check-instruments", list],
            environment: ProductPrograms.profile("provider-gateway"))
        #expect(told.contains("SPY"))
    }
}
