import Foundation
import ServiceRuntime
import TestSupport
import Testing
import YAMLFile

/// Checks the instructions of `deploy/kubernetes/README.md`.
@Suite("Kubernetes: the guide")
struct GuideTests {
    private static let component = "app.kubernetes.io/component"

    private static func guide() throws -> String {
        try CheckoutFiles.text("deploy/kubernetes/README.md")
    }

    @Test("an upgrade goes by readers before those who write what they read, each step complete")
    func upgrade() throws {
        let section = try #require(
            try Self.guide().components(separatedBy: "\n## ").first { $0.hasPrefix("Upgrade\n") })
        #expect(section.contains("-l \"\(Self.component)=$1\""))
        let steps = section.matches(of: /step ([a-z-]+)/).map { String($0.1) }
        #expect(
            steps == [
                "settings", "network", "migration", "setup", "store-writer", "operator-worker",
                "provider-gateway",
            ])
        for rendered in try Rendered.all() {
            var applied: Set<String> = []
            var started: [String] = []
            for step in steps {
                let objects = rendered.manifests.filter { $0.labels[Self.component] == step }
                #expect(!objects.isEmpty, "\(rendered.overlay): \(step)")
                applied.formUnion(objects.map { "\($0.kind)/\($0.name)" })
                for workload in objects where workload.template != nil {
                    started.append(workload.name)
                    let needed = Self.needed(by: workload)
                    #expect(needed.isSubset(of: applied), "\(workload): \(needed)")
                }
            }
            #expect(
                started == [
                    "store-writer-migrate", "tapeline-setup", "store-writer", "operator-worker",
                    "provider-gateway",
                ])
            // A policy applied after the pods that need it would come too late.
            #expect(
                rendered.all("NetworkPolicy").allSatisfy {
                    $0.labels[Self.component] == "network"
                })
        }
    }

    /// Returns what a pod needs in order to start, except what a person makes.
    private static func needed(by workload: Manifest) -> Set<String> {
        let sources = workload.containers.flatMap { $0["envFrom"]?.sequence ?? [] }
            .compactMap { $0["configMapRef", "name"]?.text }
        let volumes = workload.volumes.compactMap { $0["configMap", "name"]?.text }
        let maps = Set(sources + volumes).subtracting(["tapeline-ca"]).map { "ConfigMap/\($0)" }
        let account = workload.pod?["serviceAccountName"]?.text.map { "ServiceAccount/\($0)" }
        return Set(maps + [account].compactMap { $0 })
    }

    @Test("what is taken out of the last apply before something scales is the number of replicas")
    func replicas() throws {
        let command = try #require(
            try Self.guide().firstMatch(
                of: /for name in ([a-z -]+); do\n *KUBE_EDITOR='sed -i (\S+)' kubectl .*edit-last/))
        #expect(command.1.split(separator: " ") == ["operator-worker", "store-writer"])
        let production = try Rendered.named("production")
        for name in command.1.split(separator: " ").map(String.init) {
            let documents = production.text.components(separatedBy: "\n---\n")
            let text = try #require(
                documents.first {
                    $0.contains("kind: Deployment") && $0.contains("\n  name: \(name)\n")
                })
            let folder = try TemporaryFolder("applied")
            let file = try folder.write(text, to: "deployment.yaml")
            try run("/usr/bin/env", ["sed", "-i", String(command.2), file])
            let left = try String(contentsOfFile: file, encoding: .utf8)
            #expect(
                left.split(separator: "\n")
                    == text.split(separator: "\n").filter { $0 != "  replicas: 2" }, "\(name)")
            #expect(left != text)
        }
    }

    @Test("a gateway of a second source is let through, found and counted as the first one is")
    func secondSource() throws {
        let command = try #require(
            try Self.guide().firstMatch(of: /sed -e '([^']+)' -e '([^']+)' (base\/\S+\.yaml)/))
        let path = "\(ServerPrograms.checkout)/deploy/kubernetes/\(command.3)"
        let copy = try run(
            "/usr/bin/env", ["sed", "-e", String(command.1), "-e", String(command.2), path])
        let variant = try Variant()
        try variant.write(copy, to: "\(Rendered.folder)/production/gateway-futures.yaml")
        try variant.replace(
            "resources: [../../base]\n", by: "resources: [../../base, gateway-futures.yaml]\n",
            in: "\(Rendered.folder)/production/kustomization.yaml")
        let rendered = try variant.render("production")
        let name = "provider-gateway"
        let first = try #require(rendered.manifest("StatefulSet", name))
        let second = try #require(rendered.manifest("StatefulSet", "\(name)-futures"))
        // No object of one selects the other's pods.
        for kind in ["StatefulSet", "PodDisruptionBudget"] {
            for (owner, own, other) in [(first, first, second), (second, second, first)] {
                let selector = try #require(
                    rendered.manifest(kind, owner.name)?.node["spec", "selector"])
                #expect(selector.selects(own.podLabels) && !selector.selects(other.podLabels))
            }
        }
        #expect(second.node["spec", "serviceName"]?.text == second.name)
        #expect(rendered.manifest("Service", second.name) != nil)
        #expect(second.pod?["serviceAccountName"]?.text == second.name)
        #expect(rendered.manifest("ServiceAccount", second.name) != nil)
        // The same connections are allowed, in and out.
        let policies = rendered.all("NetworkPolicy").compactMap { $0.node["spec", "podSelector"] }
        #expect(policies.count { $0.selects(first.podLabels) } >= 4)
        for policy in policies {
            #expect(policy.selects(first.podLabels) == policy.selects(second.podLabels))
        }
        // The same settings and files, but another session with TWS.
        var settings = try rendered.environment(of: first)
        settings["IBKR_CLIENT_ID"] = "21"
        #expect(try rendered.environment(of: second) == settings)
        #expect(second.volumes.count == first.volumes.count)
        #expect(Discovery.job(of: second.podLabels) == name)
    }

    @Test("the tool's pod reaches a gateway's spools, on its node, and is the same in all else")
    func spools() throws {
        let rendered = try Variant.withSpool()
        let name = "tapeline"
        let before = try #require(
            try Rendered.named("production").manifest("Deployment", name))
        let tool = try #require(rendered.manifest("Deployment", name))
        let gateway = try #require(rendered.manifest("StatefulSet", "provider-gateway"))
        let template = try #require(gateway.node["spec", "volumeClaimTemplates"]?.sequence?.first)
        let data = try #require(template["metadata", "name"]?.text)
        let volume = try #require(tool.volumes.first { $0["persistentVolumeClaim"] != nil })
        #expect(
            volume["persistentVolumeClaim", "claimName"]?.text == "\(data)-\(gateway.name)-0")
        #expect(tool.volumes.count == before.volumes.count + 1)
        func mount(_ name: String?, in workload: Manifest) -> YAMLNode? {
            workload.mounts.first { $0["name"]?.text == name }
        }
        let place = try #require(mount(volume["name"]?.text, in: tool))
        let path = try #require(place["mountPath"]?.text)
        #expect(path == mount(data, in: gateway)?["mountPath"]?.text)
        #expect(place["readOnly"] == nil)
        let spool = try rendered.environment(of: gateway)["GATEWAY_SPOOL"] ?? ""
        #expect(spool.hasPrefix(path + "/"))
        #expect(try Self.guide().components(separatedBy: " --folder \(spool)\n").count == 3)
        for key in ["runAsNonRoot", "runAsUser", "fsGroup"] {
            #expect(
                tool.pod?["securityContext", key]?.text == before.pod?["securityContext", key]?.text
            )
        }
        #expect(tool.container?["image"]?.text == before.container?["image"]?.text)
        #expect(try rendered.environment(of: tool) == rendered.environment(of: before))
        let near = tool.pod?["affinity", "podAffinity"]?.mapping?.first?.value.sequence?.first
        #expect(
            near?["podAffinityTerm", "labelSelector", "matchLabels"]?.texts
                == ["statefulset.kubernetes.io/pod-name": "\(gateway.name)-0"])
    }

    @Test("a changed list is waited for in the place where pods have it, byte by byte")
    func list() throws {
        let command = try #require(
            try Self.guide().firstMatch(
                of: /list=(\S+)\n(?s:.)*?exec "\$pod" -- cat (\S+) \| cmp -s - "\$list"/))
        let rendered = try Rendered.named("production")
        let gateway = try #require(rendered.manifest("StatefulSet", "provider-gateway"))
        let list = try rendered.environment(of: gateway)["GATEWAY_INSTRUMENTS"]
        #expect(list == String(command.2))
        let text = try CheckoutFiles.text(String(command.1))
        let data = rendered.configuration("instruments")?.node["data"]?.texts ?? [:]
        #expect(data == ["instruments.yaml": text])
        // A single mounted file of a volume is never updated.
        #expect(!gateway.mounts.contains { $0["subPath"] != nil })
    }

    @Test("the KEDA that is asked for knows what the triggers use, and uses it rightly")
    func version() throws {
        // The first release that asks only the pods of the Service (KEDA's issue 7641).
        let wanted = "2.20 or newer"
        let folder = "deploy/keda/metrics-api"
        for file in ["operator-worker.yaml", "store-writer.yaml"] {
            let text = try CheckoutFiles.text("\(folder)/\(file)")
            #expect(text.contains("aggregateFromKubeServiceEndpoints"))
        }
        let component = try CheckoutFiles.text("\(folder)/kustomization.yaml")
        #expect(component.contains("KEDA (\(wanted))"))
        #expect(try Self.guide().contains("KEDA of \(wanted) for `/scale`"))
    }

    @Test("a Prometheus is asked without a token, unless the component for one is taken")
    func token() throws {
        let name = "production-keda-prometheus"
        for (rendered, token) in [
            (try Rendered.named(name), false), (try Variant.withToken(), true),
        ] {
            #expect(rendered.all("TriggerAuthentication").count == (token ? 1 : 0))
            let metrics = rendered.all("ScaledObject").flatMap(ScalingMetric.all)
            #expect(metrics.count == 4)
            for metric in metrics {
                let authentication = metric.trigger["authenticationRef", "name"]?.text
                #expect(authentication == (token ? "prometheus" : nil), "\(metric)")
                #expect(metric.metadata?["authModes"]?.text == (token ? "bearer" : nil))
            }
        }
    }
}
