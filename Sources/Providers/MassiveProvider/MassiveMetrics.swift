internal import EngineKit
internal import MarketModel
internal import MassiveEngine
internal import ProviderKit
internal import ServiceRuntime

/// The counters and gauges of one source. A symbol is never a label.
struct MassiveMetrics: Sendable {
    let bytes: Counter
    /// How often the gateway had no room.
    let waits: Counter
    private let gauges: [(Gauge, @Sendable (MassiveStatus) -> Double)]
    private let counts: [(Counter, @Sendable (MassiveCounters) -> UInt64)]
    private let shown = ShownCounts(MassiveCounters())

    /// The names, the helps and the values.
    private static let counters: [(String, String, @Sendable (MassiveCounters) -> UInt64)] = [
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

    private static let levels: [(String, String, @Sendable (MassiveStatus) -> Double)] = [
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

    init(_ metrics: MetricRegistry, labels: [(String, String)]) {
        func counter(_ name: String, _ help: String, _ more: (String, String)...) -> Counter {
            metrics.counter(name, help, labels: labels + more)
        }
        func gauge(_ name: String, _ help: String, _ more: (String, String)...) -> Gauge {
            metrics.gauge(name, help, labels: labels + more)
        }
        bytes = counter("mds_massive_received_bytes_total", "Bytes of the service's frames.")
        waits = counter("mds_massive_channel_full_total", "Turns in which nothing was read.")
        gauges =
            Self.levels.map { (gauge($0, $1), $2) }
            + MassiveState.allCases.map { state in
                (
                    gauge(
                        "mds_massive_state", "1 at the present state.", ("state", state.rawValue)),
                    { $0.state == state ? 1 : 0 }
                )
            }
        counts =
            Self.counters.map { (counter($0, $1), $2) }
            + MassiveSkip.allCases.map { reason in
                (
                    counter(
                        "mds_massive_skipped_messages_total", "Messages left out, by reason.",
                        ("reason", reason.rawValue)), { $0.skipped(reason) }
                )
            }
    }

    func show(_ status: MassiveStatus) {
        for (gauge, value) in gauges { gauge.set(value(status)) }
        shown.add(status.counters, to: counts)
    }

    /// Removes the gauges: the connections' thread has ended. The next engine counts from 0.
    func remove() {
        for (gauge, _) in gauges { gauge.remove() }
        shown.reset(to: MassiveCounters())
    }
}
