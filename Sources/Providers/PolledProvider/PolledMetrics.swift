internal import EngineKit
internal import MarketModel
internal import PolledEngine
internal import Primitives
internal import StreamKit

extension PolledSetup {
    private typealias Names = ProviderMetrics<PolledStatus>.Names

    static let metrics = ProviderMetrics<PolledStatus>.Names(
        received: (
            nil,
            (
                "mds_polled_channel_full_total",
                "a turn in which the gateway had no room and nothing was asked",
                "rises: the tape is too slow, see `mds_gateway_blocked_total`", by: ""
            )
        ),
        state: (
            "mds_polled_state", "1 at the present state, else 0",
            "failing: the event `polled.trouble` has the reason; refused: check the file of "
                + "the key", by: "state: idle, asking, good, failing, refused"
        ), counters,
        levels)

    private static let counters: [Names.Count] = [
        (
            "mds_polled_requests_total", "a request to the service",
            "does not rise: the thread waits, see `mds_polled_state`", \.requests
        ),
        (
            "mds_polled_failures_total",
            "a request that was not answered, limited, refused, or whose answer cannot be read",
            "the event `polled.trouble` has the reason", \.failures
        ),
        (
            "mds_polled_limited_total", "a request that was one too many for the service",
            "rises: poll less often, or get a key; other programs may share the address", \.limited
        ),
        ("mds_polled_values_total", "a value handed over to the gateway", "", \.values),
        ("mds_polled_revisions_total", "a period whose value has changed", "", \.revisions),
        ("mds_polled_unchanged_values_total", "a value that was known already", "", \.unchanged),
        (
            "mds_polled_older_values_total",
            "a price that is older than the last one, or a period older than all that are "
                + "known; it is left out", "rises: caches of the service differ", \.older
        ),
        (
            "mds_polled_misfit_values_total",
            "a value that does not fit the tape; a gap record has its text",
            "above 0: the event `polled.trouble` names the instrument", \.misfits
        ),
        (
            "mds_polled_outages_total", "an outage of a series that began",
            "often: check the network, and `mds_polled_limited_total`", \.outages
        ),
    ]

    private static let levels: [Names.Level] = [
        (
            "mds_polled_live_feeds", "series whose values come",
            "below the instruments of the list: `/status` has the reasons",
            { Double($0.feeds.count { $0.state == .live }) }
        ),
        (
            "mds_polled_down_feeds", "series without a good answer for three periods",
            "above 0: the event `polled.trouble` has the reason",
            { Double($0.feeds.count { $0.state == .down }) }
        ),
        (
            "mds_polled_open_gaps", "series whose outage lasts",
            "above 0 for long: the event `polled.trouble` has the reason",
            { Double($0.feeds.count { $0.hasOpenGap }) }
        ),
        (
            "mds_polled_to_timestamp_seconds",
            "up to when all values are known, in seconds since 1970: the oldest last good "
                + "request of its series",
            "lags the clock by more than three periods: see `mds_polled_down_feeds`",
            { $0.polledTo.isDefined ? Double($0.polledTo.nanoseconds) / 1e9 : nil }
        ),
    ]
}
