import TestSupport
import Testing
import YAMLFile

/// The component `traces`, and what compose has of it.
@Suite("Kubernetes and compose: traces for a collector")
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
            // The migration and the tool have the writer's settings, and send no trace.
            let sendsNone = ["store-writer-migrate", "tapeline"].contains(workload.name)
            let volume = workload.volumes.first { $0["name"]?.text == "traces" }
            let mount = workload.mounts.first { $0["name"]?.text == "traces" }
            if isNamed, !sendsNone {
                named += 1
                // It starts without the Secret.
                #expect(volume?["secret", "secretName"]?.text == "tapeline-traces")
                #expect(volume?["secret", "optional"]?.text == "true")
                #expect(mount?["mountPath"]?.text == "/etc/tapeline/traces")
            } else {
                #expect(volume == nil && mount == nil, "\(workload)")
            }
            if sendsNone { continue }
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

    @Test("in compose the headers are a file, which each service that ticks pass has")
    func headers() throws {
        let lines = try CheckoutFiles.lines("docker-compose.yml")
        let setting =
            "OTEL_EXPORTER_OTLP_HEADERS_FILE: "
            + "${OTEL_EXPORTER_OTLP_HEADERS_FILE:+/run/secrets/otlp-headers}"
        // Gateways share theirs.
        #expect(lines.count { $0.hasSuffix(setting) } == 3)
        let secrets = lines.filter { $0.contains(" secrets: [") }
        for name in ["[nats-gateway", "[nats-operator", "[nats-writer"] {
            // The server of NATS has the passwords of all.
            let own = secrets.filter { $0.contains(name) && !$0.contains("nats-tool") }
            #expect(!own.isEmpty && own.allSatisfy { $0.contains("otlp-headers") }, "\(name)")
        }
        let file = #"  otlp-headers: {file: "${OTEL_EXPORTER_OTLP_HEADERS_FILE:-/dev/null}"}"#
        #expect(lines.contains(file))
        let example = try CheckoutFiles.lines(".env.example")
        #expect(example.contains("OTEL_EXPORTER_OTLP_HEADERS_FILE="))
    }
}
