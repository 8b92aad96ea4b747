internal import ServiceRuntime

extension ServiceEvent {
    static func streamPurged(stream: String, messages: UInt64, outcome: PurgePass.Outcome) -> Self {
        Self(
            .debug, "keeper.purged", "took what all needed groups have read off the stream",
            ("stream", .text(stream)), ("messages", .unsigned(messages)),
            ("outcome", .text(outcome.rawValue))
        ) { metrics in
            let labels = [("stream", stream)]
            metrics.counter(
                "mds_keeper_purged_messages_total",
                "a message that was removed from the stream, because all groups that are needed "
                    + "had read it",
                labels: labels
            ).add(messages)
            metrics.counter(
                "mds_keeper_purges_total", "a purge that ended",
                "held for long: as `mds_keeper_held`",
                by: "stream, outcome: reached, held",
                labels: labels + [("outcome", outcome.rawValue)]
            ).add()
        }
    }

    static func purgeHeld(stream: String, holder: String) -> Self {
        Self(
            .warning, "keeper.held",
            "the stream fills up, because not everybody has read it: \(holder)",
            ("stream", .text(stream)))
    }

    /// A group's position on partitions of a stream was purged.
    static func groupLetGo(stream: String, group: String, partitions: Int) -> Self {
        Self(
            .warning, "keeper.let_go",
            "a group that is not needed was let go, because the stream was nearly full: it will "
                + "continue with a named hole",
            ("stream", .text(stream)), ("group", .text(group)),
            ("partitions", .integer(Int64(partitions))))
    }

    static func purgeFailed(stream: String, reason: String) -> Self {
        Self(
            .warning, "keeper.failed", "a purge was not finished; it will be tried again",
            ("stream", .text(stream)), ("reason", .text(reason))
        ).counting(
            "mds_keeper_failures_total",
            "a purge, or a record of positions, that failed and is tried again",
            "often: check the server and its rights: [TapeWithoutKeeper](runbooks/TapeKeeper.md)")
    }

    static func keeperChanged(isKeeper: Bool) -> Self {
        Self(
            .info, "keeper.changed",
            isKeeper
                ? "this process keeps the tape in bounds now" : "another process keeps the tape now"
        )
    }
}
