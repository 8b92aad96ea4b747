internal import MarketModel
internal import MassiveEngine
internal import Primitives
internal import ProviderKit
internal import ServiceRuntime

/// The reports of the connections' thread to logs, metrics and the status page. Any thread may read
/// `present`; the rest is called by the connections' thread.
final class MassiveReport: Sendable {
    let metrics: MassiveMetrics
    private let registry: InstrumentRegistry
    private let telemetry: TelemetryHub
    private let shown = ShownStatus<MassiveStatus>()

    init(_ order: ProviderOrder, _ telemetry: TelemetryHub) {
        registry = order.registry
        self.telemetry = telemetry
        metrics = MassiveMetrics(telemetry.metrics, labels: [("source", order.source.text)])
    }

    /// The last state; `nil` before the thread has begun, and after it has ended.
    var present: MassiveStatus? { shown.present }

    /// Shows the engine's state, if that is due.
    func show(_ engine: MassiveEngine, _ now: Moment) {
        guard shown.isDue(now.monotonic) else { return }
        let status = engine.status
        metrics.show(status)
        shown.show(status)
    }

    func ended() {
        shown.show(nil)
        metrics.remove()
    }

    func report(_ note: MassiveNote) {
        switch note {
        case .state(let state): telemetry.emit(MassiveStateChanged(state: state))
        case .lost(let failures, let reason):
            trouble("no records, tried again by itself: \(reason)", failures: failures)
        case .refusedAccount(let reason):
            shown.showSoon()
            trouble(
                "the key or the plan is not taken, tried again each minute: \(reason); check "
                    + "MASSIVE_API_KEY_FILE and MASSIVE_FEED")
        case .refusedRequest(let reason): trouble("a request is refused: \(reason)")
        case .refused(let instrument, let reason):
            shown.showSoon()
            trouble("\(symbol(instrument)): \(reason)")
        case .misfit(let instrument, let text): trouble("\(symbol(instrument)): \(text)")
        case .said(let text): trouble("Massive says: \(text)")
        case .skipped(let reason): telemetry.emit(MassiveSkipped(reason: reason))
        }
    }

    /// Reports how many notes were dropped because more happened than can be kept.
    func lost(notes count: UInt64) {
        trouble("\(count) events came too fast and are not in the log")
    }

    private func trouble(_ message: String, failures: Int = 0) {
        telemetry.emit(MassiveTrouble(message: message, failures: failures))
    }

    private func symbol(_ number: UInt32) -> String {
        registry.instrument(number)?.symbol.text ?? "?"
    }
}

struct MassiveStateChanged: TelemetryEvent {
    static let name = "massive.state"
    let state: MassiveState

    var level: LogLevel { .info }
    var message: String {
        switch state {
        case .closed: "not connected to Massive"
        case .connecting: "connecting to Massive"
        case .ready: "connected to Massive"
        case .refused: "Massive refuses the account"
        case .occupied: "another session of the account is connected to Massive, or was cut off"
        }
    }
    var fields: [(String, LogValue)] { [("state", .text(state.rawValue))] }

    func count(in metrics: MetricRegistry) {}
}

struct MassiveTrouble: TelemetryEvent {
    static let name = "massive.trouble"
    let message: String
    var failures = 0

    var level: LogLevel { .warning }
    var fields: [(String, LogValue)] { failures > 0 ? [("failures", LogValue(failures))] : [] }

    func count(in metrics: MetricRegistry) {}
}

struct MassiveSkipped: TelemetryEvent {
    static let name = "massive.skipped"
    let reason: MassiveSkip

    var level: LogLevel { .debug }
    var message: String { "a message of Massive was left out: \(reason.rawValue)" }
    var fields: [(String, LogValue)] { [("reason", .text(reason.rawValue))] }

    func count(in metrics: MetricRegistry) {}
}
