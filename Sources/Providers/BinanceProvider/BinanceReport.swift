internal import BinanceEngine
internal import MarketModel
internal import Primitives
internal import ProviderKit
internal import ServiceRuntime

/// The reports of the connection's thread to logs, metrics and the status page. Any thread may read
/// `present`; the rest is called by the connection's thread.
final class BinanceReport: Sendable {
    let metrics: BinanceMetrics
    let limits: ShownLimits
    private let registry: InstrumentRegistry
    private let telemetry: TelemetryHub
    private let shown = ShownStatus<BinanceStatus>()

    init(_ order: ProviderOrder, _ telemetry: TelemetryHub) {
        registry = order.registry
        self.telemetry = telemetry
        metrics = BinanceMetrics(telemetry.metrics, labels: [("source", order.source.text)])
        limits = ShownLimits(
            telemetry.metrics, source: order.source, provider: BinanceProvider.providerName)
    }

    /// The last state; `nil` before the thread has begun, and after it has ended.
    var present: BinanceStatus? { shown.present }

    /// Shows the engine's state, if that is due.
    func show(_ engine: BinanceEngine, _ now: Moment) {
        guard shown.isDue(now.monotonic) else { return }
        let status = engine.status
        metrics.show(status)
        shown.show(status)
        limits.show(engine.limits(now.monotonic), now)
    }

    func ended() {
        shown.show(nil)
        metrics.remove()
        limits.remove()
    }

    func report(_ note: BinanceNote) {
        switch note {
        case .state(let state): telemetry.emit(BinanceStateChanged(state: state))
        case .lost(let failures, let reason):
            telemetry.emit(
                BinanceTrouble(
                    message: "no trades, tried again by itself: \(reason)", failures: failures))
        case .oneLost(let failures, let reason):
            telemetry.emit(
                BinanceTrouble(
                    message: "one of two connections is lost, the other goes on: \(reason)",
                    failures: failures))
        case .differing(let instrument, let id):
            telemetry.emit(
                BinanceTrouble(
                    message: "\(symbol(instrument)): trade \(id) came twice with other content"))
        case .successorLost(let reason):
            telemetry.emit(
                BinanceTrouble(
                    message: "the next connection failed, the present one goes on: \(reason)"))
        case .renewing(let reason):
            telemetry.emit(BinanceStateChanged(state: .renewing, reason: reason))
        case .refusedRequest(let reason):
            telemetry.emit(BinanceTrouble(message: "the exchange refuses a request: \(reason)"))
        case .refused(let instrument, let reason):
            shown.showSoon()
            telemetry.emit(BinanceTrouble(message: "\(symbol(instrument)): \(reason)"))
        case .missing(let instrument, let first, let last):
            telemetry.emit(
                BinanceTrouble(
                    message: "\(symbol(instrument)): trade ids \(first) to \(last) did not come"))
        case .filled(let instrument, let added, let lost):
            telemetry.emit(BinanceGapEnded(symbol: symbol(instrument), added: added, lost: lost))
        case .fetchesWait(let reason):
            telemetry.emit(BinanceTrouble(message: "past trades are asked for later: \(reason)"))
        case .mayNotFit(let instrument, let text):
            telemetry.emit(
                BinanceTrouble(
                    message:
                        "\(symbol(instrument)): the exchange's limits allow \(text), which does "
                        + "not fit the tape: a trade with it is put on record as a gap"))
        case .misfit(let instrument, let id, let text):
            telemetry.emit(
                BinanceTrouble(
                    message: "\(symbol(instrument)): "
                        + (id > 0 ? "trade \(id) does not fit the tape: \(text)" : text)))
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

struct BinanceGapEnded: TelemetryEvent {
    static let name = "binance.gap_ended"
    let symbol: String
    let added: UInt64
    let lost: UInt64

    var level: LogLevel { lost == 0 ? .info : .warning }
    var message: String {
        "\(symbol): \(added) missing trades came on request"
            + (lost == 0 ? "" : ", and \(lost) stay missing")
    }
    var fields: [(String, LogValue)] {
        [("symbol", .text(symbol)), ("added", LogValue(added)), ("lost", LogValue(lost))]
    }

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
