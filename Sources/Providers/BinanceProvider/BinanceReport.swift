internal import BinanceEngine
internal import MarketModel
internal import Primitives
internal import ProviderKit
internal import ServiceRuntime
internal import Synchronization

/// The reports of the connection's thread to logs, metrics and the status page. Any thread may read
/// `present`; the rest is called by the connection's thread.
final class BinanceReport: Sendable {
    /// How often the state is shown, in nanoseconds.
    private static let interval: Int64 = 500_000_000

    let metrics: BinanceMetrics
    private let registry: InstrumentRegistry
    private let telemetry: TelemetryHub
    private let seen = Mutex<BinanceStatus?>(nil)
    private let shownAt = Atomic(MonotonicTime.distantPast.nanoseconds)

    init(_ order: ProviderOrder, _ telemetry: TelemetryHub) {
        registry = order.registry
        self.telemetry = telemetry
        metrics = BinanceMetrics(telemetry.metrics, labels: [("source", order.source.text)])
    }

    /// The last state; `nil` before the thread has begun, and after it has ended.
    var present: BinanceStatus? { seen.withLock { $0 } }

    /// Shows the engine's state, if that is due.
    func show(_ engine: BinanceEngine, _ now: Moment) {
        let last = MonotonicTime(nanoseconds: shownAt.load(ordering: .relaxed))
        guard now.monotonic - last >= Self.interval else { return }
        shownAt.store(now.monotonic.nanoseconds, ordering: .relaxed)
        let status = engine.status
        metrics.show(status)
        seen.withLock { $0 = status }
    }

    func ended() {
        seen.withLock { $0 = nil }
        metrics.remove()
    }

    func report(_ note: BinanceNote) {
        switch note {
        case .state(let state): telemetry.emit(BinanceStateChanged(state: state))
        case .lost(let failures, let reason):
            telemetry.emit(
                BinanceTrouble(
                    message: "no trades, tried again by itself: \(reason)", failures: failures))
        case .successorLost(let reason):
            telemetry.emit(
                BinanceTrouble(
                    message: "the next connection failed, the present one goes on: \(reason)"))
        case .renewing(let reason):
            telemetry.emit(BinanceStateChanged(state: .renewing, reason: reason))
        case .refusedRequest(let reason):
            telemetry.emit(BinanceTrouble(message: "the exchange refuses a request: \(reason)"))
        case .refused(let instrument, let reason):
            telemetry.emit(BinanceTrouble(message: "\(symbol(instrument)): \(reason)"))
        case .missing(let instrument, let first, let last):
            telemetry.emit(
                BinanceTrouble(
                    message: "\(symbol(instrument)): trade ids \(first) to \(last) did not come"))
        case .misfit(let instrument, let id, let text):
            telemetry.emit(
                BinanceTrouble(
                    message: "\(symbol(instrument)): trade \(id) does not fit the tape: \(text)"))
        case .restarted(let instrument, let id):
            telemetry.emit(
                BinanceTrouble(
                    message: "\(symbol(instrument)): trade ids began again, now at \(id)"))
        case .skipped(let reason): telemetry.emit(BinanceSkipped(reason: reason))
        }
    }

    /// Reports how many notes were dropped because more happened than can be kept.
    func lost(notes count: UInt64) {
        telemetry.emit(
            BinanceTrouble(message: "\(count) events came too fast and are not in the log"))
    }

    private func symbol(_ number: UInt32) -> String {
        registry.instrument(number)?.symbol.text ?? "?"
    }
}

struct BinanceStateChanged: TelemetryEvent {
    static let name = "binance.state"
    let state: BinanceState
    var reason = ""

    var level: LogLevel { .info }
    var message: String {
        switch state {
        case .closed: "not connected to the exchange"
        case .connecting: "connecting to the exchange"
        case .ready: "connected to the exchange"
        case .renewing: "a second connection begins beside the present one"
        }
    }
    var fields: [(String, LogValue)] {
        [("state", .text(state.rawValue)), ("reason", .text(reason))]
    }

    func count(in metrics: MetricRegistry) {}
}

struct BinanceTrouble: TelemetryEvent {
    static let name = "binance.trouble"
    let message: String
    var failures = 0

    var level: LogLevel { .warning }
    var fields: [(String, LogValue)] { failures > 0 ? [("failures", LogValue(failures))] : [] }

    func count(in metrics: MetricRegistry) {}
}

struct BinanceSkipped: TelemetryEvent {
    static let name = "binance.skipped"
    let reason: BinanceSkip

    var level: LogLevel { .debug }
    var message: String { "a message of the exchange was left out: \(reason.rawValue)" }
    var fields: [(String, LogValue)] { [("reason", .text(reason.rawValue))] }

    func count(in metrics: MetricRegistry) {}
}

/// The counters and gauges of one source. A symbol is never a label.
struct BinanceMetrics: Sendable {
    let bytes: Counter
    /// How often the gateway had no room.
    let waits: Counter
    private let states: [(BinanceState, Gauge)]
    private let live: Gauge
    private let gaps: Gauge
    private let counts: [(Counter, @Sendable (BinanceCounters) -> UInt64)]
    private let shown = ShownCounters()

    init(_ metrics: MetricRegistry, labels: [(String, String)]) {
        func counter(_ name: String, _ help: String, _ more: (String, String)...) -> Counter {
            metrics.counter(name, help, labels: labels + more)
        }
        func gauge(_ name: String, _ help: String, _ more: (String, String)...) -> Gauge {
            metrics.gauge(name, help, labels: labels + more)
        }
        bytes = counter("mds_binance_received_bytes_total", "Bytes of the exchange's messages.")
        waits = counter("mds_binance_channel_full_total", "Turns in which nothing was read.")
        states = BinanceState.allCases.map {
            ($0, gauge("mds_binance_state", "1 at the present state.", ("state", $0.rawValue)))
        }
        live = gauge("mds_binance_live_feeds", "Instruments whose trades come.")
        gaps = gauge("mds_binance_open_gaps", "Gaps that no later trade has ended yet.")
        let plain: [(Counter, @Sendable (BinanceCounters) -> UInt64)] = [
            (counter("mds_binance_messages_total", "Messages of the exchange."), \.messages),
            (counter("mds_binance_trades_total", "Trades handed over."), \.trades),
            (counter("mds_binance_double_trades_total", "Trades of both connections."), \.doubles),
            (counter("mds_binance_lower_ids_total", "Ids that went back."), \.lowerIDs),
            (
                counter("mds_binance_differing_trades_total", "Same id, other content."),
                \.differing
            ),
            (counter("mds_binance_missing_trades_total", "Ids that never came."), \.missing),
            (counter("mds_binance_misfit_trades_total", "Numbers beyond the tape."), \.misfits),
            (counter("mds_binance_late_trades_total", "Trades below the floor."), \.late),
            (counter("mds_binance_connections_total", "Connections that opened."), \.connections),
            (
                counter("mds_binance_failures_total", "Attempts and connections that failed."),
                \.failures
            ),
            (counter("mds_binance_renewals_total", "Connections taken over."), \.renewals),
        ]
        counts =
            plain
            + BinanceSkip.allCases.map { reason in
                (
                    counter(
                        "mds_binance_skipped_messages_total", "Messages left out, by reason.",
                        ("reason", reason.rawValue)),
                    { $0.skipped(reason) }
                )
            }
    }

    func show(_ status: BinanceStatus) {
        for (state, gauge) in states { gauge.set(state == status.state ? 1 : 0) }
        live.set(Double(status.feeds.count { $0.state == .live }))
        gaps.set(Double(status.feeds.count { $0.hasOpenGap }))
        let before = shown.exchange(status.counters)
        for (counter, value) in counts {
            counter.add(value(status.counters) &- min(value(before), value(status.counters)))
        }
    }

    /// Removes the gauges: the connection's thread has ended. The next engine counts from 0.
    func remove() {
        for (_, gauge) in states { gauge.remove() }
        live.remove()
        gaps.remove()
        _ = shown.exchange(BinanceCounters())
    }
}

/// The engine's counts when they were last added.
private final class ShownCounters: Sendable {
    private let counters = Mutex(BinanceCounters())

    func exchange(_ next: BinanceCounters) -> BinanceCounters {
        counters.withLock { counters in
            let before = counters
            counters = next
            return before
        }
    }
}
