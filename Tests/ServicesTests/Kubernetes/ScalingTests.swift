import Foundation
import TestSupport
import Testing
import YAMLFile

@Suite("Kubernetes: what is scaled, and by what")
struct ScalingTests {
    private static let kinds = ["ScaledObject", "HorizontalPodAutoscaler"]
    private static let scaled = ["operator-worker", "store-writer"]

    /// Returns the overlays that scale, each with its scalers.
    private static func scalers() throws -> [(rendered: Rendered, scalers: [Manifest])] {
        try Rendered.all().compactMap { rendered in
            let found = rendered.manifests.filter { kinds.contains($0.kind) }
            return found.isEmpty ? nil : (rendered, found)
        }
    }

    @Test("workers and writers are scaled in three ways, the gateway never")
    func targets() throws {
        let all = try Self.scalers()
        #expect(all.count == 3)
        for (rendered, scalers) in all {
            let targets = scalers.compactMap { $0.node["spec", "scaleTargetRef", "name"]?.text }
            #expect(targets.sorted() == Self.scaled, "\(rendered.overlay)")
            for target in targets {
                let deployment = try #require(rendered.manifest("Deployment", target))
                // An apply must not undo the scaler's decision.
                #expect(deployment.node["spec", "replicas"] == nil, "\(deployment)")
                // The HPA counts all pods of a rollout. One beside the wanted ones would raise the
                // number with each of its polls, and a missing one does not lower it.
                #expect(
                    deployment.node["spec", "strategy", "rollingUpdate"]?.texts
                        == ["maxSurge": "0", "maxUnavailable": "1"], "\(deployment)")
            }
            // The overlay without scaling has them.
            let production = try Rendered.named("production")
            for target in targets {
                let deployment = try #require(production.manifest("Deployment", target))
                #expect(deployment.node["spec", "replicas"]?.integer == 2)
            }
        }
    }

    @Test("no more than partitions, no fewer than two, and back in slowly")
    func bounds() throws {
        for (rendered, scalers) in try Self.scalers() {
            for scaler in scalers {
                let spec = try #require(scaler.node["spec"])
                let target = try #require(spec["scaleTargetRef", "name"]?.text)
                let settings = try #require(rendered.configuration(target)?.node["data"]?.texts)
                let most = spec["maxReplicaCount"] ?? spec["maxReplicas"]
                #expect(most?.text == settings["MDS_PARTITIONS"], "\(scaler)")
                #expect((spec["minReplicaCount"] ?? spec["minReplicas"])?.integer == 2)
                let behavior = try #require(
                    spec["behavior"]
                        ?? spec["advanced", "horizontalPodAutoscalerConfig", "behavior"])
                let up = try #require(behavior["scaleUp", "stabilizationWindowSeconds"]?.integer)
                let down = try #require(
                    behavior["scaleDown", "stabilizationWindowSeconds"]?.integer)
                // The HPA polls every 15 s. With a shorter window a single poll would decide.
                #expect(up > 15 && up <= 30 && down >= 300, "\(scaler)")
                for policy in behavior["scaleDown", "policies"]?.sequence ?? [] {
                    #expect(policy["type"]?.text == "Pods", "\(scaler)")
                }
            }
        }
    }

    @Test("as many writers as there may be find room in the database")
    func sessions() throws {
        let development = try Rendered.named("development")
        let database = try #require(development.manifest("StatefulSet", "timescaledb"))
        let option = try #require(
            database.container?["args"]?.list.first { $0.hasPrefix("--max_connections=") })
        let most = try #require(Int(option.split(separator: "=").last ?? ""))
        for (rendered, scalers) in try Self.scalers() {
            let settings = try #require(rendered.configuration("store-writer")?.node["data"]?.texts)
            let lanes = try #require(settings["WRITER_THREADS"].flatMap(Int.init))
            let writers = try #require(
                scalers.first { $0.name == "store-writer" }.flatMap {
                    ($0.node["spec", "maxReplicaCount"] ?? $0.node["spec", "maxReplicas"])?.integer
                })
            // One session per lane and one for the maintenance. Ten are reserved for people and
            // others.
            #expect(writers * (lanes + 1) <= most - 10, "\(rendered.overlay)")
        }
    }

    @Test("KEDA holds what is there when it learns nothing, and takes nothing for 0")
    func fallback() throws {
        for scaler in try Self.scalers().flatMap(\.scalers) where scaler.kind == "ScaledObject" {
            let fallback = try #require(scaler.node["spec", "fallback"], "\(scaler)")
            #expect(fallback["behavior"]?.text == "currentReplicasIfHigher")
            #expect(fallback["replicas"]?.text == scaler.node["spec", "minReplicaCount"]?.text)
            let metrics = ScalingMetric.all(of: scaler)
            #expect(!metrics.isEmpty)
            #expect(Set(metrics.compactMap { $0.trigger["name"]?.text }).count == metrics.count)
            for metric in metrics {
                // A fallback works only for averages.
                #expect(metric.trigger["metricType"]?.text == "AverageValue", "\(metric)")
                for entry in metric.metadata?.mapping ?? [] {
                    let isQuoted = entry.value.scalar?.isPlain == false
                    let isText = entry.value.integer == nil && entry.value.boolean == nil
                    #expect(isQuoted || isText, "\(metric): \(entry.key)")
                }
                if metric.trigger["type"]?.text == "prometheus" {
                    #expect(metric.metadata?["ignoreNullValues"]?.text == "false", "\(metric)")
                }
            }
        }
    }

    @Test("every query asks for metrics and labels that the services have")
    func metrics() throws {
        let page = try MetricPage.labels()
        #expect(page.count > 100)
        var queries = try AdapterRules.all().flatMap { [$0.query, $0.series] }
        for scaler in try Self.scalers().flatMap(\.scalers) {
            queries += ScalingMetric.all(of: scaler).compactMap(\.query)
        }
        for query in queries {
            let series = MetricPage.series(in: query)
            #expect(!series.isEmpty, "\(query)")
            for (name, labels) in series {
                let known = try #require(page[name], "\(query): \(name) is not in docs/metrics.md")
                for label in labels { #expect(known.contains(label), "\(name){\(label)}") }
            }
        }
    }

    @Test("each address is a Service of ours, at its port, with a page that it has")
    func addresses() throws {
        var seen = 0
        for (rendered, scalers) in try Self.scalers() {
            for metric in scalers.flatMap(ScalingMetric.all) {
                guard let url = metric.metadata?["url"]?.text else { continue }
                seen += 1
                let parts = try #require(
                    url.wholeMatch(of: /http:\/\/([a-z-]+)\.([a-z]+)\.svc:(\d+)(\/\w+)/))
                let service = try #require(rendered.manifest("Service", String(parts.1)), "\(url)")
                #expect(service.node["metadata", "namespace"]?.text == String(parts.2))
                let ports = service.node["spec", "ports"]?.sequence ?? []
                #expect(ports.compactMap { $0["port"]?.text } == [String(parts.3)], "\(url)")
                let format = metric.metadata?["format"]?.text
                #expect(parts.4 == (format == "json" ? "/scale" : "/metrics"), "\(metric)")
                // Each pod is asked: one that hangs or knows nothing is left out.
                let readsAll = metric.metadata?["aggregateFromKubeServiceEndpoints"]?.text == "true"
                #expect(readsAll, "\(metric)")
                let kind = metric.metadata?["aggregationType"]?.text
                let isLeast = metric.trigger["name"]?.text == "circuit"
                #expect(kind == (isLeast ? "min" : "max"), "\(metric)")
            }
        }
        #expect(seen == 6)
    }

    @Test("what holds the writers while the database is away holds just as many as there are")
    func hold() throws {
        for (rendered, scalers) in try Self.scalers() {
            let writer = try #require(scalers.first { $0.name == "store-writer" })
            if let modifiers = writer.node["spec", "advanced", "scalingModifiers"] {
                let target = try #require(modifiers["target"]?.text)
                let steady = try Self.steady()
                let formula =
                    "circuit == 0 ? max(lag, rate / \(steady) * \(target)) "
                    + ": (others + 1) * \(target)"
                #expect(modifiers["formula"]?.text == formula)
                let names = ScalingMetric.all(of: writer).compactMap { $0.trigger["name"]?.text }
                #expect(names == ["lag", "rate", "circuit", "others"])
                #expect(
                    writer.node["spec", "triggers"]?.sequence?.first?[
                        "metadata", "targetValue"]?.text == target)
                continue
            }
            for metric in ScalingMetric.all(of: writer) {
                let threshold = try #require(metric.metadata?["threshold"]?.text)
                let query = try #require(metric.query)
                #expect(query.contains("or (\(threshold) * count("), "\(metric)")
            }
            for metric in writer.node["spec", "metrics"]?.sequence ?? [] {
                let external = try #require(metric["external"])
                #expect(external["target", "averageValue"]?.text == "1", "\(rendered.overlay)")
            }
        }
    }

    private static func figures() throws -> YAMLNode {
        try YAMLFile.parse(Array(CheckoutFiles.text("deploy/scaling.json").utf8))
    }

    /// Returns the ticks a second that each worker or writer is given.
    private static func steady() throws -> Int {
        let figures = try figures()
        let rate = try #require(figures["ticks_per_second"]?.integer)
        let percent = try #require(figures["steady_percent"]?.integer)
        return rate * percent / 100
    }

    @Test("the target is one, a time, and every file has what follows from it")
    func target() throws {
        let script = "\(ServerPrograms.checkout)/deploy/scaling.py"
        #expect(try run("/usr/bin/env", ["python3", "-B", script, "--check"]).isEmpty)
        let figures = try Self.figures()
        let seconds = try #require(figures["drain_seconds"]?.integer)
        let rate = try #require(figures["ticks_per_second"]?.integer)
        let steady = try Self.steady()
        let rendered = try Rendered.named("production-keda")
        for scaler in rendered.all("ScaledObject") {
            // What waits, and what comes in: so those stay who are needed when nothing waits.
            let metrics = ScalingMetric.all(of: scaler).prefix(2)
            let places = metrics.compactMap { $0.metadata?["valueLocation"]?.text }
            let group = scaler.name == "store-writer" ? "store" : "operator"
            #expect(places == ["\(group).lag", "\(group).rate"], "\(scaler)")
            #expect(
                metrics.compactMap { $0.metadata?["targetValue"]?.text }
                    == ["\(seconds * rate)", "\(steady)"], "\(scaler)")
        }
    }

    @Test("the HPA's metrics are those that the adapter is told to make")
    func adapter() throws {
        let rendered = try Rendered.named("production-hpa")
        let asked = rendered.all("HorizontalPodAutoscaler").flatMap {
            $0.node["spec", "metrics"]?.sequence ?? []
        }
        let names = asked.compactMap { $0["external", "metric", "name"]?.text }
        let made = try AdapterRules.all().map(\.name)
        #expect(names.count == 4 && names.sorted() == made.sorted())
        for metric in asked {
            #expect(metric["external", "target", "type"]?.text == "AverageValue")
        }
    }

    @Test("HPA and KEDA reckon alike")
    func arithmetic() throws {
        let keda = try Rendered.named("production-keda-prometheus")
        let hpa = try Rendered.named("production-hpa")
        let worker = try #require(keda.manifest("ScaledObject", "operator-worker"))
        let other = try #require(hpa.manifest("HorizontalPodAutoscaler", "operator-worker"))
        let thresholds = ScalingMetric.all(of: worker).compactMap {
            $0.metadata?["threshold"]?.text
        }
        let values = (other.node["spec", "metrics"]?.sequence ?? []).compactMap {
            $0["external", "target", "averageValue"]?.text
        }
        #expect(thresholds == values)
        let queries = try AdapterRules.all().map(\.query)
        #expect(ScalingMetric.all(of: worker).compactMap(\.query) == Array(queries.prefix(2)))
        for (query, threshold) in zip(queries.dropFirst(2), thresholds) {
            #expect(query.contains(" / \(threshold) and "), "\(query)")
        }
    }
}
