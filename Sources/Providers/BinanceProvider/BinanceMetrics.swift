internal import BinanceEngine
internal import EngineKit
internal import MarketModel
internal import ProviderKit
internal import ServiceRuntime

/// The counters and gauges of one source. A symbol is never a label.
struct BinanceMetrics: Sendable {
    let bytes: Counter
    /// How often the gateway had no room.
    let waits: Counter
    private let gauges: [(Gauge, @Sendable (BinanceStatus) -> Double)]
    private let counts: [(Counter, @Sendable (BinanceCounters) -> UInt64)]
    private let shown = ShownCounts(BinanceCounters())

    /// The names, the helps and the values.
    private static let counters: [(String, String, @Sendable (BinanceCounters) -> UInt64)] = [
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

    private static let levels: [(String, String, @Sendable (BinanceStatus) -> Double)] = [
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

    init(_ metrics: MetricRegistry, labels: [(String, String)]) {
        func counter(_ name: String, _ help: String, _ more: (String, String)...) -> Counter {
            metrics.counter(name, help, labels: labels + more)
        }
        func gauge(_ name: String, _ help: String, _ more: (String, String)...) -> Gauge {
            metrics.gauge(name, help, labels: labels + more)
        }
        bytes = counter("mds_binance_received_bytes_total", "Bytes of the exchange's messages.")
        waits = counter("mds_binance_channel_full_total", "Turns in which nothing was read.")
        gauges =
            Self.levels.map { (gauge($0, $1), $2) }
            + BinanceState.allCases.map { state in
                (
                    gauge(
                        "mds_binance_state", "1 at the present state.", ("state", state.rawValue)),
                    { $0.state == state ? 1 : 0 }
                )
            }
        var counts = Self.counters.map { (counter($0, $1), $2) }
        for (link, name) in BinanceLimits.links.enumerated() {
            counts.append(
                (
                    counter(
                        "mds_binance_leg_trades_total", "Trades of a connection.", ("leg", name)),
                    { $0.links.seen[link] }
                ))
            counts.append(
                (
                    counter(
                        "mds_binance_leg_won_trades_total", "Trades that it brought first.",
                        ("leg", name)),
                    { $0.links.won[link] }
                ))
        }
        for reason in BinanceSkip.allCases {
            counts.append(
                (
                    counter(
                        "mds_binance_skipped_messages_total", "Messages left out, by reason.",
                        ("reason", reason.rawValue)), { $0.skipped(reason) }
                ))
        }
        self.counts = counts
    }

    func show(_ status: BinanceStatus) {
        for (gauge, value) in gauges { gauge.set(value(status)) }
        shown.add(status.counters, to: counts)
    }

    /// Removes the gauges: the connections' thread has ended. The next engine counts from 0.
    func remove() {
        for (gauge, _) in gauges { gauge.remove() }
        shown.reset(to: BinanceCounters())
    }
}
