internal import BinanceEngine
internal import EngineKit
internal import MarketModel
internal import StreamKit

extension BinanceSetup {
    private typealias Names = ProviderMetrics<BinanceStatus>.Names

    static let metrics = ProviderMetrics<BinanceStatus>.Names(
        received: ("mds_binance_received_bytes_total", "mds_binance_channel_full_total"),
        state: "mds_binance_state", counters, levels,
        legs
            + Names.skipped("mds_binance_skipped_messages_total", BinanceSkip.self) {
                $0.skipped($1)
            })

    private static let counters: [Names.Count] = [
        ("mds_binance_messages_total", "Messages of the exchange.", \.messages),
        ("mds_binance_trades_total", "Trades handed over.", \.trades),
        ("mds_binance_quotes_total", "Quotes handed over.", \.sides.quotes),
        ("mds_binance_bars_total", "Bars handed over.", \.sides.bars),
        ("mds_binance_book_rows_total", "Changes of books handed over.", \.sides.rows),
        ("mds_binance_double_updates_total", "The same beside trades.", \.sides.doubles),
        ("mds_binance_double_trades_total", "Trades that had come already.", \.doubles),
        ("mds_binance_lower_ids_total", "Ids that went back.", \.lowerIDs),
        ("mds_binance_differing_trades_total", "Same id, other content.", \.differing),
        ("mds_binance_missing_trades_total", "Ids that did not come.", \.missing),
        ("mds_binance_filled_trades_total", "Ids that came on request.", \.fills.filled),
        ("mds_binance_lost_trades_total", "Ids that stay missing.", \.fills.lost),
        ("mds_binance_fetches_total", "Requests for past trades.", \.fills.requests),
        ("mds_binance_failed_fetches_total", "Those without trades.", \.fills.failures),
        ("mds_binance_misfit_trades_total", "Numbers beyond the tape.", \.misfits),
        ("mds_binance_late_trades_total", "Trades below the floor.", \.late),
        ("mds_binance_connections_total", "Connections that opened.", \.links.opened),
        ("mds_binance_failures_total", "Attempts and connections that failed.", \.links.failures),
        ("mds_binance_renewals_total", "Connections taken over.", \.links.renewals),
        ("mds_binance_waits_ended_total", "Waits for a missing id in vain.", \.links.waitsEnded),
    ]

    private static let levels: [Names.Level] = [
        (
            "mds_binance_live_feeds", "Instruments whose trades come.",
            { Double($0.feeds.count { $0.state == .live }) }
        ),
        ("mds_binance_open_connections", "Connections that are open.", { Double($0.connections) }),
        (
            "mds_binance_wanted_connections", "Connections that are to be open.",
            { Double($0.links) }
        ),
        (
            "mds_binance_open_gaps", "Gaps that no later trade has ended yet.",
            { Double($0.feeds.count { $0.hasOpenGap }) }
        ),
        ("mds_binance_waiting_gaps", "Gaps whose trades are asked for.", { Double($0.holes) }),
    ]

    /// What each of two connections brought.
    private static var legs: [Names.Labelled] {
        BinanceLimits.links.enumerated().flatMap { link, name -> [Names.Labelled] in
            [
                (
                    (
                        "mds_binance_leg_trades_total", "Trades of a connection.",
                        { $0.links.seen[link] }
                    ),
                    ("leg", name)
                ),
                (
                    (
                        "mds_binance_leg_won_trades_total", "Trades that it brought first.",
                        { $0.links.won[link] }
                    ), ("leg", name)
                ),
            ]
        }
    }
}
