/// The format of the metrics page. The samples are the same in both.
public enum MetricFormat: Sendable, CaseIterable {
    /// Prometheus' text format 0.0.4, which every scraper reads.
    case prometheus
    /// OpenMetrics 1.0.0: counters without `_total` in their family's name, units, and an end mark
    /// that distinguishes a complete page from a truncated one.
    case openMetrics

    /// The content type in the answer's header.
    public var contentType: String {
        switch self {
        case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
        case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
        }
    }

    /// The text after the last family.
    var ending: String {
        switch self {
        case .prometheus: ""
        case .openMetrics: "# EOF\n"
        }
    }
}
