internal import MarketModel
internal import PolledEngine
internal import Primitives
internal import ProviderKit
internal import ServiceRuntime

/// The reports of the polling thread to logs, metrics and the status page. Any thread may read
/// `present`; the rest is called by the polling thread.
final class PolledReport: Sendable {
    let metrics: PolledMetrics
    let limits: ShownLimits
    private let table: PolledTable
    private let registry: InstrumentRegistry
    private let telemetry: TelemetryHub
    private let shown = ShownStatus<PolledStatus>()

    init(_ table: PolledTable, _ order: ProviderOrder, _ telemetry: TelemetryHub) {
        self.table = table
        registry = order.registry
        self.telemetry = telemetry
        metrics = PolledMetrics(
            telemetry.metrics,
            labels: [("source", order.source.text), ("provider", table.rawValue)])
        limits = ShownLimits(telemetry.metrics, source: order.source, provider: table.rawValue)
    }

    /// The last state; `nil` before the thread has begun, and after it has ended.
    var present: PolledStatus? { shown.present }

    /// Shows the engine's state. The thread has a turn a second, and one for each answer.
    func show(_ status: PolledStatus, _ present: [ProviderLimit], _ now: Moment) {
        metrics.show(status)
        limits.show(present, now)
        shown.show(status)
    }

    func ended() {
        shown.show(nil)
        metrics.remove()
        limits.remove()
    }

    func report(_ note: PolledNote) {
        switch note {
        case .good: telemetry.emit(PolledGood(provider: table.rawValue, title: table.title))
        case .failed(let failures, let reason):
            emit("no values, asked again by itself: \(reason)", failures: failures)
        case .refused(let instrument, let reason): emit("\(symbol(instrument)): \(reason)")
        case .refusedKey(let reason):
            emit("the key is not taken, asked again by itself: \(reason): check the key's file")
        case .misfit(let instrument, let text): emit("\(symbol(instrument)): \(text)")
        }
    }

    /// Reports how many notes were dropped because more happened than can be kept.
    func lost(notes count: UInt64) { emit("\(count) events came too fast and are not in the log") }

    private func emit(_ message: String, failures: Int = 0) {
        telemetry.emit(
            PolledTrouble(provider: table.rawValue, message: message, failures: failures))
    }

    private func symbol(_ number: UInt32) -> String {
        registry.instrument(number)?.symbol.text ?? "?"
    }
}

struct PolledGood: TelemetryEvent {
    static let name = "polled.good"
    let provider: String
    let title: String

    var level: LogLevel { .info }
    var message: String { "\(title) answers" }
    var fields: [(String, LogValue)] { [("provider", .text(provider))] }

    func count(in metrics: MetricRegistry) {}
}

struct PolledTrouble: TelemetryEvent {
    static let name = "polled.trouble"
    let provider: String
    let message: String
    var failures = 0

    var level: LogLevel { .warning }
    var fields: [(String, LogValue)] {
        [("provider", .text(provider))] + (failures > 0 ? [("failures", LogValue(failures))] : [])
    }

    func count(in metrics: MetricRegistry) {}
}
