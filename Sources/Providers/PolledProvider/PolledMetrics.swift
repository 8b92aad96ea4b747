internal import EngineKit
internal import MarketModel
internal import PolledEngine
internal import Primitives
internal import StreamKit

extension PolledSetup {
    private typealias Names = ProviderMetrics<PolledStatus>.Names

    static let metrics = ProviderMetrics<PolledStatus>.Names(
        received: (nil, "mds_polled_channel_full_total"), state: "mds_polled_state", counters,
        levels)

    private static let counters: [Names.Count] = [
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

    private static let levels: [Names.Level] = [
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
        (
            "mds_polled_to_timestamp_seconds",
            "Up to when all values are known, in seconds since 1970.",
            { $0.polledTo.isDefined ? Double($0.polledTo.nanoseconds) / 1e9 : nil }
        ),
    ]
}
