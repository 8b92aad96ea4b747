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
        func gauge(_ name: String, _ help: String, _ advice: String) -> Gauge {
            metrics.gauge(name, help, labels: labels)
        }
        bytes = metrics.counter(
            "mds_ibkr_received_bytes_total", "a byte read from TWS", labels: labels)
        received = RecordTally.names.map {
            metrics.counter(
                "mds_ibkr_records_total", "a record made from the data of TWS",
                by: "source; kind: trade, quote, depth … subscription, gap",
                labels: labels + [("kind", $0)])
        }
        delayedLeftOut = metrics.counter(
            "mds_ibkr_delayed_left_out_ticks_total",
            "a delayed tick left out because its source took no records; a gap record has it, "
                + "and live data continue",
            "rises: the tape or the spool of `<source>-delayed` has no room", labels: labels)
        states = SessionState.allCases.map { ($0, Self.state($0.rawValue, metrics, labels)) }
        feeds = FeedStatus.State.allCases.map { ($0, Self.feeds($0.rawValue, metrics, labels)) }
        failures = gauge(
            "mds_ibkr_failed_attempts",
            "attempts that failed in a row, one per one to two seconds when the port refuses; 0: "
                + "connected", "60 and more: is TWS running, and is its API switched on?")
        outages = gauge(
            "mds_ibkr_open_outages",
            "open gaps: one per instrument and kind of data that an outage interrupts now",
            "above 0 for long: `/status` has the reasons")
        backfills = gauge(
            "mds_ibkr_waiting_backfills", "gaps that wait to be filled from history",
            "stays high: history is paced, `/status` shows until when")
        pacing = gauge(
            "mds_ibkr_paced_requests", "requests that wait for their turn (as many as are listed)",
            "`/status` shows for what and until when")
        lines = gauge(
            "mds_ibkr_used_lines", "market data lines in use",
            "near IBKR_LINES: further instruments wait")
        inSession = gauge(
            "mds_ibkr_instruments_in_session",
            "instruments whose data should come now: busy hours of their markets, as TWS reports "
                + "them",
            "above 0 while `mds_ibkr_records_total` does not rise: no data, although the market "
                + "is open")
        inLots = gauge(
            "mds_ibkr_instruments_in_lots",
            "instruments whose sizes are in lots and not in shares, by the growth of their "
                + "volume of the day",
            "above 0: the event `ibkr.sizes` names them; see "
                + "[IBKRSizesInLots](runbooks/IBKRSizesInLots.md)")
        clock = gauge(
            "mds_ibkr_clock_difference_seconds",
            "the clock of TWS minus this host's, as far as it is certain",
            "above a second: check the time service of both")
        counts = EngineCounts(metrics, labels)
        metrics.countReading(
            "mds_ibkr_channel_full_seconds_total",
            "a second in which the gateway accepted nothing and TWS was not read",
            "rises: the tape is too slow, see `mds_gateway_blocked_total`", labels: labels
        ) { full.seconds }
    }

    private static func state(
        _ name: String, _ metrics: MetricRegistry, _ labels: [(String, String)]
    ) -> Gauge {
        metrics.gauge(
            "mds_ibkr_state", "1 at the state of the connection, else 0",
            "not `ready`: the event `ibkr.state` has the reason",
            by: "source; state: closed, connecting, ready, server-lost, farm-down, silent, "
                + "competing", labels: labels + [("state", name)])
    }

    private static func feeds(
        _ state: String, _ metrics: MetricRegistry, _ labels: [(String, String)]
    ) -> Gauge {
        metrics.gauge(
            "mds_ibkr_feeds", "feeds in that state",
            "refused, waiting-for-lines: `/status` lists them and the reasons",
            by: "source; state: waiting, asked, live, interrupted, waiting-for-lines, down, "
                + "refused, done", labels: labels + [("state", state)])
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

    /// The names, the texts and the values.
    private static let plain: [(String, String, String, @Sendable (EngineCounters) -> UInt64)] = [
        (
            "mds_ibkr_messages_total",
            "a message of TWS",
            "does not rise: nothing arrives", \.messages
        ),
        (
            "mds_ibkr_unknown_messages_total",
            "a message of a kind that the gateway does not read",
            "", \.unknownMessages
        ),
        (
            "mds_ibkr_stray_messages_total",
            "a message for a subscription that has already ended",
            "", \.strayMessages
        ),
        (
            "mds_ibkr_late_records_total",
            "a live record below the watermark's promise; it is on the tape nevertheless",
            "rises: the broker's times are later than they should be", \.lateRecords
        ),
        (
            "mds_ibkr_connections_total",
            "a connection that became usable",
            "often: check `ibkr.failed`", \.connections
        ),
        (
            "mds_ibkr_resubscriptions_total",
            "a feed that was requested again",
            "", \.resubscriptions
        ),
        (
            "mds_ibkr_lost_numbers_total",
            "a price or size with more digits than the tape's scale: rounded, or "
                + "undefined when it is too large",
            "above 0: event `ibkr.numbers` (reason `scale`) names the instrument", \.lostNumbers
        ),
        (
            "mds_ibkr_cut_texts_total",
            "an exchange, conditions or a market maker cut to the length that a tick holds",
            "rises: the broker's names have become longer than the tape's fields", \.cutTexts
        ),
    ]

    init(_ metrics: MetricRegistry, _ labels: [(String, String)]) {
        // Skipped messages are counted by the engine and not by their events: when a turn has more
        // than a thousand events, some are dropped.
        counters =
            Self.plain.map { (metrics.counter($0, $1, labels: labels), $3) }
            + FieldFault.allCases.map { fault in
                let counter = metrics.counter(
                    "mds_ibkr_skipped_messages_total",
                    "a message with unexpected content for its kind",
                    "above 0: the broker changed something; the event `ibkr.skipped` has its "
                        + "number",
                    by: "source; fault: missing, not_a_number, out_of_range, not_a_time, count",
                    labels: labels + [("fault", fault.label)])
                return (counter, { $0.skipped(fault) })
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
