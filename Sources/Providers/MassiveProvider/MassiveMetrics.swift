internal import EngineKit
internal import MarketModel
internal import MassiveEngine
internal import StreamKit

extension MassiveSetup {
    private typealias Names = StreamMetrics<MassiveStatus>.Names

    static let metrics = StreamMetrics<MassiveStatus>.Names(
        received: ("mds_massive_received_bytes_total", "mds_massive_channel_full_total"),
        state: "mds_massive_state", skipped: "mds_massive_skipped_messages_total", counters, levels)

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
            { $0.isWanted ? 1 : 0 }
        ),
        (
            "mds_massive_open_gaps", "Instruments whose outage lasts.",
            { Double($0.feeds.count { $0.hasOpenGap }) }
        ),
    ]
}
