import Primitives

/// What a writer says of itself and of the database.
struct WriterPage: Equatable, Sendable {
    struct Worker: Equatable, Sendable {
        let state: String
        let lastError: String?
    }

    /// A group of tables that waits apart.
    struct Apart: Equatable, Sendable {
        let table: String
        let reason: String
        let since: Timestamp
        let behindSeconds: Double
    }

    /// The most workers, tables and problems of one page that are read.
    static let itemsMax = 256

    /// The process: one name may lead to several of them.
    var instance = ""
    /// The store that it writes.
    var store = ""
    var workers: [Worker] = []
    var apart: [Apart] = []
    /// Bytes of the tables with their indexes.
    var bytes: [String: UInt64] = [:]
    /// When the writer measured them, by its wall clock; undefined if it has not.
    var bytesAt = Timestamp.undefined
    /// The promises of durability that are broken.
    var problems: [String] = []
    /// Why the last check of the database failed. `nil` if it did not.
    var databaseProblem: String?
    /// Whether a COMMIT outlives a crash. `nil` if it is not known.
    var isDurable: Bool?
    /// `nil` while nobody looks at it, or if the page of metrics did not come.
    var metrics: WriterFigures?

    /// Reads the sections "writer" and "database" of `/status`. `nil` if it is no writer's.
    init?(_ status: JSONValue) {
        guard let writer = status["writer"] else { return nil }
        store = status.at("membership", "group")?.string ?? ""
        instance = status.at("membership", "instance")?.string ?? ""
        workers = (writer["workers"]?.array ?? []).prefix(Self.itemsMax).map {
            Worker(state: $0["state"]?.string ?? "", lastError: $0["last_error"]?.string)
        }
        apart = (writer["groups_apart"]?.array ?? []).prefix(Self.itemsMax).map {
            Apart(
                table: $0["table"]?.string ?? "", reason: $0["reason"]?.string ?? "",
                since: $0["since"]?.string.flatMap { ISOTime.parse($0) } ?? .undefined,
                behindSeconds: $0["behind_seconds"]?.double ?? 0)
        }
        let database = status["database"]
        for table in (database?["bytes"]?.members ?? []).prefix(Self.itemsMax) {
            bytes[table.key] = table.value.uint64
        }
        bytesAt = database?["bytes_at"]?.string.flatMap { ISOTime.parse($0) } ?? .undefined
        let profile = database?["profile"]
        problems = (profile?["problems"]?.array ?? []).prefix(Self.itemsMax).compactMap(\.string)
        databaseProblem = database?["problem"]?.string
        isDurable = profile?["durable"]?.bool
    }
}

/// The numbers of a writer's page of metrics.
struct WriterFigures: Equatable, Sendable {
    /// The sum of the histogram.
    private static let latencySum = "mds_worker_write_latency_seconds" + "_sum"
    static let names: Set<String> = [
        "sink_writes_total", "mds_worker_batches_written_total", "mds_worker_write_errors_total",
        latencySum, "mds_coord_circuit_state",
        "mds_store_capacity_bytes", "mds_backup_last_success_timestamp_seconds",
    ]

    /// Committed rows and transactions, and those that failed, since the writer's start.
    var rows: UInt64 = 0
    var batches: UInt64 = 0
    var errors: UInt64 = 0
    /// The time in which the transactions were committed, together.
    var microseconds: UInt64 = 0
    /// 0 closed, 1 half-open, 2 open.
    var breaker: Int?
    /// `nil` without WRITER_DATABASE_BYTES.
    var capacityBytes: UInt64?
    /// When the last backups succeeded, in seconds since 1970, by kind.
    var backups: [String: Double] = [:]

    init(_ text: PageMetrics) {
        rows = text.count("sink_writes_total")
        batches = text.count("mds_worker_batches_written_total")
        errors = text.count("mds_worker_write_errors_total")
        let seconds = text.sum(Self.latencySum) ?? 0
        microseconds = UInt64(exactly: (seconds * 1e6).rounded()) ?? 0
        breaker = text.sum("mds_coord_circuit_state").flatMap { Int(exactly: $0) }
        let capacity = text.all("mds_store_capacity_bytes").first?.value
        capacityBytes = capacity.flatMap { UInt64(exactly: $0.rounded()) }
        for sample in text.all("mds_backup_last_success_timestamp_seconds") {
            backups[sample.labels["kind"] ?? ""] = sample.value
        }
    }
}
