import ServiceRuntime

/// The set of partitions for which the share over all of them does not wait has changed.
struct PartitionsLeftOut: TelemetryEvent {
    static let name = "operator.universe.left_out"
    /// The maximum number of partitions that the event lists. It counts all of them.
    private static let shownMax = 32
    /// The partitions; empty when all of them are waited for again.
    let partitions: [Int]

    var level: LogLevel { partitions.isEmpty ? .info : .warning }
    var message: String {
        partitions.isEmpty
            ? "values over all partitions are of all of them again"
            : "values over all partitions are partial: bars of some partitions are too far behind "
                + "to be waited for; see `tapeline tape` for what keeps them"
    }
    var fields: [(String, LogValue)] {
        [
            ("count", .integer(Int64(partitions.count))),
            (
                "partitions",
                .text(partitions.prefix(Self.shownMax).map { "\($0)" }.joined(separator: ","))
            ),
        ]
    }

    func count(in metrics: MetricRegistry) {
        guard !partitions.isEmpty else { return }
        metrics.counter(
            "mds_operator_left_out_total",
            "a time that values over all partitions continued, flagged partial, without some "
                + "partitions that lagged far",
            "rises: the log names these partitions; find out what delays them"
        ).add()
    }
}
