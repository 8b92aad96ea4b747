import ServiceRuntime
import StoreSinks

/// The database's kind or settings were read for the first time, or have changed.
struct DatabaseFound: TelemetryEvent {
    static let name = "writer.database.found"
    let profile: DatabaseProfile

    var level: LogLevel { .info }
    var message: String {
        "the database is \(profile.mode), PostgreSQL \(profile.serverVersion)"
            + (profile.timescaleVersion.map { ", TimescaleDB \($0)" } ?? "")
    }
    var fields: [(String, LogValue)] {
        [("mode", .text(profile.mode)), ("durable", .text("\(profile.isDurable)"))]
    }
}

/// The list of settings by which a crash may lose a COMMIT has changed; it may be empty now.
struct DurabilityChanged: TelemetryEvent {
    static let name = "writer.durability.changed"
    let broken: [String]

    var level: LogLevel { broken.isEmpty ? .info : .warning }
    var message: String {
        broken.isEmpty
            ? "a COMMIT of the database outlives a crash again"
            : "the database may lose rows that it acknowledged: \(broken.joined(separator: "; "))"
    }
}

/// Time partitions of coming days were made.
struct PartitionsMade: TelemetryEvent {
    static let name = "writer.partitions.made"
    let count: Int

    var level: LogLevel { .info }
    var message: String { "made the time partitions of the coming days" }
    var fields: [(String, LogValue)] { [("partitions", .integer(Int64(count)))] }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_store_partitions_made_total", "a time partition that was made ahead of its rows"
        ).add(UInt64(max(0, count)))
    }
}

/// Retention has dropped a day of a table.
struct DayDropped: TelemetryEvent {
    static let name = "writer.retention.dropped"
    let day: StoreKeeping.Dropped
    let rule: RetentionPlan.Rule

    var level: LogLevel { .info }
    var message: String { "dropped \(day.name): \(day.table) is kept for \(rule.days) days" }
    var fields: [(String, LogValue)] {
        [("table", .text(day.table)), ("rows", .integer(Int64(day.rows)))]
    }

    func count(in metrics: MetricRegistry) {
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
struct MaintenanceFailed: TelemetryEvent {
    static let name = "writer.maintenance.failed"
    let reason: String

    var level: LogLevel { .warning }
    var message: String { "partitions and retention wait; writing goes on: \(reason)" }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_store_maintenance_failures_total",
            "a check of the database, or its upkeep, that failed and is tried again",
            "rises for long: the log has the reason"
        ).add()
    }
}
