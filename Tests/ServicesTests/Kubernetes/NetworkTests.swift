import ServiceRuntime
import Testing
import YAMLFile

@Suite("Kubernetes: who may speak with whom")
struct NetworkTests {
    /// An address that a pod has to reach, from its settings.
    private struct Way: CustomStringConvertible {
        let from: Manifest
        let host: String
        let port: Int

        var description: String { "\(from) to \(host):\(port)" }

        /// Parses comma-separated `nats://host:port`, or a host whose port is another setting.
        static func all(of workload: Manifest, _ environment: [String: String]) -> [Way] {
            var ways: [Way] = []
            func add(_ host: String?, _ port: String?) {
                guard let host, !host.isEmpty, let port = port.flatMap(Int.init) else { return }
                ways.append(Way(from: workload, host: host, port: port))
            }
            for key in ["NATS_URL", "NATS_MONITOR_URL"]
            where workload.name != "store-writer-migrate" {
                for url in environment[key]?.split(separator: ",") ?? [] {
                    let parts = url.split(separator: ":").map(String.init)
                    add(parts.dropFirst().first?.trimmingPrefix("//").description, parts.last)
                }
            }
            for server in ["POSTGRES", "VALKEY", "IBKR"]
            where server != "VALKEY" || ["store-writer", "cockpit"].contains(workload.name) {
                add(environment["\(server)_HOST"], environment["\(server)_PORT"])
            }
            for service in environment["COCKPIT_SERVICES"]?.split(separator: ",") ?? [] {
                // The name of a pod of a StatefulSet has that of its Service after it.
                let parts = service.split(separator: ":").map(String.init)
                add(parts.first?.split(separator: ".").last.map(String.init), parts.last)
            }
            return ways
        }
    }

    @Test("nothing goes in or out that no policy names")
    func denied() throws {
        for rendered in try Rendered.all() {
            let all = try #require(rendered.manifest("NetworkPolicy", "nothing-else"))
            let spec = try #require(all.node["spec"])
            #expect(spec["podSelector"]?.mapping?.isEmpty == true)
            #expect(spec["policyTypes"]?.list == ["Ingress", "Egress"])
            #expect(spec["ingress"] == nil && spec["egress"] == nil)
            for policy in rendered.all("NetworkPolicy") {
                let selector = try #require(policy.node["spec", "podSelector"])
                #expect(
                    rendered.workloads.contains { selector.selects($0.podLabels) }, "\(policy)")
            }
        }
    }

    @Test("all ask name servers of the cluster, those of OpenShift at their port, too")
    func names() throws {
        for rendered in try Rendered.all() {
            let policy = try #require(rendered.manifest("NetworkPolicy", "names"))
            let rule = try #require(policy.node["spec", "egress"]?.sequence?.first)
            let spaces = (rule["to"]?.sequence ?? [])
                .flatMap { $0["namespaceSelector", "matchExpressions"]?.sequence ?? [] }
            #expect(spaces.map { $0["values"]?.list ?? [] } == [["kube-system", "openshift-dns"]])
            let ports = (rule["ports"]?.sequence ?? [])
                .map { "\($0["protocol"]?.text ?? "") \($0["port"]?.text ?? "")" }
            #expect(Set(ports) == ["UDP 53", "TCP 53", "UDP 5353", "TCP 5353"])
        }
    }

    @Test("each pod may reach the servers that its settings name, from both ends")
    func ways() throws {
        for rendered in try Rendered.all() {
            var seen = 0
            for workload in rendered.workloads {
                let environment = try rendered.environment(of: workload)
                for way in Way.all(of: workload, environment) {
                    seen += 1
                    try expectOpen(way, in: rendered)
                }
            }
            // NATS, database, Valkey, TWS and the services from six kinds of pods.
            #expect(seen >= 15, "\(rendered.overlay): \(seen)")
        }
    }

    @Test("gateways and the tool know the monitor of every server of NATS, and nobody else does")
    func monitors() throws {
        func hosts(_ urls: String?) -> [String] {
            (urls ?? "").split(separator: ",").compactMap {
                $0.split(separator: "/").last?.split(separator: ":").first.map(String.init)
            }
        }
        for (rendered, workload) in try Rendered.everyWorkload() {
            let environment = try rendered.environment(of: workload)
            guard let servers = environment["NATS_URL"] else { continue }
            let mayLook = ["provider-gateway", "tapeline"].contains(workload.name)
            #expect(
                hosts(environment["NATS_MONITOR_URL"]) == (mayLook ? hosts(servers) : []),
                "\(workload)")
            let isOpen = rules("egress", for: workload, in: rendered)
                .contains { hasPort($0, 8_222, of: nil) }
            #expect(isOpen == mayLook, "\(workload)")
        }
    }

    private func expectOpen(_ way: Way, in rendered: Rendered) throws {
        let target = rendered.manifest("Service", way.host)
        let pod = target.flatMap { service in
            rendered.workloads.first { isSelected($0, by: service) }
        }
        if way.from.overlay == "development" { _ = try #require(pod, "\(way): no such Service") }
        #expect(
            rules("egress", for: way.from, in: rendered).contains { rule in
                hasPort(rule, way.port, of: pod)
                    && (rule["to"] == nil || pod.map { isPeer($0, of: rule["to"]) } == true)
            }, "\(way): no policy lets it out")
        guard let pod else { return }
        #expect(
            rules("ingress", for: pod, in: rendered).contains { rule in
                hasPort(rule, way.port, of: pod) && isPeer(way.from, of: rule["from"])
            }, "\(way): no policy lets it in")
    }

    private func rules(
        _ direction: String, for workload: Manifest, in rendered: Rendered
    ) -> [YAMLNode] {
        rendered.all("NetworkPolicy").filter {
            $0.node["spec", "podSelector"]?.selects(workload.podLabels) == true
        }.flatMap { $0.node["spec", direction]?.sequence ?? [] }
    }

    private func hasPort(_ rule: YAMLNode, _ port: Int, of pod: Manifest?) -> Bool {
        (rule["ports"]?.sequence ?? []).contains { entry in
            if let number = entry["port"]?.integer { return number == port }
            let name = entry["port"]?.text
            return (pod?.ports ?? []).contains {
                $0["name"]?.text == name && $0["containerPort"]?.integer == port
            }
        }
    }

    private func isPeer(_ workload: Manifest, of peers: YAMLNode?) -> Bool {
        (peers?.sequence ?? []).contains {
            $0["podSelector"]?.selects(workload.podLabels) == true
        }
    }

    private func isSelected(_ workload: Manifest, by service: Manifest) -> Bool {
        let selector = service.node["spec", "selector"]?.texts ?? [:]
        return !selector.isEmpty
            && selector.allSatisfy { workload.podLabels[$0.key] == $0.value }
    }

    @Test("a Service leads to one kind of pods, and its ports are theirs")
    func services() throws {
        for rendered in try Rendered.all() {
            for service in rendered.all("Service") {
                let pods = rendered.workloads.filter { isSelected($0, by: service) }
                #expect(pods.count == 1, "\(service)")
                let ports = pods.flatMap(\.ports)
                for port in service.node["spec", "ports"]?.sequence ?? [] {
                    let target = port["targetPort"]?.text
                    let own = ports.first { $0["name"]?.text == target }
                    #expect(own?["containerPort"]?.text == port["port"]?.text, "\(service)")
                }
            }
        }
    }

    @Test("`tapeline page` reaches the pages of all services")
    func pages() throws {
        for (rendered, service, workload) in try Rendered.each() {
            guard let tool = rendered.workloads.first(where: { $0.name == "tapeline" }) else {
                continue
            }
            let port = try #require(service.port.flatMap(Int.init))
            for (direction, from, peers, peer) in [
                ("egress", tool, "to", workload), ("ingress", workload, "from", tool),
            ] {
                #expect(
                    rules(direction, for: from, in: rendered).contains {
                        hasPort($0, port, of: workload) && isPeer(peer, of: $0[peers])
                    }, "\(rendered.overlay): \(direction) of \(from) for \(workload)")
            }
        }
    }

    @Test("Prometheus may look at every service's port of operations, KEDA at what it scales by")
    func operations() throws {
        for (rendered, service, workload) in try Rendered.each() {
            let port = try #require(service.port.flatMap(Int.init))
            let spaces = rules("ingress", for: workload, in: rendered)
                .filter { hasPort($0, port, of: workload) }
                .flatMap { $0["from"]?.sequence ?? [] }
                .flatMap { $0["namespaceSelector", "matchExpressions"]?.sequence ?? [] }
                .flatMap { $0["values"]?.list ?? [] }
            // Nothing scales the cockpit.
            let isScaled = workload.name != "cockpit"
            #expect(
                Set(spaces) == Set(["monitoring"] + (isScaled ? ["keda"] : [])), "\(workload)")
        }
    }
}
