/// Something that happened: one type writes one kind of log line and moves its counters, so that
/// the log and the metrics cannot tell different stories.
public protocol TelemetryEvent: Sendable {
    /// Dotted and constant: `gateway.publish.refused`.
    static var name: String { get }
    var level: LogLevel { get }
    /// A sentence for a person. What machines read is in `fields`.
    var message: String { get }
    var fields: [(String, LogValue)] { get }
    /// Moves the counters; called once per event, also if the log's level leaves the line out.
    func count(in metrics: MetricRegistry)
}

extension TelemetryEvent {
    public var fields: [(String, LogValue)] { [] }
    public func count(in metrics: MetricRegistry) {}
}
