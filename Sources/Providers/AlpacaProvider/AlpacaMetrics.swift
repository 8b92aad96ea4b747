internal import EngineKit
internal import MarketModel
internal import AlpacaEngine
internal import StreamKit

extension AlpacaSetup {
    private typealias Names = ProviderMetrics<StreamShown>.Names

    static let metrics = ProviderMetrics<StreamShown>.Names(
        received: ("mds_alpaca_received_bytes_total", "mds_alpaca_channel_full_total"),
        state: "mds_alpaca_state", counters, levels,
        Names.skipped("mds_alpaca_skipped_messages_total", StreamSkip.self) { $0.skipped($1) })

    private static let counters: [Names.Count] = [
        ("mds_alpaca_messages_total", "Messages of the service.", \.messages),
        ("mds_alpaca_trades_total", "Trades handed over.", \.trades),
        ("mds_alpaca_quotes_total", "Quotes handed over.", \.quotes),
        ("mds_alpaca_bars_total", "Bars handed over.", \.bars),
        ("mds_alpaca_revised_bars_total", "Bars that came again.", \.revisions),
        ("mds_alpaca_statuses_total", "Halts and their ends.", \.statuses),
        ("mds_alpaca_articles_total", "Headlines handed over.", \.articles),
        ("mds_alpaca_corrections_total", "Trades that were corrected.", \.changes.corrections),
        ("mds_alpaca_cancels_total", "Trades that were cancelled.", \.changes.cancels),
        ("mds_alpaca_unknown_trades_total", "Changed trades without a time.", \.changes.unknown),
        ("mds_alpaca_repairs_total", "Sessions to compute again.", \.changes.repairs),
        ("mds_alpaca_misfits_total", "Records beyond the tape.", \.misfits),
        ("mds_alpaca_late_trades_total", "Trades below the floor.", \.late),
        ("mds_alpaca_broken_frames_total", "Frames that cannot be read.", \.broken),
        ("mds_alpaca_connections_total", "Connections that opened.", \.links.opened),
        ("mds_alpaca_failures_total", "Attempts and connections that failed.", \.links.failures),
        ("mds_alpaca_occupied_total", "Attempts beside another session.", \.links.occupied),
        (
            "mds_alpaca_refused_requests_total", "Requests that were refused.",
            \.links.refusedRequests
        ),
    ]

    private static let levels: [Names.Level] = [
        (
            "mds_alpaca_live_feeds", "Instruments whose records come.",
            { Double($0.feeds.count { $0.state == .live }) }
        ),
        ("mds_alpaca_ready_connections", "Connections that are ready.", { Double($0.connections) }),
        (
            "mds_alpaca_wanted_connections", "Connections that are to be ready.",
            { Double($0.links) }
        ),
        (
            "mds_alpaca_open_gaps", "Instruments whose outage lasts.",
            { Double($0.feeds.count { $0.hasOpenGap }) }
        ),
    ]
}
