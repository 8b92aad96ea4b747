import Foundation
import ServiceRuntime
import TestSupport
import Testing
import YAMLFile

/// All overlays of `deploy/kubernetes`, as kustomize renders them.
struct Rendered {
    let overlay: String
    let text: String
    let manifests: [Manifest]

    static let folder = "deploy/kubernetes/overlays"
    /// The component with all that production has.
    static let production = "deploy/kubernetes/components/production"
    static let overlays: [String] = {
        let path = "\(ServerPrograms.checkout)/\(folder)"
        do {
            return try FileManager.default.contentsOfDirectory(atPath: path).sorted()
        } catch {
            return []
        }
    }()

    /// All overlays, rendered once for all tests.
    static func all() throws -> [Rendered] { try rendered.get() }

    static func named(_ overlay: String) throws -> Rendered {
        try #require(try all().first { $0.overlay == overlay })
    }

    private static let rendered = Result {
        try overlays.map { overlay in
            let path = "\(ServerPrograms.checkout)/\(folder)/\(overlay)"
            let text = try run(ServerPrograms.kustomize, ["build", path])
            return Rendered(
                overlay: overlay, text: text,
                manifests: try Manifest.documents(text, of: overlay))
        }
    }

    /// Returns each of the services in each overlay, with what runs it there.
    static func each(
        of services: [Service] = Service.all
    ) throws -> [(rendered: Rendered, service: Service, workload: Manifest)] {
        var found: [(rendered: Rendered, service: Service, workload: Manifest)] = []
        for rendered in try all() {
            for service in services {
                let workload = rendered.workloads.first { $0.name == service.description.name }
                found.append((rendered, service, try #require(workload, "\(rendered.overlay)")))
            }
        }
        return found
    }

    /// Returns all that makes pods, of all overlays.
    static func everyWorkload() throws -> [(rendered: Rendered, workload: Manifest)] {
        try all().flatMap { rendered in rendered.workloads.map { (rendered, $0) } }
    }

    func all(_ kinds: String...) -> [Manifest] { manifests.filter { kinds.contains($0.kind) } }

    func manifest(_ kind: String, _ name: String) -> Manifest? {
        manifests.first { $0.kind == kind && $0.name == name }
    }

    /// The objects that make pods.
    var workloads: [Manifest] { manifests.filter { $0.template != nil } }

    /// Returns the ConfigMap by its name without the hash that kustomize appends.
    func configuration(_ name: String) -> Manifest? {
        manifests.first { manifest in
            guard manifest.kind == "ConfigMap" else { return false }
            return manifest.name == name
                || manifest.name.wholeMatch(of: /(.+)-[a-z0-9]{10}/)?.1 == name[...]
        }
    }

    /// Returns all variables of a container: those of its ConfigMap, overridden by its own.
    func environment(of workload: Manifest) throws -> [String: String] {
        guard let container = workload.container else { return [:] }
        var variables: [String: String] = [:]
        for source in container["envFrom"]?.sequence ?? [] {
            let name = try #require(source["configMapRef", "name"]?.text)
            let map = try #require(manifest("ConfigMap", name), "\(workload): ConfigMap \(name)")
            variables.merge(map.node["data"]?.texts ?? [:]) { $1 }
        }
        for variable in workload.variables {
            guard let name = variable["name"]?.text else { continue }
            // The value for the replica with the number 1.
            let isIndex = variable["valueFrom", "fieldRef", "fieldPath"]?.text?.contains(
                "pod-index")
            var value = isIndex == true ? "1" : variable["value"]?.text ?? ""
            if let reference = variable["valueFrom", "configMapKeyRef"] {
                let map = manifest("ConfigMap", reference["name"]?.text ?? "")
                let key = try #require(reference["key"]?.text)
                value = try #require(map?.node["data", key]?.text, "\(workload): \(key)")
            }
            variables[name] = value.replacing(/\$\((\w+)\)/) { variables[String($0.1)] ?? "" }
        }
        return variables
    }
}

@Suite("Kubernetes: what kustomize makes of the overlays")
struct RenderedTests {
    @Test("every overlay renders, and kubectl makes the same of it", arguments: Rendered.overlays)
    func renders(overlay: String) throws {
        let rendered = try Rendered.named(overlay)
        #expect(rendered.manifests.count > 20)
        let objects = rendered.manifests.map { "\($0.kind)/\($0.name)" }
        #expect(Set(objects).count == objects.count)
        // What `kubectl apply -k` accepts without another flag.
        let kubectl = "/usr/bin/kubectl"
        guard FileManager.default.isExecutableFile(atPath: kubectl) else {
            print("\(overlay) was not rendered by kubectl: it is not installed here")
            return
        }
        let path = "\(ServerPrograms.checkout)/\(Rendered.folder)/\(overlay)"
        #expect(try run(kubectl, ["kustomize", path]) == rendered.text)
    }

    @Test("there is an overlay for trying out, for production, and for each way of scaling")
    func overlays() {
        #expect(
            Rendered.overlays == [
                "development", "production", "production-hpa", "production-keda",
                "production-keda-prometheus",
            ])
    }

    @Test("everything is in one namespace, which lets in restricted pods alone")
    func namespace() throws {
        for rendered in try Rendered.all() {
            let space = try #require(rendered.all("Namespace").first)
            #expect(space.labels["pod-security.kubernetes.io/enforce"] == "restricted")
            for manifest in rendered.manifests where manifest.kind != "Namespace" {
                // No object for all namespaces: two installations would share it.
                let own = manifest.node["metadata", "namespace"]?.text
                #expect(own == space.name, "\(manifest)")
                #expect(manifest.labels["app.kubernetes.io/part-of"] == "tapeline", "\(manifest)")
            }
        }
    }

    @Test("what is named is there: ConfigMaps, service accounts, targets of budgets and Services")
    func references() throws {
        // The administrators of the servers supply the certificates.
        let external: Set = ["tapeline-ca"]
        for rendered in try Rendered.all() {
            let maps = Set(rendered.all("ConfigMap").map(\.name)).union(external)
            let accounts = Set(rendered.all("ServiceAccount").map(\.name))
            for workload in rendered.workloads {
                for volume in workload.volumes {
                    guard let name = volume["configMap", "name"]?.text else { continue }
                    #expect(maps.contains(name), "\(workload): \(name)")
                }
                if let account = workload.pod?["serviceAccountName"]?.text {
                    #expect(accounts.contains(account), "\(workload): \(account)")
                }
                let selector = workload.node["spec", "selector"]
                #expect(selector?.selects(workload.podLabels) == true, "\(workload)")
            }
            for budget in rendered.all("PodDisruptionBudget") {
                let selector = try #require(budget.node["spec", "selector"])
                #expect(rendered.workloads.count { selector.selects($0.podLabels) } == 1)
                #expect(budget.node["spec", "maxUnavailable"]?.integer == 1)
            }
            for service in Service.recorders {
                #expect(
                    rendered.manifest("PodDisruptionBudget", service.description.name) != nil)
            }
        }
    }
}
