import ServiceRuntime
import StoreSinks

extension ServiceEvent {
    /// The database's kind or settings were read for the first time, or have changed.
    static func databaseFound(profile: DatabaseProfile) -> Self {
        Self(
            .info, "writer.database.found",
            "the database is \(profile.mode), PostgreSQL \(profile.serverVersion)"
                + (profile.timescaleVersion.map { ", TimescaleDB \($0)" } ?? ""),
            ("mode", .text(profile.mode)), ("durable", .text("\(profile.isDurable)")))
    }

    /// The list of settings by which a crash may lose a COMMIT has changed; it may be empty now.
    static func durabilityChanged(broken: [String]) -> Self {
        Self(
            broken.isEmpty ? .info : .warning, "writer.durability.changed",
            broken.isEmpty
                ? "a COMMIT of the database outlives a crash again"
                : "the database may lose rows that it acknowledged: "
                    + broken.joined(separator: "; ")
        )
    }

    /// Time partitions of coming days were made.
    static func partitionsMade(count: Int) -> Self {
        Self(
            .info, "writer.partitions.made", "made the time partitions of the coming days",
            ("partitions", .integer(Int64(count)))
        ) {
            $0.counter(
                "mds_store_partitions_made_total",
                "a time partition that was made ahead of its rows"
            ).add(UInt64(max(0, count)))
        }
    }

    /// Retention has dropped a day of a table.
    static func dayDropped(day: StoreKeeping.Dropped, rule: RetentionPlan.Rule) -> Self {
        Self(
            .info, "writer.retention.dropped",
            "dropped \(day.name): \(day.table) is kept for \(rule.days) days",
            ("table", .text(day.table)), ("rows", .integer(Int64(day.rows)))
        ) { metrics in
            metrics.counter(
                "mds_store_dropped_days_total", "a partition or chunk that retention dropped",
                labels: [("table", day.table)]
            ).add()
            metrics.counter(
                "mds_store_dropped_rows_total", "a row that retention dropped",
                labels: [("table", day.table)]
            ).add(UInt64(max(0, day.rows)))
        }
    }

    /// A check of the database, or a part of its maintenance, failed and is tried again.
    static func maintenanceFailed(reason: String) -> Self {
        Self(
            .warning, "writer.maintenance.failed",
            "partitions and retention wait; writing goes on: \(reason)"
        ).counting(
            "mds_store_maintenance_failures_total",
            "a check of the database, or its upkeep, that failed and is tried again",
            "rises for long: the log has the reason")
    }
}
