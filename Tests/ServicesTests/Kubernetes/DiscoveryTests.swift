import Foundation
import ServiceRuntime
import TestSupport
import Testing
import YAMLFile

/// How `deploy/prometheus` finds pods.
enum Discovery {
    private static let label = "app.kubernetes.io/component"

    static func file(_ name: String) throws -> YAMLNode {
        try YAMLFile.parse(Array(CheckoutFiles.text("deploy/prometheus/\(name)").utf8))
    }

    /// Returns the job as which a pod is scraped. `nil` if it is not scraped.
    static func job(of labels: [String: String]) -> String? {
        labels[label].flatMap { name in
            Service.all.contains { $0.description.name == name } ? name : nil
        }
    }

    /// The name of a label in a pod's metadata.
    static let source =
        "__meta_kubernetes_pod_label_" + label.replacing(/[^a-z]/, with: "_")

    /// Parses `key in (a, b)`.
    static func selector(_ text: String) -> (key: String, values: [String])? {
        text.wholeMatch(of: /(\S+) in \(([^)]*)\)/).map { match in
            (String(match.1), match.2.split { ", ".contains($0) }.map(String.init))
        }
    }
}

@Suite("Kubernetes: how Prometheus finds the services")
struct DiscoveryTests {
    private static let services = Service.all.map(\.description.name).sorted()

    @Test("it looks for the services' pods where the overlays put them, and each is a job")
    func configuration() throws {
        let jobs = try #require(try Discovery.file("kubernetes.yml")["scrape_configs"]?.sequence)
        let job = try #require(jobs.first { $0["job_name"]?.text == "tapeline" })
        let lookup = try #require(job["kubernetes_sd_configs"]?.sequence?.first)
        #expect(lookup["role"]?.text == "pod")
        // Its own namespace is another one, so "own_namespace" would find nothing.
        #expect(lookup["namespaces"]?.mapping?.map(\.key) == ["names"])
        let selector = try #require(
            Discovery.selector(lookup["selectors"]?.sequence?.first?["label"]?.text ?? ""))
        #expect(selector.values.sorted() == Self.services)
        let named = (job["relabel_configs"]?.sequence ?? []).first {
            $0["target_label"]?.text == "job"
        }
        #expect(named?["source_labels"]?.list == [Discovery.source])
        for rendered in try Rendered.all() {
            let space = try #require(rendered.all("Namespace").first).name
            #expect(lookup["namespaces", "names"]?.list == [space])
            for service in Self.services {
                let pods = rendered.workloads.filter { $0.podLabels[selector.key] == service }
                #expect(pods.map(\.name) == [service], "\(rendered.overlay)")
                #expect(pods.allSatisfy { Discovery.job(of: $0.podLabels) == service })
            }
        }
    }

    @Test("the operator's monitor looks for the same pods in the same place")
    func operators() throws {
        let spec = try #require(try Discovery.file("podmonitor.yaml")["spec"])
        let labels = spec["podMetricsEndpoints"]?.sequence?.first?["relabelings"]?.sequence ?? []
        #expect(
            labels.first { $0["targetLabel"]?.text == "job" }?["sourceLabels"]?.list
                == [Discovery.source])
        let selector = try #require(spec["selector"])
        for rendered in try Rendered.all() {
            let space = try #require(rendered.all("Namespace").first).name
            #expect(spec["namespaceSelector", "matchNames"]?.list == [space])
            let found = rendered.workloads.filter { selector.selects($0.podLabels) }
            #expect(found.map(\.name).sorted() == Self.services, "\(rendered.overlay)")
        }
    }

    @Test("its account may look pods up, in that namespace alone, and nothing more")
    func rights() throws {
        for rendered in try Rendered.all() {
            let role = try #require(rendered.manifest("Role", "prometheus"))
            let rules = try #require(role.node["rules"]?.sequence)
            #expect(rules.count == 1)
            #expect(rules.first?["apiGroups"]?.list == [""])
            #expect(rules.first?["resources"]?.list == ["pods"])
            #expect(rules.first?["verbs"]?.list == ["get", "list", "watch"])
            let binding = try #require(rendered.manifest("RoleBinding", "prometheus"))
            #expect(binding.node["roleRef", "name"]?.text == role.name)
            let subjects = try #require(binding.node["subjects"]?.sequence)
            #expect(subjects.count == 1)
            // The namespaces from which connections are allowed, and where KEDA connects.
            #expect(subjects.first?["namespace"]?.text == "monitoring")
        }
    }
}

@Suite("Kubernetes: rules for the Prometheus operator")
struct OperatorRulesTests {
    private static let script = "\(ServerPrograms.checkout)/deploy/prometheus/prometheus-rules.sh"

    private func objects(_ arguments: String...) throws -> [YAMLNode] {
        try run("/bin/sh", [Self.script] + arguments).split(separator: "---\n")
            .map { try YAMLFile.parse(Array($0.utf8)) }
    }

    @Test("each file of rules is one object with just these rules")
    func same() throws {
        let files = try CheckoutFiles.names(in: "deploy/prometheus", ending: ".rules.yml")
        let objects = try objects("monitoring", "release=mine")
        try #require(objects.count == files.count && files.count >= 7)
        for (file, object) in zip(files, objects) {
            #expect(object["apiVersion"]?.text == "monitoring.coreos.com/v1")
            #expect(object["kind"]?.text == "PrometheusRule")
            let name = "tapeline-\(file.dropLast(".rules.yml".count))"
            #expect(object["metadata", "name"]?.text == name)
            #expect(object["metadata", "namespace"]?.text == "monitoring")
            #expect(object["metadata", "labels", "release"]?.text == "mine")
            let spec = try #require(object["spec"])
            #expect(Self.shape(spec) == Self.shape(try Discovery.file(file)), "\(file)")
        }
    }

    @Test(
        "what is no namespace and no label is refused, and nothing printed",
        arguments: [
            ([], "which namespace?"), (["Mine"], "'Mine' is no name of a namespace"),
            (["monitoring", "mine"], "'mine' is no label"),
            (["monitoring", "a=b; c"], "'a=b; c' is no label"),
        ])
    func refused(arguments: [String], why: String) {
        do {
            _ = try run("/bin/sh", [Self.script] + arguments)
            Issue.record("it takes \(arguments)")
        } catch let failure as ProgramFailure {
            #expect(failure.status == 64)
            #expect(failure.message.hasPrefix("prometheus-rules: \(why)"), "\(failure.message)")
        } catch {
            Issue.record("\(error)")
        }
    }

    /// What a node consists of, wherever it stands in its file.
    private static func shape(_ node: YAMLNode) -> String {
        switch node.content {
        case .scalar(let scalar): "<\(scalar.text)>"
        case .sequence(let nodes): "[\(nodes.map(shape).joined(separator: ", "))]"
        case .mapping(let entries):
            "{\(entries.map { "\($0.key): \(shape($0.value))" }.joined(separator: ", "))}"
        }
    }
}
