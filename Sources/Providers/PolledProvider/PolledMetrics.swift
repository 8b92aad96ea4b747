internal import EngineKit
internal import MarketModel
internal import PolledEngine
internal import Primitives
internal import ProviderKit
internal import ServiceRuntime

/// The counters and gauges of one source and service. A series is never a label.
struct PolledMetrics: Sendable {
    /// How often the gateway had no room.
    let waits: Counter
    private let polledTo: Gauge
    private let gauges: [(Gauge, @Sendable (PolledStatus) -> Double)]
    private let counts: [(Counter, @Sendable (PolledCounters) -> UInt64)]
    private let shown = ShownCounts(PolledCounters())

    /// The names, the helps and the values.
    private static let counters: [(String, String, @Sendable (PolledCounters) -> UInt64)] = [
        ("mds_polled_requests_total", "Requests to the service.", \.requests),
        ("mds_polled_failures_total", "Requests without a good answer.", \.failures),
        ("mds_polled_limited_total", "Requests that were too many.", \.limited),
        ("mds_polled_values_total", "Values handed over.", \.values),
        ("mds_polled_revisions_total", "Periods whose value has changed.", \.revisions),
        ("mds_polled_unchanged_values_total", "Values that were known.", \.unchanged),
        ("mds_polled_older_values_total", "Values older than those that are known.", \.older),
        ("mds_polled_misfit_values_total", "Numbers beyond the tape.", \.misfits),
        ("mds_polled_outages_total", "Outages of a series that began.", \.outages),
    ]

    private static let levels: [(String, String, @Sendable (PolledStatus) -> Double)] = [
        (
            "mds_polled_live_feeds", "Series whose values come.",
            { Double($0.feeds.count { $0.state == .live }) }
        ),
        (
            "mds_polled_down_feeds", "Series without a good answer for three periods.",
            { Double($0.feeds.count { $0.state == .down }) }
        ),
        (
            "mds_polled_open_gaps", "Outages that last.",
            { Double($0.feeds.count { $0.hasOpenGap }) }
        ),
    ]

    init(_ metrics: MetricRegistry, labels: [(String, String)]) {
        func gauge(_ name: String, _ help: String, _ more: (String, String)...) -> Gauge {
            metrics.gauge(name, help, labels: labels + more)
        }
        waits = metrics.counter(
            "mds_polled_channel_full_total", "Turns in which nothing was asked.", labels: labels)
        polledTo = gauge(
            "mds_polled_to_timestamp_seconds",
            "Up to when all values are known, in seconds since 1970.")
        gauges =
            Self.levels.map { (gauge($0, $1), $2) }
            + PolledState.allCases.map { state in
                (
                    gauge(
                        "mds_polled_state", "1 at the present state.", ("state", state.rawValue)),
                    { $0.state == state ? 1 : 0 }
                )
            }
        counts = Self.counters.map { (metrics.counter($0, $1, labels: labels), $2) }
    }

    func show(_ status: PolledStatus) {
        for (gauge, value) in gauges { gauge.set(value(status)) }
        if status.polledTo.isDefined {
            polledTo.set(Double(status.polledTo.nanoseconds) / 1e9)
        } else {
            polledTo.remove()
        }
        shown.add(status.counters, to: counts)
    }

    /// Removes the gauges: the polling thread has ended. The next engine counts from 0.
    func remove() {
        for (gauge, _) in gauges { gauge.remove() }
        polledTo.remove()
        shown.reset(to: PolledCounters())
    }
}
