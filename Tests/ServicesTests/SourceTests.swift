import Foundation
import ProviderKit
import ServiceRuntime
import TestSupport
import Testing
import YAMLFile

@testable import ProviderGateway

/// A source that can be run: an entry of `deploy/sources.json`.
struct ListedSource: Decodable {
    struct Key: Decodable {
        let setting: String
        let needed: Bool
    }

    struct Simulator: Decodable {
        let program: String
        let port: Int
        let settings: [String: String]
    }

    let prefix: String
    /// The service that runs it, where `deploy/sources.py` does not write it.
    let gateway: String?
    let operations: Int?
    let instruments: [String]
    let keys: [Key]
    let choices: [String: String]
    let hosts: [String]
    let simulator: Simulator

    static func all() throws -> [String: ListedSource] {
        let text = try CheckoutFiles.text("deploy/sources.json")
        return try JSONDecoder().decode([String: ListedSource].self, from: Data(text.utf8))
    }

    /// Those beside the first one.
    static func beside() throws -> [String: ListedSource] {
        try all().filter { $0.value.gateway == nil }
    }

    var lists: String {
        instruments.map { "services/provider-gateway/instruments/\($0).yaml" }
            .joined(separator: ",")
    }
}

@Suite("Sources: one list for compose, Kubernetes, Debian and local stacks")
struct SourceTests {
    private static let description = ProviderGateway.Main.description

    /// Returns the keys of the gateway that belong to the source's provider.
    private static func keys(of source: ListedSource) -> [ConfigurationKey] {
        description.keys.filter { $0.name.hasPrefix("\(source.prefix)_") }
    }

    /// Returns what is wrong with the settings of a source's gateway, run in the checkout.
    private static func problems(
        _ name: String, _ source: ListedSource, _ own: [String: String]
    ) throws -> String {
        let lists = source.lists.split(separator: ",").map { "\(ServerPrograms.checkout)/\($0)" }
        let settings = [
            "GATEWAY_SOURCE": name, "GATEWAY_PROVIDER": name,
            "GATEWAY_INSTRUMENTS": lists.joined(separator: ","),
        ].merging(own) { $1 }
        let decision = ServiceCommandLine(description).decide(
            arguments: ["--check-config"], environment: settings
        ) { path, limit in
            path.hasPrefix("/run/secrets/")
                ? .success(FileContent(bytes: Array("key".utf8), mode: 0o440))
                : ConfigurationFiles.read(path, limit)
        }
        if case .print = decision { return "" }
        return "\(decision)"
    }

    @Test("what the script makes of the list is what is in the tree")
    func made() throws {
        let script = "\(ServerPrograms.checkout)/deploy/sources.py"
        #expect(try run("/usr/bin/env", ["python3", "-B", script, "--check"]).isEmpty)
    }

    @Test("every live provider of the gateway is in the list, with its keys and its addresses")
    func complete() throws {
        let live = GatewayProviders.ofThisProgram.filter {
            !$0.isRecorded && $0.historyPlan == nil && $0.name != "synthetic"
        }
        let all = try ListedSource.all()
        #expect(Set(all.keys) == Set(live.map(\.name)))
        for (name, source) in all {
            let keys = Self.keys(of: source)
            #expect(
                source.keys.map(\.setting) == keys.filter(\.isSecret).map(\.name), "\(name)")
            for (key, value) in source.choices {
                #expect(keys.first { $0.name == key }?.defaultValue == value, "\(key)")
            }
            for key in keys where key.name.hasSuffix("_URL") {
                guard let host = key.defaultValue?.firstMatch(of: /\/\/([^\/:]+)/)?.1 else {
                    continue
                }
                #expect(source.hosts.contains("\(host):443"), "\(key.name): \(host)")
            }
            for key in source.simulator.settings.keys {
                #expect(keys.contains { $0.name == key }, "\(key)")
            }
        }
        // The port that a unit of Debian has to itself.
        let ports = all.values.compactMap(\.operations)
        let taken = Service.all.compactMap { $0.port.flatMap { Int($0) } }
        #expect(Set(ports + taken).count == ports.count + taken.count)
    }

    @Test("a gateway takes the settings of its source, and those of the simulated one")
    func accepted() throws {
        for (name, source) in try ListedSource.beside() {
            var own = source.choices
            for key in source.keys {
                own["\(key.setting)_FILE"] = "/run/secrets/key"
            }
            #expect(try Self.problems(name, source, own) == "", "\(name)")
            #expect(try Self.problems(name, source, source.simulator.settings) == "", "\(name)")
            // It does not start without a key that is needed, and says so.
            let keyless = try Self.problems(name, source, source.choices)
            #expect(keyless.isEmpty != source.keys.contains(where: \.needed), "\(keyless)")
        }
    }

    @Test("each simulator has an image, which answers at the port that its gateway knows")
    func simulators() throws {
        for source in try ListedSource.all().values {
            let (program, port) = (source.simulator.program, source.simulator.port)
            let lines = try CheckoutFiles.lines("deploy/docker/\(program).Dockerfile")
            #expect(lines.contains("EXPOSE \(port) 4100"), "\(program)")
            let addresses = source.simulator.settings.filter { $0.key.hasSuffix("_URL") }
            for (key, value) in addresses {
                #expect(value.contains("//\(program):\(port)"), "\(key)")
            }
        }
    }

    @Test("the test of the cluster runs sources of the list, and builds all of their simulators")
    func clusterTest() throws {
        let script = try CheckoutFiles.text("deploy/compose/cluster-test.py")
        func words(_ name: String) throws -> Set<String> {
            let line = try #require(
                script.split(separator: "\n").first { $0.hasPrefix("\(name) = ") })
            return Set(line.matches(of: /"([a-z-]+)"/).map { String($0.1) })
        }
        let all = try ListedSource.beside()
        let run = try words("SIMULATED")
        #expect(run.count == 4 && run.isSubset(of: Set(all.keys)))
        let needed = run.compactMap { all[$0]?.simulator.program }
        #expect(try words("SIMULATORS") == Set(needed))
    }

    @Test("compose has a service for each, with a network of its own, and none in another's")
    func networks() throws {
        let text = try CheckoutFiles.text("docker-compose.yml")
        for (name, source) in try ListedSource.beside() {
            for (unit, profile) in [(name, name), ("\(name)-simulated", "simulators")] {
                let found = text.firstMatch(
                    of: try Regex("\n  \(unit)-gateway:\n((?:    .*\n)+)"))
                let part = String(try #require(found?.output[1].substring, "\(unit)"))
                #expect(part.contains("    profiles: [\(profile)]\n"))
                #expect(part.contains("    networks: [\(profile), tape, monitor, observe]\n"))
                // A delayed feed is another source, so who chooses a feed chooses its name.
                let hasFeed = unit == name && source.choices.keys.contains { $0.hasSuffix("_FEED") }
                let own = hasFeed ? "${\(source.prefix)_SOURCE:-\(unit)}" : unit
                #expect(part.contains("      GATEWAY_SOURCE: \(own)\n"))
                #expect(part.contains("- \(unit)-gateway:/var/lib/tapeline\n"))
                // A simulated source has no key of an account.
                #expect(part.contains("secrets:") == (unit == name && !source.keys.isEmpty))
            }
        }
        // Nor does the simulated TWS have the name of a real one.
        #expect(text.contains("\n  GATEWAY_SOURCE: ibkr-simulated\n"))
        let real = try CheckoutFiles.text("deploy/compose/tws.yml")
        #expect(real.contains("\n    GATEWAY_SOURCE: ibkr\n"))
        let development = try Rendered.named("development").configuration("provider-gateway")
        #expect(development?.node["data", "GATEWAY_SOURCE"]?.text == "ibkr-simulated")
        // Made-up ticks do not need a way out.
        #expect(text.contains("\n  simulators: {internal: true}\n"))
    }
}

@Suite("Kubernetes: the gateways of further sources")
struct SourceManifestTests {
    @Test("each is let out to its provider alone, and has its keys and its settings")
    func gateways() throws {
        let rendered = try Variant.withSources()
        let first = try #require(rendered.manifest("StatefulSet", "provider-gateway"))
        for (name, source) in try ListedSource.beside() {
            let unit = "provider-gateway-\(name)"
            let gateway = try #require(rendered.manifest("StatefulSet", unit))
            #expect(gateway.node["spec", "serviceName"]?.text == unit)
            #expect(gateway.pod?["serviceAccountName"]?.text == unit)
            for kind in ["Service", "ServiceAccount", "PodDisruptionBudget"] {
                #expect(rendered.manifest(kind, unit) != nil, "\(kind)/\(unit)")
            }
            let selector = try #require(gateway.node["spec", "selector"])
            #expect(selector.selects(gateway.podLabels) && !selector.selects(first.podLabels))
            // What the first one has, but the client id of TWS, and what is its own.
            var settings = try rendered.environment(of: first)
            settings["IBKR_CLIENT_ID"] =
                rendered.configuration("provider-gateway")?
                .node["data", "IBKR_CLIENT_ID"]?.text
            settings["POD_INDEX"] = nil
            settings["GATEWAY_SOURCE"] = name
            settings["GATEWAY_PROVIDER"] = name
            settings["GATEWAY_INSTRUMENTS"] = source.lists
            let needed = source.keys.filter(\.needed).map(\.setting)
            let files = needed.map { $0.lowercased().replacing("_", with: "-") }
            for (key, file) in zip(needed, files) {
                settings["\(key)_FILE"] = "/etc/tapeline/passwords/\(file)"
            }
            #expect(try rendered.environment(of: gateway) == settings, "\(name)")
            let items = gateway.volumes.flatMap { $0["secret", "items"]?.sequence ?? [] }
            #expect(items.compactMap { $0["key"]?.text } == ["nats-gateway"] + files)
            #expect(gateway.volumes.count == first.volumes.count)
            #expect(Discovery.job(of: gateway.podLabels) == "provider-gateway")
            let policy = try #require(rendered.manifest("NetworkPolicy", "to-provider-\(name)"))
            let own = try #require(policy.node["spec", "podSelector"])
            for other in rendered.workloads {
                #expect(own.selects(other.podLabels) == (other.name == unit), "\(other)")
            }
            try expectNarrow(policy, ports: Set(source.hosts.map { $0.split(separator: ":")[1] }))
        }
        // TWS is the way of its own gateway alone.
        let broker = try #require(
            rendered.manifest("NetworkPolicy", "to-tws")?.node["spec", "podSelector"])
        #expect(
            rendered.workloads.filter { broker.selects($0.podLabels) }.map(\.name) == [first.name])
    }

    /// Expects that a policy opens these ports to no address of a cluster.
    private func expectNarrow(_ policy: Manifest, ports: Set<Substring>) throws {
        let rules = try #require(policy.node["spec", "egress"]?.sequence)
        #expect(rules.count == 1)
        let open = (rules.first?["ports"]?.sequence ?? []).compactMap { $0["port"]?.text }
        #expect(Set(open.map { $0[...] }) == ports, "\(policy)")
        for peer in try #require(rules.first?["to"]?.sequence) {
            let except = try #require(peer["ipBlock", "except"]?.list, "\(policy)")
            let isFour = peer["ipBlock", "cidr"]?.text == "0.0.0.0/0"
            for range in isFour ? ["10.0.0.0/8", "169.254.0.0/16"] : ["fc00::/7", "fe80::/10"] {
                #expect(except.contains(range), "\(policy)")
            }
        }
    }
}
