import HotState
import MarketModel
import Membership
import MembershipTransport
import Primitives
import ServiceRuntime
import StoreSinks
import TapeTransport
import ValkeyClient

/// How a database that fails is tried again.
struct StoreAttempts: Hashable, Sendable {
    /// The longest wait of one worker before it connects again.
    var retryMax: Duration
    /// The breaker, which stops all workers together.
    var breaker: CircuitBreaker.Settings
}

/// The settings of the store writer, from its configuration.
struct WriterSettings: Sendable {
    /// The store: the group of its writers, and the key of its positions and gaps in the database,
    /// the column `sink`.
    let store: GroupName
    /// The kind of the store. It reads its own settings.
    var kind: StoreKind
    /// Whether others wait for the store, and whether its absence is reported (STORE_NEEDED).
    let isNeeded: Bool
    /// The number of the tape's partitions, which are divided among the writers.
    var partitions: Int
    /// The number of workers.
    var threads: Int
    /// When a worker writes what waits in its queue.
    var batches: Batches
    var queue: WorkerQueues.Settings
    var attempts: StoreAttempts
    /// The settings of the hot state; `nil` when it is not kept.
    var hotState: HotStateKeeper.Settings?
    /// The maximum number of dead letters of one batch. With more, the batch is withheld, because
    /// the fault is not in single records.
    var deadLettersMax: Int
    /// The folder in which dead letters wait while NATS accepts none. With `nil`, a batch with dead
    /// letters is withheld meanwhile.
    var deadLetterFolder: String?
    /// The maximum size of the stream of dead letters, if the writer makes it.
    var deadLetterBytes: Int64
    /// When committed positions count as durable, so that the tape may be purged before them.
    var durability = DurabilityRule.commit
    /// The tables that are written (STORE_TABLES).
    var sinks = SinkCatalogue()

    /// The maximum size of a batch, in rows, bytes and packets, even when more wait. It bounds
    /// memory and the length of a transaction.
    static let batchRowsMax = 20_000
    static let batchBytesMax = 8 * 1_024 * 1_024
    static let batchPacketsMax = 4_096

    struct Batches: Hashable, Sendable {
        /// The number of waiting rows at which a worker writes without waiting for more.
        var rows: Int
        /// How long the oldest packet waits for that number of rows at most.
        var waitNanoseconds: Int64
        /// What rows wait for while transactions are fast.
        var aim = BatchWait.Aim.frugal
        /// Whether rows wait less than that while transactions are fast (`BatchWait`).
        var mayBeEarly = true

        /// How long the oldest packet without rows waits at most for rows, with which its position
        /// is written: a second, or longer where rows wait longer. After a crash, what was skipped
        /// in this time is read again.
        var skippedWaitNanoseconds: Int64 { max(waitNanoseconds, 1_000_000_000) }
    }

    static func keys(_ kinds: [StoreKind]) -> [ConfigurationKey] {
        let others =
            ConfigurationKey.market + ConfigurationKey.nats + ConfigurationKey.membership
            + kinds.flatMap(\.keys) + ConfigurationKey.valkey
            + ConfigurationKey.operations(port: 8_502) + ConfigurationKey.logging
            + ConfigurationKey.tracing
        let kind = ConfigurationKey(
            "STORE_KIND", .choice(kinds.map(\.name)), default: StoreKind.postgres.name,
            group: "Writer", "Kind of the store; another program may have kinds of its own.")
        let needed = ConfigurationKey(
            "STORE_NEEDED", .choice(["kind", "true", "false"]), default: "kind", group: "Writer",
            "Whether others wait for this store, and the tape; kind: for postgres, and no other.")
        return others + [.storeName, kind, needed] + own
    }

    private static let own: [ConfigurationKey] = [
        ConfigurationKey(
            "STORE_TABLES", .list, default: WriterSettings.sinkNames.joined(separator: ","),
            group: "Writer",
            "Tables that are written, separated by commas; ticks of others are skipped."),
        ConfigurationKey(
            "WRITER_THREADS", .integer(1...64), default: "2", group: "Writer",
            "Workers, each with its share of the partitions and a connection of its own."),
        ConfigurationKey(
            "WRITER_LATENCY", .choice(BatchWait.Aim.allCases.map(\.rawValue)),
            default: BatchWait.Aim.frugal.rawValue, group: "Writer",
            "Rows wait 70ms for others (frugal), or transactions are 15ms apart (quick)."),
        ConfigurationKey(
            "WRITER_BATCH_ROWS", .integer(1...WriterSettings.batchRowsMax), default: "5000",
            group: "Writer",
            "Rows that wait before a worker writes; when it is behind, it takes up to 20,000."),
        ConfigurationKey(
            "WRITER_BATCH_WAIT", .duration(.milliseconds(1)...Duration.seconds(60)),
            default: "250ms", group: "Writer",
            "How long fewer rows wait at most; while the database is fast: WRITER_LATENCY."),
        ConfigurationKey(
            "WRITER_QUEUE_ROWS", .integer(1...1_000_000), default: "40000", group: "Writer",
            "Rows that wait for the workers at most, shared out evenly among them."),
        ConfigurationKey(
            "WRITER_QUEUE_BYTES", .byteCount(65_536...1_073_741_824), default: "8MiB",
            group: "Writer", "Bytes that wait for the workers at most."),
        ConfigurationKey(
            "WRITER_OVERFLOW", .choice(OverflowPolicy.allCases.map(\.rawValue)),
            default: "block", group: "Writer",
            "Without room in the queue: leave it on the tape, drop the rows, or end."),
        ConfigurationKey(
            "WRITER_QUEUE_HIGH", .integer(2...100), default: "\(RowMarks().highPercent)",
            group: "Writer",
            "Percent of the queue from which on its readers are held."),
        ConfigurationKey(
            "WRITER_QUEUE_LOW", .integer(1...99), default: "\(RowMarks().lowPercent)",
            group: "Writer",
            "Percent of the queue at which they read again; below the high mark."),
        ConfigurationKey(
            "WRITER_RETRY_MAX", .duration(.milliseconds(100)...Duration.seconds(60)),
            default: "2s", group: "Writer",
            "Longest wait before a worker tries a failed batch again; begins with 100 ms."),
        ConfigurationKey(
            "WRITER_BREAKER_FAILURES", .integer(1...1_000),
            default: "\(CircuitBreaker.Settings().failuresMax)", group: "Writer",
            "Failures in a row after which nothing is asked of the database for a while."),
        ConfigurationKey(
            "WRITER_BREAKER_MAX", .duration(.milliseconds(200)...Duration.seconds(3_600)),
            default: "5s", group: "Writer",
            "Longest such while; begins with 200 ms and doubles with each failed probe."),
        ConfigurationKey(
            "WRITER_DEAD_LETTERS", .text, group: "Writer",
            "Folder for dead letters while NATS takes none; empty: the writer waits for NATS."),
        ConfigurationKey(
            "WRITER_DEAD_LETTERS_MAX", .integer(1...WriterSettings.batchRowsMax),
            default: "1000", group: "Writer",
            "Rows of one batch that may be set aside; with more of them nothing is written."),
        ConfigurationKey(
            "WRITER_DEAD_LETTERS_BYTES", .byteCount(1_048_576...Int.max), default: "64MiB",
            group: "Writer",
            "Bytes that the stream of dead letters holds at most, if it is made here."),
        ConfigurationKey(
            "WRITER_PURGE_AFTER", .durationOr(["commit", "standby"], DurabilityRule.margins),
            default: "commit", group: "Writer",
            "When the tape may be purged of what is stored: commit, standby or after a time."),
        ConfigurationKey(
            "WRITER_HOT_STATE", .flag, default: "true", group: "Writer",
            "Keep the latest quote, trade, bars and book of each symbol in Valkey."),
        ConfigurationKey(
            "WRITER_HOT_SYMBOLS", .integer(16...1_048_576), default: "65536", group: "Writer",
            "Symbols in memory, one for each source; beyond it those without news give way."),
        ConfigurationKey(
            "WRITER_HOT_TTL", .duration(.seconds(10)...Duration.seconds(7 * 86_400)),
            default: "36h", group: "Writer",
            "Time after which a key of the hot state without new values expires."),
        ConfigurationKey(
            "WRITER_HOT_STALE_AFTER", .duration(.seconds(1)...Duration.seconds(7 * 86_400)),
            default: "5m", group: "Writer",
            "Age from which its readers take a value as stale: the field stale_after."),
    ]

    private static let sinkNames = SinkName.allCases.map(\.rawValue)

    /// Checks that all names of STORE_TABLES are tables, each named once.
    static let sinksRule = ConfigurationRule(reads: ["STORE_TABLES"]) { configuration in
        let names = configuration.list("STORE_TABLES")
        let unknown = names.filter { SinkName(rawValue: $0) == nil }
        guard unknown.isEmpty else {
            return "STORE_TABLES names \(unknown.joined(separator: ", ")): the tables are "
                + sinkNames.joined(separator: ", ")
        }
        let twice = Set(names.filter { name in names.count { $0 == name } > 1 })
        guard twice.isEmpty else {
            return "STORE_TABLES names \(twice.sorted().joined(separator: ", ")) more than once"
        }
        return nil
    }

    /// Checks that the low mark is below the high one: otherwise a queue would be down at the low
    /// mark as soon as it is high.
    static let marksRule = ConfigurationRule(
        reads: ["WRITER_QUEUE_HIGH", "WRITER_QUEUE_LOW"]
    ) { configuration in
        let high = configuration.integer("WRITER_QUEUE_HIGH")
        let low = configuration.integer("WRITER_QUEUE_LOW")
        guard low >= high else { return nil }
        return "WRITER_QUEUE_LOW is \(low), which is not below WRITER_QUEUE_HIGH, \(high)"
    }

    /// Refuses an unusable host of Valkey at the start, with the reason.
    static let valkeyRule = ConfigurationRule.of(reads: ["VALKEY_HOST"]) {
        try ValkeyConfiguration.check(host: $0.text("VALKEY_HOST"), named: "VALKEY_HOST")
    }

    /// The inputs that are read: those that have records of its tables, and both while the hot
    /// state is kept.
    var inputs: Set<SinkInput> {
        guard hotState == nil else { return Set(SinkInput.allCases) }
        return Set(SinkInput.allCases.filter { sinks.inputs.contains($0.kind) })
    }

    /// Whether groups of tables may wait apart. Where packets are dropped, no other position may
    /// read them.
    var mayLeaveGroups: Bool { queue.overflow != .drop }

    /// Returns the partitions that a worker serves when this process owns them.
    func partitions(ofThread number: Int) -> [Partition] {
        stride(from: number, to: partitions, by: threads).map { Partition($0) }
    }

    init(_ configuration: Configuration, _ kinds: [StoreKind] = StoreKind.ofThisProgram) {
        let named = configuration.text("STORE_KIND")
        guard let kind = kinds.first(where: { $0.name == named }) else {
            preconditionFailure("\(named) is a kind of store of another program")
        }
        self.kind = kind
        let needed = configuration.text("STORE_NEEDED")
        isNeeded = needed == "kind" ? kind.isNeeded : needed == "true"
        do throws(SettingsError) {
            store = try GroupName.storeNamed(configuration)
        } catch {
            preconditionFailure("it was not checked: \(error)")
        }
        partitions = configuration.integer("MDS_PARTITIONS")
        threads = min(configuration.integer("WRITER_THREADS"), partitions)
        batches = Batches(
            rows: configuration.integer("WRITER_BATCH_ROWS"),
            waitNanoseconds: configuration.duration("WRITER_BATCH_WAIT").clampedNanoseconds,
            aim: BatchWait.Aim(rawValue: configuration.text("WRITER_LATENCY")) ?? .frugal)
        if kind.batchWaitMin > .zero {
            batches.waitNanoseconds = max(
                batches.waitNanoseconds, kind.batchWaitMin.clampedNanoseconds)
            batches.rows = Self.batchRowsMax
            batches.mayBeEarly = false
        }
        queue = WorkerQueues.Settings(
            rows: configuration.integer("WRITER_QUEUE_ROWS"),
            bytes: configuration.integer("WRITER_QUEUE_BYTES"),
            overflow: OverflowPolicy(rawValue: configuration.text("WRITER_OVERFLOW")) ?? .block,
            marks: RowMarks(
                highPercent: configuration.integer("WRITER_QUEUE_HIGH"),
                lowPercent: configuration.integer("WRITER_QUEUE_LOW")))
        attempts = StoreAttempts(
            retryMax: configuration.duration("WRITER_RETRY_MAX"),
            breaker: CircuitBreaker.Settings(
                failuresMax: configuration.integer("WRITER_BREAKER_FAILURES"),
                waitMax: configuration.duration("WRITER_BREAKER_MAX")))
        durability = Self.durability(configuration)
        deadLettersMax = configuration.integer("WRITER_DEAD_LETTERS_MAX")
        deadLetterFolder = configuration.optionalText("WRITER_DEAD_LETTERS").flatMap {
            $0.isEmpty ? nil : $0
        }
        deadLetterBytes = Int64(configuration.integer("WRITER_DEAD_LETTERS_BYTES"))
        sinks = Self.catalogue(configuration)
        if configuration.flag("WRITER_HOT_STATE") {
            var valkey = ValkeyConfiguration(
                host: configuration.text("VALKEY_HOST"),
                port: UInt16(clamping: configuration.integer("VALKEY_PORT")),
                user: configuration.optionalText("VALKEY_USER"),
                password: configuration.secret("VALKEY_PASSWORD")?.revealed)
            valkey.renewable = configuration.renewable("VALKEY_PASSWORD")
            hotState = HotStateKeeper.Settings(
                valkey, symbolsMax: configuration.integer("WRITER_HOT_SYMBOLS"))
            hotState?.life = configuration.duration("WRITER_HOT_TTL")
            hotState?.staleAfter = configuration.duration("WRITER_HOT_STALE_AFTER")
        }
    }

    /// The tables that are switched on.
    static func catalogue(_ configuration: Configuration) -> SinkCatalogue {
        SinkCatalogue(
            Set(configuration.list("STORE_TABLES").compactMap { SinkName(rawValue: $0) }))
    }

    private static func durability(_ configuration: Configuration) -> DurabilityRule {
        switch configuration.durationOrWord("WRITER_PURGE_AFTER") {
        case .duration(let margin): .margin(nanoseconds: margin.clampedNanoseconds)
        case .word(let word): word == "standby" ? .standby : .commit
        }
    }
}
