import Foundation
import ServiceRuntime
import TestSupport
import Testing
import YAMLFile

@Suite("Kubernetes: what pods are")
struct PodTests {
    /// The most seconds that an orderly end takes; see services/README.md.
    private static let endSecondsMax = 10

    @Test("no pod has a right that it does not need")
    func rights() throws {
        let ours = Set(Service.all.map(\.description.name)).union([
            "store-writer-migrate", "tapeline-setup",
        ])
        for workload in try Rendered.all().flatMap(\.workloads) {
            let pod = try #require(workload.pod)
            let context = try #require(pod["securityContext"])
            #expect(context["runAsNonRoot"]?.boolean == true, "\(workload)")
            #expect(context["runAsUser"]?.integer ?? 0 > 0, "\(workload)")
            #expect(context["seccompProfile", "type"]?.text == "RuntimeDefault", "\(workload)")
            #expect(pod["automountServiceAccountToken"]?.boolean == false, "\(workload)")
            #expect(pod["enableServiceLinks"]?.boolean == false, "\(workload)")
            for key in ["hostNetwork", "hostPID", "hostIPC"] { #expect(pod[key] == nil) }
            if ours.contains(workload.name) {
                // The user of the images (ImageTests), who owns their folders.
                #expect(context["runAsUser"]?.integer == 10_001, "\(workload)")
            }
            for container in workload.containers {
                let own = try #require(container["securityContext"], "\(workload)")
                #expect(own["readOnlyRootFilesystem"]?.boolean == true, "\(workload)")
                #expect(own["allowPrivilegeEscalation"]?.boolean == false, "\(workload)")
                #expect(own["capabilities", "drop"]?.list == ["ALL"], "\(workload)")
                #expect(own["capabilities", "add"] == nil, "\(workload)")
                #expect(container["resources", "limits", "memory"] != nil, "\(workload)")
                #expect(container["resources", "requests", "cpu"] != nil, "\(workload)")
                #expect(container["resources", "limits", "cpu"] == nil, "\(workload)")
            }
            for volume in workload.volumes {
                let kinds = (volume.mapping ?? []).map(\.key).filter { $0 != "name" }
                #expect(Set(kinds).isSubset(of: ["secret", "configMap", "emptyDir"]))
            }
        }
        for account in try Rendered.all().flatMap({ $0.all("ServiceAccount") }) {
            #expect(account.node["automountServiceAccountToken"]?.boolean == false)
        }
    }

    @Test("every volume is mounted, and every mount has its volume")
    func mounts() throws {
        for workload in try Rendered.all().flatMap(\.workloads) {
            let volumes = workload.volumes.compactMap { $0["name"]?.text }
            let claims = (workload.node["spec", "volumeClaimTemplates"]?.sequence ?? [])
                .compactMap { $0["metadata", "name"]?.text }
            let mounted = workload.mounts.compactMap { $0["name"]?.text }
            #expect(Set(mounted) == Set(volumes + claims), "\(workload)")
            let paths = workload.mounts.compactMap { $0["mountPath"]?.text }
            #expect(Set(paths).count == paths.count, "\(workload)")
        }
    }

    @Test("services are asked by their own pages, at the port that they serve")
    func probes() throws {
        let router = try CheckoutFiles.text(
            "Sources/Edges/ServiceRuntime/Operations/OperationsRouter.swift")
        for (rendered, _, workload) in try Rendered.each() {
            let container = try #require(workload.container)
            let port = workload.ports.first { $0["name"]?.text == "operations" }
            let environment = try rendered.environment(of: workload)
            let number = try #require(port?["containerPort"]?.text)
            #expect(environment["OPS_PORT"] == number, "\(workload)")
            #expect(environment["OPS_ADDRESS"] == "0.0.0.0", "\(workload)")
            for (probe, path) in [
                ("startupProbe", "/healthz"), ("livenessProbe", "/healthz"),
                ("readinessProbe", "/readyz"),
            ] {
                let asked = try #require(container[probe, "httpGet"], "\(workload)")
                #expect(asked["path"]?.text == path, "\(workload) \(probe)")
                #expect(asked["port"]?.text == "operations", "\(workload) \(probe)")
                #expect(router.contains("add(\"\(path)\")"), "\(path)")
            }
            // A process with a hanging thread first ends by itself with a message, after 30 s.
            let life = try #require(container["livenessProbe"])
            let patience =
                (life["periodSeconds"]?.integer ?? 0) * (life["failureThreshold"]?.integer ?? 0)
            #expect(patience >= 40, "\(workload)")
        }
    }

    @Test("servers and simulator are asked as in docker-compose.yml")
    func probesOfServers() throws {
        let compose = try CheckoutFiles.text("docker-compose.yml")
        let tests = compose.matches(of: /test: (\[.*\])/).map { String($0.1) }
        let workloads = try Rendered.named("development").workloads
        for workload in workloads where !workload.isOnce && workload.name != "tapeline" {
            let probe = try #require(workload.container?["livenessProbe"], "\(workload)")
            #expect(workload.container?["readinessProbe"] != nil, "\(workload)")
            guard let command = probe["exec", "command"]?.list else { continue }
            let words = command.first == "/bin/sh" ? ["CMD-SHELL"] + command.dropFirst(2) : command
            #expect(
                tests.contains { test in words.allSatisfy { test.contains("\"\($0)\"") } },
                "\(workload): \(words)")
        }
    }

    @Test("nobody is killed before its orderly end is over")
    func grace() throws {
        for (_, _, workload) in try Rendered.each() {
            let grace = try #require(workload.pod?["terminationGracePeriodSeconds"]?.integer)
            let pause = workload.container?["lifecycle", "preStop", "sleep", "seconds"]?.integer
            // Nobody reaches the cockpit by a Service, so it waits for none.
            #expect(
                workload.name == "cockpit" ? pause == nil : (2...5).contains(pause ?? 0),
                "\(workload)")
            #expect(grace > (pause ?? 0) + Self.endSecondsMax, "\(workload)")
        }
    }

    @Test("two of each at least, spread over nodes and zones")
    func replicas() throws {
        for (_, _, workload) in try Rendered.each(of: Service.recorders) {
            if let replicas = workload.node["spec", "replicas"] {
                #expect(replicas.integer == 2, "\(workload)")
            }
            let spread = workload.pod?["topologySpreadConstraints"]?.sequence ?? []
            #expect(
                spread.compactMap { $0["topologyKey"]?.text }
                    == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"])
            for constraint in spread {
                #expect(constraint["labelSelector"]?.selects(workload.podLabels) == true)
            }
        }
    }

    @Test("the cockpit is one, and its pages are on the pod's loopback")
    func cockpit() throws {
        for rendered in try Rendered.all() {
            let cockpit = try #require(rendered.manifest("Deployment", "cockpit"))
            #expect(cockpit.node["spec", "replicas"]?.integer == 1)
            let environment = try rendered.environment(of: cockpit)
            // kubectl port-forward reaches it; no Service, ingress or port of the pod does.
            #expect(environment["COCKPIT_ADDRESS"] == "127.0.0.1", "\(cockpit)")
            let pages = try #require(environment["COCKPIT_PORT"])
            #expect(cockpit.ports.compactMap { $0["containerPort"]?.text } == ["8503"])
            #expect(rendered.all("Ingress").isEmpty)
            for service in rendered.all("Service") {
                let open = service.node["spec", "ports"]?.sequence ?? []
                #expect(!open.contains { $0["port"]?.text == pages }, "\(service)")
            }
            // It asks each service, and reads the database by a role that may only read.
            for service in Service.recorders {
                let name = service.description.name
                let asked = environment["COCKPIT_SERVICES"]?.split(separator: ",") ?? []
                #expect(asked.contains { $0.contains(name) }, "\(cockpit): \(name)")
            }
            #expect(environment["POSTGRES_USER"] == "tapeline_cockpit")
        }
        let guide = try CheckoutFiles.text("deploy/kubernetes/README.md")
        #expect(guide.contains("kubectl -n tapeline port-forward deploy/cockpit 8510\n"))
    }

    @Test("with the component, people act in the cockpit, and a process carries it out")
    func actions() throws {
        let rendered = try Variant.withActions("production")
        let cockpit = try #require(rendered.manifest("Deployment", "cockpit"))
        let people = try rendered.environment(of: cockpit)
        #expect(people["COCKPIT_ACTIONS"] == "true")
        let carrier = try #require(rendered.manifest("Deployment", "actions"))
        let own = try rendered.environment(of: carrier)
        #expect(own["NATS_USER"] == "actions" && own["POSTGRES_USER"] == "tapeline_writer")
        #expect(own["NATS_URL"] == people["NATS_URL"])
        for (manifest, file) in [
            (cockpit, try #require(people["COCKPIT_PEOPLE"])),
            (cockpit, try #require(people["COCKPIT_ACTIONS_KEY_FILE"])),
            (carrier, try #require(own["COCKPIT_ACTIONS_KEY_FILE"])),
            (carrier, try #require(own["NATS_PASSWORD_FILE"])),
            (carrier, try #require(own["POSTGRES_PASSWORD_FILE"])),
        ] {
            let items = manifest.volumes.flatMap { $0["secret", "items"]?.sequence ?? [] }
            let name = file.split(separator: "/").last.map(String.init)
            #expect(items.contains { $0["path"]?.text == name }, "\(manifest): \(file)")
        }
        #expect(carrier.podLabels["app.kubernetes.io/component"] == "tool")
    }

    @Test("images are those of docker-compose.yml, ours in production of this version")
    func images() throws {
        let compose = try CheckoutFiles.text("docker-compose.yml")
        let known = Set(
            compose.matches(of: /image: (\S+)/).map {
                String($0.1).replacing("${TAPELINE_VERSION:-latest}", with: "latest")
            })
        for workload in try Rendered.all().flatMap(\.workloads) {
            for image in workload.containers.compactMap({ $0["image"]?.text }) {
                guard workload.overlay != "development" else {
                    #expect(known.contains(image), "\(workload): \(image)")
                    continue
                }
                // A release writes the digests of its images.
                let found = try #require(
                    image.wholeMatch(
                        of: /registry\.example\.com\/([^:@]+):([0-9.]+)(@sha256:[0-9a-f]{64})?/),
                    "\(image)")
                #expect(found.2 == ProductVersion.text[...], "\(image)")
                #expect(known.contains("\(found.1):latest"), "\(workload): \(image)")
            }
        }
    }

    @Test("each gateway has its own client id at TWS, and its own volume")
    func clientIDs() throws {
        for rendered in try Rendered.all() {
            let gateway = try #require(rendered.manifest("StatefulSet", "provider-gateway"))
            let environment = try rendered.environment(of: gateway)
            #expect(environment["IBKR_CLIENT_ID"] == "11")
            let variables = gateway.variables.compactMap { $0["name"]?.text }
            let number = try #require(variables.firstIndex(of: "POD_INDEX"))
            let client = try #require(variables.firstIndex(of: "IBKR_CLIENT_ID"))
            // A value can refer only to variables before it.
            #expect(number < client)
            let data = try #require(gateway.mounts.first { $0["name"]?.text == "data" })
            let folder = try #require(data["mountPath"]?.text)
            for key in ["GATEWAY_SPOOL", "GATEWAY_DEAD_LETTERS"] {
                #expect(environment[key]?.hasPrefix(folder + "/") == true, "\(key)")
            }
        }
    }
}
