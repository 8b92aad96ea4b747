internal import EngineKit
internal import MarketModel
internal import Primitives
internal import ProviderKit
package import ServiceRuntime

/// The reports of a provider's thread to logs, metrics and the status page. Any thread may read
/// `present`; the rest is called by the provider's thread.
package final class ProviderReport<Service: ProviderService>: Sendable {
    package let telemetry: TelemetryHub
    let metrics: ProviderMetrics<Service.Engine.Status>
    let limits: ShownLimits
    private let service: Service
    private let registry: InstrumentRegistry
    private let shown = ShownStatus<Service.Engine.Status>()

    init(_ service: Service, _ order: ProviderOrder, _ telemetry: TelemetryHub) {
        self.service = service
        registry = order.registry
        self.telemetry = telemetry
        metrics = ProviderMetrics(
            Service.metrics, telemetry.metrics,
            labels: [("source", order.source.text)] + service.labels)
        limits = ShownLimits(telemetry.metrics, source: order.source, provider: service.name)
    }

    /// The last state; `nil` before the thread has begun, and after it has ended.
    var present: Service.Engine.Status? { shown.present }

    /// Shows the engine's state, if that is due.
    func show(_ engine: Service.Engine, _ now: Moment) {
        guard shown.isDue(now.monotonic) else { return }
        let status = engine.status
        metrics.show(status)
        shown.show(status)
        limits.show(engine.limits(now.monotonic), now)
    }

    /// Makes the state due, because whoever learns of a refusal asks for the reason at once.
    package func showSoon() { shown.showSoon() }

    /// The provider has ended: its gauges and its state are removed.
    func ended() {
        shown.show(nil)
        metrics.remove()
        limits.remove()
    }

    /// Reports how many notes were dropped because more happened than can be kept.
    func lost(notes count: UInt64) {
        trouble("\(count) events came too fast and are not in the log")
    }

    /// Reports what a person may have to look at. `failures`: those in a row; 0: it is none.
    package func trouble(_ message: String, failures: Int = 0) {
        telemetry.emit(service.trouble(message, failures: failures))
    }

    /// Reports a message that was left out, of which there may be many.
    package func skipped(_ name: String, by sender: String, _ reason: String) {
        guard telemetry.logger.isEnabled(.debug) else { return }
        telemetry.emit(
            ServiceEvent(
                .debug, name, "a message of \(sender) was left out: \(reason)",
                ("reason", .text(reason))))
    }

    /// Returns the symbol of an instrument.
    package func symbol(_ number: UInt32) -> String {
        registry.instrument(number)?.symbol.text ?? "?"
    }
}
