internal import AlpacaEngine
internal import EngineKit
internal import MarketModel
internal import ProviderKit
internal import ServiceRuntime

/// The counters and gauges of one source. A symbol is never a label.
struct AlpacaMetrics: Sendable {
    let bytes: Counter
    /// How often the gateway had no room.
    let waits: Counter
    private let gauges: [(Gauge, @Sendable (AlpacaStatus) -> Double)]
    private let counts: [(Counter, @Sendable (AlpacaCounters) -> UInt64)]
    private let shown = ShownCounts(AlpacaCounters())

    /// The names, the helps and the values.
    private static let counters: [(String, String, @Sendable (AlpacaCounters) -> UInt64)] = [
        ("mds_alpaca_messages_total", "Messages of the service.", \.messages),
        ("mds_alpaca_trades_total", "Trades handed over.", \.trades),
        ("mds_alpaca_quotes_total", "Quotes handed over.", \.quotes),
        ("mds_alpaca_bars_total", "Bars handed over.", \.bars.all),
        ("mds_alpaca_revised_bars_total", "Bars that came again.", \.bars.revised),
        ("mds_alpaca_statuses_total", "Halts and their ends.", \.statuses),
        ("mds_alpaca_articles_total", "Headlines handed over.", \.articles),
        ("mds_alpaca_corrections_total", "Trades that were corrected.", \.corrections),
        ("mds_alpaca_cancels_total", "Trades that were cancelled.", \.cancels),
        ("mds_alpaca_unknown_trades_total", "Changed trades without a time.", \.unknownTrades),
        ("mds_alpaca_repairs_total", "Sessions to compute again.", \.repairs),
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

    private static let levels: [(String, String, @Sendable (AlpacaStatus) -> Double)] = [
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

    init(_ metrics: MetricRegistry, labels: [(String, String)]) {
        func counter(_ name: String, _ help: String, _ more: (String, String)...) -> Counter {
            metrics.counter(name, help, labels: labels + more)
        }
        func gauge(_ name: String, _ help: String, _ more: (String, String)...) -> Gauge {
            metrics.gauge(name, help, labels: labels + more)
        }
        bytes = counter("mds_alpaca_received_bytes_total", "Bytes of the service's frames.")
        waits = counter("mds_alpaca_channel_full_total", "Turns in which nothing was read.")
        gauges =
            Self.levels.map { (gauge($0, $1), $2) }
            + AlpacaState.allCases.map { state in
                (
                    gauge(
                        "mds_alpaca_state", "1 at the present state.", ("state", state.rawValue)),
                    { $0.state == state ? 1 : 0 }
                )
            }
        counts =
            Self.counters.map { (counter($0, $1), $2) }
            + AlpacaSkip.allCases.map { reason in
                (
                    counter(
                        "mds_alpaca_skipped_messages_total", "Messages left out, by reason.",
                        ("reason", reason.rawValue)), { $0.skipped(reason) }
                )
            }
    }

    func show(_ status: AlpacaStatus) {
        for (gauge, value) in gauges { gauge.set(value(status)) }
        shown.add(status.counters, to: counts)
    }

    /// Removes the gauges: the connections' thread has ended. The next engine counts from 0.
    func remove() {
        for (gauge, _) in gauges { gauge.remove() }
        shown.reset(to: AlpacaCounters())
    }
}
