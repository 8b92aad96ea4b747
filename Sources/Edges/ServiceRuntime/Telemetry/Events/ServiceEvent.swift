/// An event: one kind of log line, and the counters that it increases, so that the log and the
/// metrics cannot contradict each other. Each kind is a function in an extension of this type.
public struct ServiceEvent: Sendable {
    /// How urgent the line is.
    package let level: LogLevel
    /// The constant name, with dots: `gateway.publish.refused`.
    package let name: String
    /// A sentence for a person. Data for programs are in `fields`.
    package let message: String
    /// Names and values, in the order of the line.
    package let fields: [(String, LogValue)]
    private let counters: @Sendable (MetricRegistry) -> Void

    /// The arguments without a label are level, name, message and fields.
    /// `count` increases the counters: once per event, even if the log's level suppresses the line.
    public init(
        _ level: LogLevel, _ name: String, _ message: String, fields: [(String, LogValue)],
        count: @escaping @Sendable (MetricRegistry) -> Void = { _ in }
    ) {
        self.level = level
        self.name = name
        self.message = message
        self.fields = fields
        counters = count
    }

    /// The same with one field after the other:
    /// `Self(.warning, "spool.full", "the spool is full: ticks wait", ("bytes", .integer(bytes)))`.
    public init(
        _ level: LogLevel, _ name: String, _ message: String, _ fields: (String, LogValue)...,
        count: @escaping @Sendable (MetricRegistry) -> Void = { _ in }
    ) {
        self.init(level, name, message, fields: fields, count: count)
    }

    /// Returns the event with a counter that it increases by one. For docs/metrics.md, `help` says
    /// what one of it means, `advice` what a person does when it moves, and `by` what its labels
    /// are.
    public func counting(
        _ name: String, _ help: String, _ advice: String = "", by: String = "",
        labels: [(String, String)] = []
    ) -> Self {
        Self(level, self.name, message, fields: fields) { [counters] metrics in
            counters(metrics)
            metrics.counter(name, help, labels: labels).add()
        }
    }

    /// Increases the counters.
    public func count(in metrics: MetricRegistry) { counters(metrics) }
}
