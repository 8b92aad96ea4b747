import Foundation

/// The metrics of docs/metrics.md. A house rule checks their names, and a test of the running
/// services checks their kinds and labels.
package struct MetricCatalogue {
    package struct Metric: Sendable {
        package let kind: String
        /// The values of each label. `nil` if there are too many to list.
        package let labels: [String: Set<String>?]
        /// What to do when it moves; "-" for nothing.
        package var action = "-"
    }

    package let metrics: [String: Metric]

    /// The labels that Prometheus adds to every series, including those that distinguish several
    /// stacks.
    package static let targetLabels: Set<String> = ["job", "instance", "namespace", "cluster"]
    /// Metrics of every process, of Prometheus itself, and of other programs.
    private static let general = [
        "up": Metric(kind: "gauge", labels: [:]),
        "ALERTS": Metric(
            kind: "gauge",
            labels: [
                "alertname": nil, "alertstate": nil, "severity": nil, "what": nil, "group": nil,
            ]),
        "process_cpu_seconds_total": Metric(kind: "counter", labels: [:]),
        "process_resident_memory_bytes": Metric(kind: "gauge", labels: [:]),
        "process_open_fds": Metric(kind: "gauge", labels: [:]),
        "process_max_fds": Metric(kind: "gauge", labels: [:]),
        "process_start_time_seconds": Metric(kind: "gauge", labels: [:]),
        "prometheus_notifications_alertmanagers_discovered": Metric(kind: "gauge", labels: [:]),
        "prometheus_notifications_errors_total": Metric(
            kind: "counter", labels: ["alertmanager": nil]),
        "alertmanager_integrations": Metric(kind: "gauge", labels: [:]),
        "alertmanager_notifications_failed_total": Metric(
            kind: "counter", labels: ["integration": nil, "reason": nil]),
        // Of CloudNativePG and of its plugin for backups, whose documentation names them.
        "barman_cloud_cloudnative_pg_io_last_available_backup_timestamp": Metric(
            kind: "gauge", labels: [:]),
        "cnpg_collector_up": Metric(kind: "gauge", labels: [:]),
        "cnpg_pg_stat_archiver_last_archived_time": Metric(kind: "gauge", labels: [:]),
        "cnpg_pg_stat_archiver_last_failed_time": Metric(kind: "gauge", labels: [:]),
    ]

    package init() throws {
        let path = "\(ServerPrograms.checkout)/docs/metrics.md"
        let page = try String(contentsOfFile: path, encoding: .utf8)
        var found = Self.general
        for line in page.split(separator: "\n") {
            let cells = line.split(separator: "|", omittingEmptySubsequences: false)
                .map { $0.trimmingPrefix(while: \.isWhitespace) }
            guard cells.count >= 6,
                let name = cells[1].wholeMatch(of: /`((?:mds|sink)_[a-z0-9_]+)`\s*/)
            else { continue }
            let kind = cells[2].prefix { $0.isLetter }
            found[String(name.output.1)] = Metric(
                kind: String(kind), labels: Self.labels(String(cells[3])),
                action: cells[5].trimmingCharacters(in: .whitespaces))
        }
        metrics = found
    }

    /// Parses `group, reason: owner, stranger; kind: trade, quote …`: labels, and before each colon
    /// the last label, whose values follow.
    private static func labels(_ cell: String) -> [String: Set<String>?] {
        var labels: [String: Set<String>?] = [:]
        for part in cell.split(separator: ";") {
            let halves = part.split(separator: ":", maxSplits: 1).map(String.init)
            let names = words(halves[0])
            for name in names { labels.updateValue(nil, forKey: name) }
            guard halves.count == 2, let last = names.last else { continue }
            let isOpen = halves[1].contains("…") || halves[1].contains(" a ")
            let listed = halves[1].replacing(/\([^)]*\)/, with: "")
            labels.updateValue(isOpen ? nil : values(listed), forKey: last)
        }
        return labels
    }

    private static func words(_ text: String) -> [String] {
        text.split(separator: ",").compactMap {
            $0.wholeMatch(of: /\s*([a-z_]+)\s*/).map { String($0.output.1) }
        }
    }

    private static func values(_ text: String) -> Set<String>? {
        let parts = text.split(separator: ",")
        let words = parts.compactMap {
            $0.wholeMatch(of: /\s*([A-Za-z0-9_-]+)\s*/).map { String($0.output.1) }
        }
        return words.count == parts.count ? Set(words) : nil
    }

    /// Returns the metric of a name in a query. A histogram has three names.
    package func metric(_ name: String) -> Metric? {
        if let metric = metrics[name] { return metric }
        for suffix in ["_bucket", "_sum", "_count"] where name.hasSuffix(suffix) {
            guard let metric = metrics[String(name.dropLast(suffix.count))],
                metric.kind == "histogram"
            else { continue }
            let bounds: [String: Set<String>?] = suffix == "_bucket" ? ["le": nil] : [:]
            return Metric(kind: "counter", labels: metric.labels.merging(bounds) { $1 })
        }
        return nil
    }
}
