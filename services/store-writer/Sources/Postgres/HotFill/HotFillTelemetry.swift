import Primitives
import ServiceRuntime

/// The metrics of values that are read from the database. What each one shows is its help text.
struct HotFillMetrics {
    let waiting: Gauge
    let values: Counter
    let failures: Counter

    init(_ metrics: MetricRegistry) {
        waiting = metrics.gauge(
            "mds_hot_state_fill_partitions",
            "partitions whose values the hot state still waits for from the database",
            "above 0 for minutes: the database is away or too slow")
        values = metrics.counter(
            "mds_hot_state_fill_values_total",
            "a value that was read from the database for the hot state; Valkey takes it if the "
                + "key is missing")
        failures = metrics.counter(
            "mds_hot_state_fill_failures_total",
            "a time that values could not be read from the database for the hot state; it is "
                + "tried 8 times in a row",
            "rises: the log has the reason (`writer.hot_state.filled`)")
    }
}

extension ServiceEvent {
    /// A pass of `HotFiller` is over: its values are handed over, or it was given up. `failure`:
    /// why it was given up; `nil` when it was not.
    static func hotFillEnded(
        progress: HotFiller.Progress, took: Duration = .zero, failure: String? = nil
    ) -> Self {
        let failed = failure.map {
            "the database does not give the last values; symbols that are not in Valkey "
                + "stay missing until their next tick: \($0)"
        }
        let done =
            progress.unreadable == 0
            ? "the hot state has the last values of the database"
            : "the hot state has the last values of the database, but for rows that it cannot read"
        return Self(
            failed == nil && progress.unreadable == 0 ? .info : .warning,
            "writer.hot_state.filled", failed ?? done,
            ("partitions", .integer(Int64(progress.partitions))),
            ("symbols", .integer(Int64(progress.symbols))),
            ("values", .integer(Int64(progress.values))),
            ("unreadable", .integer(Int64(progress.unreadable))),
            ("milliseconds", .integer(took.clampedNanoseconds / 1_000_000))
        ).counting(
            "mds_hot_state_fills_total",
            "a time that the values of taken partitions were read from the database",
            "given_up: symbols that Valkey has lost stay missing until their next tick; restart "
                + "the writer when the database is back", by: "outcome: done, given_up",
            labels: [("outcome", failed == nil ? "done" : "given_up")])
    }
}
