import Testing
import YAMLFile

/// What a person adds to an overlay works there as what is shipped does.
@Suite("Kubernetes: components, in any overlay and namespace")
struct ComponentTests {
    private static func variants() throws -> [Rendered] {
        try Rendered.overlays.map(Variant.withActions) + [
            Variant.withDatabase(), Variant.withSources(), Variant.withAlerts(),
            Variant.inNamespace("md-staging", "production-keda"),
            Variant.withStore("clickhouse", "questdb", on: "development"),
            Variant.withStore("clickhouse", "questdb", byCloudNativePG: true),
        ]
    }

    @Test("every certificate that a setting names is mounted where it is named")
    func certificates() throws {
        var seen = 0
        for rendered in try Self.variants() {
            for workload in rendered.workloads {
                let folders = (workload.container?["volumeMounts"]?.sequence ?? [])
                    .compactMap { $0["mountPath"]?.text }
                for (key, path) in try rendered.environment(of: workload)
                where key.hasSuffix("_CA") || key.hasSuffix("ROOTCERT") {
                    guard !path.isEmpty else { continue }
                    seen += 1
                    #expect(
                        folders.contains { path.hasPrefix("\($0)/") }, "\(workload): \(key)=\(path)"
                    )
                }
            }
        }
        #expect(seen > 50)
    }

    @Test("in production each image of ours is of the registry")
    func registry() throws {
        for rendered in try Self.variants() where rendered.overlay != "development" {
            for workload in rendered.workloads {
                for image in workload.containers.compactMap({ $0["image"]?.text }) {
                    #expect(!image.hasPrefix("tapeline/"), "\(workload): \(image)")
                }
            }
        }
    }

    @Test("in another namespace nothing is of the usual one, and each scaler asks its own services")
    func namespace() throws {
        let rendered = try Variant.inNamespace("md-staging", "production-keda")
        for manifest in rendered.manifests where manifest.kind != "Namespace" {
            #expect(manifest.node["metadata", "namespace"]?.text == "md-staging", "\(manifest)")
        }
        #expect(rendered.all("Namespace").map(\.name) == ["md-staging"])
        #expect(!rendered.text.contains(".tapeline."))
        let urls = rendered.all("ScaledObject").flatMap(ScalingMetric.all)
            .compactMap { $0.metadata?["url"]?.text }
        #expect(!urls.isEmpty && urls.allSatisfy { $0.contains(".md-staging.svc:") }, "\(urls)")
    }

    @Test("nothing refuses to be changed by a second apply, or is changed by it")
    func again() throws {
        for rendered in try Rendered.all() + Self.variants() {
            // A Job's template is fixed, so a changed setting would be refused.
            #expect(rendered.all("Job").isEmpty, "\(rendered.overlay)")
            for manifest in rendered.all("StatefulSet") {
                // Without these fields, which the API adds, an apply by the server conflicts with
                // one by the client.
                for claim in manifest.node["spec", "volumeClaimTemplates"]?.sequence ?? [] {
                    #expect(claim["apiVersion"]?.text == "v1", "\(manifest)")
                    #expect(claim["kind"]?.text == "PersistentVolumeClaim", "\(manifest)")
                    #expect(claim["spec", "volumeMode"]?.text == "Filesystem", "\(manifest)")
                }
            }
            for reference in rendered.workloads.flatMap(\.variables).compactMap({
                $0["valueFrom", "fieldRef"]
            }) {
                #expect(reference["apiVersion"]?.text == "v1", "\(rendered.overlay)")
            }
        }
    }

    @Test(
        "a pod that does its work once ends at once when asked, and has no password while it waits")
    func once() throws {
        let stores = try Variant.withStore("clickhouse", "questdb")
        let both = ["clickhouse", "questdb"].map { "store-writer-migrate-\($0)" }
        let all: [(Rendered, [String])] =
            try Rendered.all().map { ($0, []) } + [(stores, both)]
        for (rendered, more) in all {
            let once = rendered.workloads.filter(\.isOnce)
            let isAlone = rendered.overlay == "development"
            let names = ["store-writer-migrate", "tapeline-setup"] + more
            #expect(Set(once.map(\.name)) == Set(names + (isAlone ? ["database"] : [])))
            for workload in once {
                #expect(workload.node["spec", "strategy", "type"]?.text == "Recreate")
                let waiting = try #require(workload.containers.last)
                #expect(waiting["volumeMounts"] == nil && waiting["envFrom"] == nil)
                #expect(waiting["command"]?.list.last?.contains("trap 'exit 0' TERM") == true)
                #expect(waiting["image"]?.text == workload.container?["image"]?.text)
            }
        }
    }

    @Test("in production there is no pod of the tool until a person asks for it")
    func tool() throws {
        for rendered in try Rendered.all() {
            let tool = try #require(rendered.manifest("Deployment", "tapeline"))
            let isTrial = rendered.overlay == "development"
            #expect(tool.node["spec", "replicas"]?.integer == (isTrial ? 1 : 0), "\(tool)")
        }
    }
}
