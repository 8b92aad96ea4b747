import Foundation
import TestSupport
import Testing
import YAMLFile

/// One value by which something is scaled.
struct ScalingMetric: CustomStringConvertible {
    let scaler: Manifest
    /// PromQL, or the selector of one sample. `nil` if the value is a path in JSON.
    let query: String?
    let trigger: YAMLNode

    var description: String { "\(scaler): \(trigger["name"]?.text ?? query ?? "")" }
    var metadata: YAMLNode? { trigger["metadata"] }

    /// Returns the metrics of a ScaledObject.
    static func all(of scaler: Manifest) -> [ScalingMetric] {
        (scaler.node["spec", "triggers"]?.sequence ?? []).map { trigger in
            let isText = trigger["metadata", "format"]?.text == "prometheus"
            let query =
                trigger["metadata", "query"]?.text
                ?? (isText ? trigger["metadata", "valueLocation"]?.text : nil)
            return ScalingMetric(scaler: scaler, query: query, trigger: trigger)
        }
    }
}

/// The rules of prometheus-adapter, which are beside the HPA.
enum AdapterRules {
    static let path = "deploy/kubernetes/components/hpa/adapter-rules.yaml"

    static func all() throws -> [(name: String, query: String, series: String)] {
        let rules = try YAMLFile.parse(Array(CheckoutFiles.text(path).utf8))["externalRules"]
        return try #require(rules?.sequence).map { rule in
            #expect(rule["resources", "namespaced"]?.boolean == false)
            return (
                try #require(rule["name", "as"]?.text),
                try #require(rule["metricsQuery"]?.text), try #require(rule["seriesQuery"]?.text)
            )
        }
    }
}

/// The rows of docs/metrics.md: a name, and the labels of its series.
enum MetricPage {
    static func labels() throws -> [String: String] {
        let page = try CheckoutFiles.text("docs/metrics.md")
        let rows = page.matches(of: /\n\| `(\w+)` \| \w+ \|([^|\n]*)\|/)
        return Dictionary(rows.map { (String($0.1), String($0.2)) }, uniquingKeysWith: { $1 })
    }

    /// Returns the series in a query: names, each with the labels in its braces.
    static func series(in query: String) -> [(name: String, labels: [String])] {
        query.matches(of: /((?:mds|sink)_\w+)(?:\{([^}]*)\})?/).map { match in
            let labels = (match.2 ?? "").matches(of: /(\w+)\s*=~?/).map { String($0.1) }
            return (String(match.1), labels)
        }
    }
}
