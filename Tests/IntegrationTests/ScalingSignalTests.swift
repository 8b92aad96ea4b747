import Foundation
import Primitives
import TestSupport
import Testing
import YAMLFile

extension IntegrationTests.StoredTests {
    /// Runs the queries of `deploy/keda` and of the rules of prometheus-adapter against real
    /// services.
    @Suite struct ScalingSignalTests {
        private static let checkout = ServerPrograms.checkout

        private static func file(_ path: String) throws -> YAMLNode {
            try YAMLFile.parse(
                Array(try Data(contentsOf: URL(fileURLWithPath: "\(checkout)/\(path)"))))
        }

        private static func value(_ node: YAMLNode, _ path: String...) -> YAMLNode? {
            path.reduce(Optional(node)) { node, key in
                node?.mapping?.first { $0.key == key }?.value
            }
        }

        /// Returns the metadata of all triggers of a kind.
        private static func triggers(_ kind: String) throws -> [[String: String]] {
            try ["operator-worker", "store-writer"].flatMap { name in
                let scaler = try file("deploy/keda/\(kind)/\(name).yaml")
                let triggers = try #require(value(scaler, "spec", "triggers")?.sequence)
                return triggers.map { trigger in
                    let entries = value(trigger, "metadata")?.mapping ?? []
                    return Dictionary(
                        uniqueKeysWithValues: entries.map { ($0.key, $0.value.scalar?.text ?? "") })
                }
            }
        }

        /// Reads a value as KEDA does: by a path into JSON, or as the one sample with that name and
        /// those labels.
        private static func answer(
            _ trigger: [String: String], from service: ServiceProcess
        ) throws -> Double? {
            let url = try #require(trigger["url"].flatMap(URL.init(string:)))
            let place = try #require(trigger["valueLocation"])
            let page = try service.get(url.path)
            guard page.status == 200 else { return nil }
            if trigger["format"] == "prometheus" {
                let samples = page.body.split(separator: "\n").filter { $0.hasPrefix("\(place) ") }
                return samples.count == 1 ? Double(samples[0].dropFirst(place.count + 1)) : nil
            }
            var found: Any? = try JSONSerialization.jsonObject(with: Data(page.body.utf8))
            for key in place.split(separator: ".") {
                found = (found as? [String: Any])?[String(key)]
            }
            return (found as? NSNumber)?.doubleValue
        }

        @Test("the services answer what KEDA asks them, and have the series of every query")
        func answered() throws {
            let pipeline = try Pipeline.stored()
            let services = [
                "provider-gateway": try pipeline.service(.gateway),
                "operator-worker": try pipeline.service(.worker(0)),
                "store-writer": try pipeline.service(.writer),
            ]
            for trigger in try Self.triggers("metrics-api") {
                let host = try #require(trigger["url"].flatMap(URL.init(string:))?.host)
                let name = try #require(host.split(separator: ".").first.map(String.init))
                let service = try #require(services[name])
                #expect(
                    try eventually { try Self.answer(trigger, from: service) != nil }, "\(trigger)")
            }

            var queries = try Self.triggers("prometheus").compactMap { $0["query"] }
            let rules = try Self.file("deploy/kubernetes/components/hpa/adapter-rules.yaml")
            queries += (Self.value(rules, "externalRules")?.sequence ?? []).compactMap {
                Self.value($0, "metricsQuery")?.scalar?.text
            }
            #expect(queries.count == 8)
            let pages = try services.values.map { try $0.get("/metrics").body }.joined()
            let samples = pages.split(separator: "\n").filter { !$0.hasPrefix("#") }
            for series in queries.flatMap({ $0.matches(of: /(mds_\w+)(?:\{([^}]*)\})?/) }) {
                let isThere = samples.contains { sample in
                    let rest = sample.dropFirst(series.1.count)
                    return sample.hasPrefix(series.1) && (rest.first == "{" || rest.first == " ")
                        && series.2.map { rest.contains($0.replacing("!=", with: "=")) } ?? true
                }
                #expect(isThere, "\(series.0)")
            }
        }
    }
}
