internal import Primitives
internal import ServiceRuntime

/// The metrics of the hot state, changed per round trip. What each one shows is its help text
/// below.
struct HotMetrics {
    private let metrics: MetricRegistry
    private let writes: Counter
    private let stale: Counter
    private let evictions: Counter
    private let rebuilds: Counter
    private let pending: Gauge
    private let symbols: Gauge
    private let books: Gauge
    private let lost: Counter
    private let leftOut: Counter
    private let fromReceipt: Histogram
    private let fromTape: Histogram
    /// The part of the table's evictions that is already in the counter.
    private var evictionsCounted: UInt64 = 0
    /// The same of what happened to books.
    private var booksCounted = HotBooks.Counts()

    init(_ metrics: MetricRegistry) {
        self.metrics = metrics
        writes = metrics.counter(
            "mds_hot_state_writes_total", "Keys that were brought up to date in Valkey.")
        stale = metrics.counter(
            "mds_hot_state_stale_total", "Keys for which Valkey had a newer value already.")
        evictions = metrics.counter(
            "mds_hot_state_evictions_total", "Names that others displaced at the bound.")
        rebuilds = metrics.counter(
            "mds_hot_state_rebuilds_total", "Times that all that is known was written again.")
        pending = metrics.gauge(
            "mds_hot_state_pending", "Keys with news that Valkey has not got yet.")
        symbols = metrics.gauge(
            "mds_hot_state_symbols", "Symbols of sources that are kept in memory.")
        books = metrics.gauge(
            "mds_hot_state_books", "Order books of sources that are kept in memory.")
        lost = metrics.counter(
            "mds_hot_state_books_lost_total",
            "Times that a book had rows and none was known any more, but for resets.")
        leftOut = metrics.counter(
            "mds_hot_state_book_changes_left_out_total",
            "Changes of books that were left out, because too many sources send them.")
        func age(_ origin: String, _ help: String) -> Histogram {
            metrics.histogram(
                "mds_hot_state_age_seconds", help, buckets: Histogram.latencySeconds,
                labels: [("from", origin)])
        }
        let help = "Age of the oldest news of a round trip when Valkey had them."
        fromReceipt = age("receipt", help)
        fromTape = age("tape", help)
    }

    /// Shows the numbers of pending values, of symbols and of evicted names.
    mutating func show(_ table: HotTable) {
        pending.set(Double(table.pendingCount))
        symbols.set(Double(table.pairs.count))
        evictions.add(table.evictions &- evictionsCounted)
        evictionsCounted = table.evictions
        let counts = table.books.counts
        books.set(Double(table.books.names.count))
        lost.add(counts.lost &- booksCounted.lost)
        leftOut.add(counts.leftOut &- booksCounted.leftOut)
        booksCounted = counts
    }

    /// Counts the keys of a round trip, of calls that Valkey carried out. `count` of them were
    /// written. The others are stale.
    func wrote(_ count: Int, of keys: Int) {
        writes.add(UInt64(max(0, count)))
        stale.add(UInt64(max(0, keys - count)))
    }

    func rebuilt() { rebuilds.add() }

    /// Notes the age at `now` of a value that a gateway received and the tape stored at these
    /// times. An undefined time is left out. If this machine's clock is behind another one's, the
    /// age is 0.
    func aged(received: Timestamp, stored: Timestamp, now: Timestamp) {
        if received.isDefined {
            fromReceipt.observe(max(0, Double(now.nanoseconds(since: received)) / 1e9))
        }
        if stored.isDefined {
            fromTape.observe(max(0, Double(now.nanoseconds(since: stored)) / 1e9))
        }
    }
}

/// The kinds of failures of the hot state: values of a label.
enum HotFailure: String, Sendable {
    case connect
    case authentication
    case timeout
    /// The connection was lost.
    case lost
    /// The answer is not one of Valkey, or the settings cannot work.
    case unusable
    /// Valkey has reached its `maxmemory`.
    case memory
    /// Valkey has lost the scripts; they are loaded again.
    case scripts
    /// Any other refusal: permissions, a replica, a server that is loading.
    case refused
}

/// Valkey could not be used, or refused values.
struct HotStateFailed: TelemetryEvent {
    static let name = "writer.hot_state.failed"
    let kind: HotFailure
    let reason: String

    var level: LogLevel { .warning }
    var message: String {
        "Valkey does not take the hot state; the latest of each symbol waits: \(reason)"
    }
    var fields: [(String, LogValue)] { [("kind", .text(kind.rawValue))] }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_hot_state_failures_total",
            "Times that Valkey did not take the hot state, by kind.",
            labels: [("kind", kind.rawValue)]
        ).add()
    }
}

/// Keys of the hot state's names had another type than a hash, and were made again.
struct HotKeysReplaced: TelemetryEvent {
    static let name = "writer.hot_state.replaced"
    let count: Int

    var level: LogLevel { .warning }
    var message: String {
        "keys of the hot state were no hashes and were made anew: something else writes there"
    }
    var fields: [(String, LogValue)] { [("keys", .integer(Int64(count)))] }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_hot_state_replaced_total",
            "Keys of the hot state that were of another type and were made anew."
        ).add(UInt64(max(0, count)))
    }
}

/// All values became pending again, after a new session or after Valkey was emptied.
struct HotStateRebuilt: TelemetryEvent {
    static let name = "writer.hot_state.rebuilt"
    let keys: Int
    let reason: String

    var level: LogLevel { .info }
    var message: String { "all that is known of the hot state is written again: \(reason)" }
    var fields: [(String, LogValue)] { [("keys", .integer(Int64(keys)))] }
}
