internal import AlpacaEngine
internal import MarketModel
internal import Primitives
internal import ProviderKit
internal import ServiceRuntime

/// The reports of the connections' thread to logs, metrics and the status page. Any thread may read
/// `present`; the rest is called by the connections' thread.
final class AlpacaReport: Sendable {
    let metrics: AlpacaMetrics
    private let registry: InstrumentRegistry
    private let telemetry: TelemetryHub
    private let shown = ShownStatus<AlpacaStatus>()

    init(_ order: ProviderOrder, _ telemetry: TelemetryHub) {
        registry = order.registry
        self.telemetry = telemetry
        metrics = AlpacaMetrics(telemetry.metrics, labels: [("source", order.source.text)])
    }

    /// The last state; `nil` before the thread has begun, and after it has ended.
    var present: AlpacaStatus? { shown.present }

    /// Shows the engine's state, if that is due.
    func show(_ engine: AlpacaEngine, _ now: Moment) {
        guard shown.isDue(now.monotonic) else { return }
        let status = engine.status
        metrics.show(status)
        shown.show(status)
    }

    func ended() {
        shown.show(nil)
        metrics.remove()
    }

    func report(_ note: AlpacaNote) {
        switch note {
        case .state(let state): telemetry.emit(AlpacaStateChanged(state: state))
        case .lost(let endpoint, let failures, let reason):
            let what = endpoint == .market ? "no records" : "no news"
            trouble("\(what), tried again by itself: \(reason)", failures: failures)
        case .refusedAccount(let reason):
            shown.showSoon()
            trouble(
                "the key or the subscription is not taken, tried again each minute: \(reason); "
                    + "check ALPACA_API_KEY_FILE, ALPACA_API_SECRET_FILE and ALPACA_FEED")
        case .refusedRequest(let reason): trouble("a request is refused: \(reason)")
        case .refused(let instrument, let reason):
            shown.showSoon()
            trouble("\(symbol(instrument)): \(reason)")
        case .misfit(let instrument, let text): trouble("\(symbol(instrument)): \(text)")
        case .unknownTrade(let instrument, let id):
            trouble(
                "\(symbol(instrument)): trade \(id) was changed, whose time is not known: the "
                    + "bars of its session are computed again")
        case .skipped(let reason): telemetry.emit(AlpacaSkipped(reason: reason))
        }
    }

    /// Reports how many notes were dropped because more happened than can be kept.
    func lost(notes count: UInt64) {
        trouble("\(count) events came too fast and are not in the log")
    }

    private func trouble(_ message: String, failures: Int = 0) {
        telemetry.emit(AlpacaTrouble(message: message, failures: failures))
    }

    private func symbol(_ number: UInt32) -> String {
        registry.instrument(number)?.symbol.text ?? "?"
    }
}

struct AlpacaStateChanged: TelemetryEvent {
    static let name = "alpaca.state"
    let state: AlpacaState

    var level: LogLevel { .info }
    var message: String {
        switch state {
        case .closed: "not connected to Alpaca"
        case .connecting: "connecting to Alpaca"
        case .ready: "connected to Alpaca"
        case .refused: "Alpaca refuses the account"
        case .occupied: "another session of the account is connected to Alpaca, or was cut off"
        }
    }
    var fields: [(String, LogValue)] { [("state", .text(state.rawValue))] }

    func count(in metrics: MetricRegistry) {}
}

struct AlpacaTrouble: TelemetryEvent {
    static let name = "alpaca.trouble"
    let message: String
    var failures = 0

    var level: LogLevel { .warning }
    var fields: [(String, LogValue)] { failures > 0 ? [("failures", LogValue(failures))] : [] }

    func count(in metrics: MetricRegistry) {}
}

struct AlpacaSkipped: TelemetryEvent {
    static let name = "alpaca.skipped"
    let reason: AlpacaSkip

    var level: LogLevel { .debug }
    var message: String { "a message of Alpaca was left out: \(reason.rawValue)" }
    var fields: [(String, LogValue)] { [("reason", .text(reason.rawValue))] }

    func count(in metrics: MetricRegistry) {}
}
