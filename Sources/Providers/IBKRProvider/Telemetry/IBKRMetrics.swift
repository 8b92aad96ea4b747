internal import IBEngine
internal import IBProtocol
internal import MarketModel
internal import Synchronization
internal import ServiceRuntime

/// The counters and gauges of one source's connection to TWS. A symbol is never a label.
struct IBKRMetrics: Sendable {
    /// Bytes read from the socket.
    let bytes: Counter
    /// Records handed over to the gateway, by the index in `RecordTally.names`.
    let received: [Counter]
    /// Delayed ticks for which there was no room.
    let delayedLeftOut: Counter
    private let states: [(SessionState, Gauge)]
    private let feeds: [(FeedStatus.State, Gauge)]
    private let failures: Gauge
    private let outages: Gauge
    private let backfills: Gauge
    private let pacing: Gauge
    private let lines: Gauge
    private let inSession: Gauge
    private let inLots: Gauge
    private let clock: Gauge
    private let counts: EngineCounts

    init(_ metrics: MetricRegistry, labels: [(String, String)], full: FullTime) {
        func gauge(_ name: String, _ help: String, _ more: (String, String)...) -> Gauge {
            metrics.gauge(name, help, labels: labels + more)
        }
        bytes = metrics.counter(
            "mds_ibkr_received_bytes_total", "Bytes read from TWS.", labels: labels)
        received = RecordTally.names.map {
            metrics.counter(
                "mds_ibkr_records_total", "Records made of what TWS sent.",
                labels: labels + [("kind", $0)])
        }
        delayedLeftOut = metrics.counter(
            "mds_ibkr_delayed_left_out_ticks_total",
            "Delayed ticks left out because their source took no records.", labels: labels)
        states = SessionState.allCases.map {
            ($0, gauge("mds_ibkr_state", "1 at the connection's state.", ("state", $0.rawValue)))
        }
        feeds = FeedStatus.State.allCases.map {
            ($0, gauge("mds_ibkr_feeds", "Feeds in that state.", ("state", $0.rawValue)))
        }
        failures = gauge("mds_ibkr_failed_attempts", "Attempts that failed since a success.")
        outages = gauge(
            "mds_ibkr_open_outages",
            "Open gaps: one per instrument and kind of data that an outage interrupts now.")
        backfills = gauge("mds_ibkr_waiting_backfills", "Gaps that wait to be filled.")
        pacing = gauge("mds_ibkr_paced_requests", "Requests that wait for their turn.")
        lines = gauge("mds_ibkr_used_lines", "Market data lines in use.")
        inSession = gauge(
            "mds_ibkr_instruments_in_session", "Instruments of which data should come now.")
        inLots = gauge(
            "mds_ibkr_instruments_in_lots", "Instruments whose sizes are in lots, not in shares.")
        clock = gauge("mds_ibkr_clock_difference_seconds", "TWS's clock less this host's.")
        counts = EngineCounts(metrics, labels)
        metrics.countReading(
            "mds_ibkr_channel_full_seconds_total",
            "Time in which the gateway took nothing and TWS was not read.", labels: labels
        ) { full.seconds }
    }

    /// Sets all gauges. `count`: how many instruments should deliver now; `nil`: that is not known.
    func show(_ status: IBStatus, inSession count: Int?) {
        for (state, gauge) in states { gauge.set(state == status.state ? 1 : 0) }
        for (state, gauge) in feeds {
            let count = status.instruments.reduce(0) { sum, instrument in
                sum + instrument.feeds.count { $0.state == state }
            }
            gauge.set(Double(count))
        }
        failures.set(Double(status.failures))
        outages.set(Double(status.openOutages))
        backfills.set(Double(status.waitingBackfills))
        pacing.set(Double(status.pacing.count))
        lines.set(Double(status.linesUsed))
        // An unknown count is different from 0: a source that was never connected does not know the
        // trading hours.
        if let count { inSession.set(Double(count)) } else { inSession.remove() }
        inLots.set(Double(status.instruments.count { $0.sizes.isLots }))
        clock.set(Double(status.clockDifference) / 1e9)
        counts.show(status.counters)
    }

    /// Removes the gauges: the connection's thread has ended.
    func remove() {
        for (_, gauge) in states { gauge.remove() }
        for (_, gauge) in feeds { gauge.remove() }
        for gauge in [failures, outages, backfills, pacing, lines, inSession, inLots, clock] {
            gauge.remove()
        }
        counts.restart()
    }
}

/// Adds the engine's counters, which begin at 0 with each engine, to counters that continue.
private final class EngineCounts: Sendable {
    private let counters: [(Counter, @Sendable (EngineCounters) -> UInt64)]
    /// The engine's counters when they were last added; `nil`: this engine's never were.
    private let shown = Mutex<EngineCounters?>(nil)

    init(_ metrics: MetricRegistry, _ labels: [(String, String)]) {
        func counter(_ name: String, _ help: String, _ more: (String, String)...) -> Counter {
            metrics.counter(name, help, labels: labels + more)
        }
        let plain: [(Counter, @Sendable (EngineCounters) -> UInt64)] = [
            (counter("mds_ibkr_messages_total", "Messages of TWS."), \.messages),
            (
                counter("mds_ibkr_unknown_messages_total", "Messages of kinds not read here."),
                \.unknownMessages
            ),
            (
                counter("mds_ibkr_stray_messages_total", "Messages of ended subscriptions."),
                \.strayMessages
            ),
            (
                counter("mds_ibkr_late_records_total", "Live records below the floor."),
                \.lateRecords
            ),
            (
                counter("mds_ibkr_connections_total", "Connections that became usable."),
                \.connections
            ),
            (
                counter("mds_ibkr_resubscriptions_total", "Feeds that were asked for anew."),
                \.resubscriptions
            ),
            (
                counter("mds_ibkr_lost_numbers_total", "Numbers that the tape cannot hold."),
                \.lostNumbers
            ),
            (
                counter("mds_ibkr_cut_texts_total", "Texts cut to what a tick holds."),
                \.cutTexts
            ),
        ]
        // Skipped messages are counted by the engine and not by their events: when a turn has more
        // than a thousand events, some are dropped.
        counters =
            plain
            + FieldFault.allCases.map { fault in
                (
                    counter(
                        "mds_ibkr_skipped_messages_total",
                        "Messages that were skipped, by what is wrong.", ("fault", fault.label)),
                    { $0.skipped(fault) }
                )
            }
    }

    /// Adds what the engine has counted since the last call.
    func show(_ present: EngineCounters) {
        shown.withLock { shown in
            for (counter, value) in counters {
                let before = shown.map { value($0) } ?? 0
                counter.add(value(present) &- min(before, value(present)))
            }
            shown = present
        }
    }

    /// Notes that the next engine begins at 0.
    func restart() { shown.withLock { $0 = nil } }
}

/// The total time in which the channel accepted nothing.
final class FullTime: Sendable {
    private let nanoseconds = Atomic<UInt64>(0)

    func add(_ more: Int64) {
        nanoseconds.wrappingAdd(UInt64(max(0, more)), ordering: .relaxed)
    }

    var seconds: Double { Double(nanoseconds.load(ordering: .relaxed)) / 1e9 }
}

/// The numbers of records of one batch by kind, so that a counter is changed once per batch.
struct RecordTally {
    /// The kinds as labels, by the index in `counts`.
    static let names = [
        "trade", "quote", "depth", "provider_bar", "option", "news", "fundamental", "indicator",
        "subscription", "gap",
    ]

    private(set) var counts: InlineArray<10, UInt64> = .init(repeating: 0)

    init(_ records: [ProviderRecord]) {
        for record in records {
            let place: Int? =
                switch record.kind {
                case .trade: 0
                case .quote: 1
                case .depth: 2
                case .providerBar: 3
                case .optionComputation: 4
                case .news: 5
                case .fundamental: 6
                case .indicator: 7
                case .any, nil: Self.placeOfOther(record)
                }
            if let place { counts[place] += 1 }
        }
    }

    private static func placeOfOther(_ record: ProviderRecord) -> Int? {
        switch record {
        case .tape(.subscription): 8
        case .tape(.gap): 9
        case .tape, .feed, .definition: nil
        }
    }

    func add(to counters: [Counter]) {
        for place in counts.indices where counts[place] > 0 {
            counters[place].add(counts[place])
        }
    }
}
