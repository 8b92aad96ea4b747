/// An event: one type writes one kind of log line and increases its counters, so that the log and
/// the metrics cannot contradict each other.
public protocol TelemetryEvent: Sendable {
    /// The constant name, with dots: `gateway.publish.refused`.
    static var name: String { get }
    var level: LogLevel { get }
    /// A sentence for a person. Data for programs are in `fields`.
    var message: String { get }
    var fields: [(String, LogValue)] { get }
    /// Increases the counters. Called once per event, even if the log's level suppresses the line.
    func count(in metrics: MetricRegistry)
}

extension TelemetryEvent {
    public var fields: [(String, LogValue)] { [] }
    public func count(in metrics: MetricRegistry) {}
}
