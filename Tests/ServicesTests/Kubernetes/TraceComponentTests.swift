import Testing
import YAMLFile

/// The component `traces`.
@Suite("Kubernetes: traces for a collector")
struct TraceComponentTests {
    @Test("all services that ticks pass name the collector, and a policy lets them, and no others")
    func collector() throws {
        let rendered = try Variant.withTraces()
        let policy = try #require(rendered.manifest("NetworkPolicy", "to-collector"))
        let selector = try #require(policy.node["spec", "podSelector"])
        let place = "http://otel-collector.monitoring.svc:4318"
        var named = 0
        for workload in rendered.workloads {
            let endpoint = try rendered.environment(of: workload)["OTEL_EXPORTER_OTLP_ENDPOINT"]
            let isNamed = endpoint == place
            if isNamed { named += 1 }
            // The migration and the tool have the writer's settings, and send no trace.
            if ["store-writer-migrate", "tapeline"].contains(workload.name) { continue }
            #expect(selector.selects(workload.podLabels) == isNamed, "\(workload)")
        }
        // The gateway of TWS, those of six sources, workers and writers.
        #expect(named >= 9, "\(named)")
        let rule = policy.node["spec", "egress"]?.sequence?.first
        #expect(rule?["ports"]?.sequence?.first?["port"]?.text == "4318")
        let space = rule?["to"]?.sequence?.first?["namespaceSelector", "matchExpressions"]
        #expect(space?.sequence?.first?["values"]?.list == ["monitoring"])
    }

    @Test("without the component services may reach no collector, and name none")
    func none() throws {
        for rendered in try Rendered.all() {
            #expect(rendered.manifest("NetworkPolicy", "to-collector") == nil)
            for workload in rendered.workloads {
                let endpoint = try rendered.environment(of: workload)["OTEL_EXPORTER_OTLP_ENDPOINT"]
                #expect(endpoint == nil || endpoint == "", "\(workload)")
            }
        }
    }
}
