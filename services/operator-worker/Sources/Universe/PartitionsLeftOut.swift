import ServiceRuntime

extension ServiceEvent {
    /// The set of partitions for which the share over all of them does not wait has changed. It is
    /// empty when all of them are waited for again. The event lists at most 32, and counts all.
    static func partitionsLeftOut(partitions: [Int]) -> Self {
        let listed = partitions.prefix(32).map { "\($0)" }.joined(separator: ",")
        return Self(
            partitions.isEmpty ? .info : .warning, "operator.universe.left_out",
            partitions.isEmpty
                ? "values over all partitions are of all of them again"
                : "values over all partitions are partial: bars of some partitions are too far "
                    + "behind to be waited for; see `tapeline tape` for what keeps them",
            ("count", .integer(Int64(partitions.count))), ("partitions", .text(listed))
        ) { metrics in
            guard !partitions.isEmpty else { return }
            metrics.counter(
                "mds_operator_left_out_total",
                "a time that values over all partitions continued, flagged partial, without some "
                    + "partitions that lagged far",
                "rises: the log names these partitions; find out what delays them"
            ).add()
        }
    }
}
