internal import EngineKit
internal import MarketModel
internal import MassiveEngine
internal import StreamKit

extension MassiveSetup {
    private typealias Names = ProviderMetrics<StreamShown>.Names

    static let metrics = ProviderMetrics<StreamShown>.Names(
        received: ("mds_massive_received_bytes_total", "mds_massive_channel_full_total"),
        state: "mds_massive_state", counters, levels,
        Names.skipped("mds_massive_skipped_messages_total", StreamSkip.self) { $0.skipped($1) })

    private static let counters: [Names.Count] = [
        ("mds_massive_messages_total", "Messages of the service.", \.messages),
        ("mds_massive_trades_total", "Trades handed over.", \.trades),
        ("mds_massive_quotes_total", "Quotes handed over.", \.quotes),
        ("mds_massive_bars_total", "Bars handed over.", \.bars),
        ("mds_massive_revised_bars_total", "Bars that were sent again.", \.revisions),
        ("mds_massive_unordered_total", "Records with a number that fell.", \.unordered),
        ("mds_massive_misfits_total", "Records beyond the tape.", \.misfits),
        ("mds_massive_late_trades_total", "Trades below the floor.", \.late),
        ("mds_massive_broken_frames_total", "Frames that cannot be read.", \.broken),
        ("mds_massive_connections_total", "Connections that opened.", \.links.opened),
        ("mds_massive_failures_total", "Attempts and connections that failed.", \.links.failures),
        ("mds_massive_occupied_total", "Attempts beside another session.", \.links.occupied),
        ("mds_massive_cancels_total", "Cancelled trades that were found.", \.past.cancels),
        ("mds_massive_corrections_total", "Corrected trades that were found.", \.past.corrections),
        (
            "mds_massive_unreadable_changes_total", "Changes that the tape cannot say.",
            \.past.unreadable
        ),
        ("mds_massive_requests_total", "Requests for past trades.", \.past.requests),
        (
            "mds_massive_request_failures_total", "Requests without an answer of use.",
            \.past.failures
        ),
        (
            "mds_massive_left_out_spans_total", "Spans of trades that were not read again.",
            \.past.leftOut
        ),
        (
            "mds_massive_refused_feeds_total", "Channels of symbols that were refused.",
            \.links.refusedFeeds
        ),
        (
            "mds_massive_refused_requests_total", "Requests that were refused.",
            \.links.refusedRequests
        ),
    ]

    private static let levels: [Names.Level] = [
        (
            "mds_massive_live_feeds", "Instruments whose records come.",
            { Double($0.feeds.count { $0.state == .live }) }
        ),
        (
            "mds_massive_ready_connections", "1 if the connection is ready.",
            { $0.state == .ready ? 1 : 0 }
        ),
        (
            "mds_massive_wanted_connections", "1 if it is to be ready.",
            { Double($0.links) }
        ),
        (
            "mds_massive_reread_behind_seconds", "How late the second reading of trades is.",
            { Double($0.reread.behind) / 1e9 }
        ),
        (
            "mds_massive_open_gaps", "Instruments whose outage lasts.",
            { Double($0.feeds.count { $0.hasOpenGap }) }
        ),
    ]
}
