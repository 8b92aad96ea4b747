/// The log and the metrics of one process, which everything that reports gets.
public final class TelemetryHub: Sendable {
    public let logger: Logger
    public let metrics: MetricRegistry

    public init(logger: Logger, metrics: MetricRegistry) {
        self.logger = logger
        self.metrics = metrics
    }

    /// Counts the event and writes its line.
    public func emit(_ event: ServiceEvent) {
        event.count(in: metrics)
        guard logger.isEnabled(event.level) else { return }
        logger.log(event.level, event.name, event.message, event.fields)
    }

    /// The same of an event that is a type.
    public func emit<Event: TelemetryEvent>(_ event: Event) {
        event.count(in: metrics)
        guard logger.isEnabled(event.level) else { return }
        logger.log(event.level, Event.name, event.message, event.fields)
    }
}
