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
            "mds_hot_state_writes_total", "a key that was brought up to date in Valkey")
        stale = metrics.counter(
            "mds_hot_state_stale_total",
            "a key for which Valkey already had a newer value, or any value when it came from "
                + "the database",
            "rises for seconds when a partition changes its owner: that is normal")
        evictions = metrics.counter(
            "mds_hot_state_evictions_total",
            "a symbol of a source, its bars of a series, or its book, that was removed from "
                + "memory to make room for another", "rises: raise WRITER_HOT_SYMBOLS")
        rebuilds = metrics.counter(
            "mds_hot_state_rebuilds_total",
            "a time that all known values were written again: a new session, or Valkey was "
                + "flushed", "often: the link is unsteady, or Valkey is flushed")
        pending = metrics.gauge(
            "mds_hot_state_pending", "keys with new values that Valkey does not have yet",
            "high for long: Valkey is away or too slow")
        symbols = metrics.gauge(
            "mds_hot_state_symbols", "symbols of sources that are kept in memory",
            "near WRITER_HOT_SYMBOLS: raise it")
        books = metrics.gauge(
            "mds_hot_state_books", "order books that are kept in memory, of at most 16,384",
            "at the maximum: spread the partitions over more writers")
        lost = metrics.counter(
            "mds_hot_state_books_lost_total",
            "a time that a book had rows and none was known any more: a gap, an end of its "
                + "subscription, a packet or a row that did not come; resets are not counted",
            "rises without gaps of the provider: packets were left out "
                + "(`mds_hot_state_left_out_total`), or the source's records do not fit each "
                + "other")
        leftOut = metrics.counter(
            "mds_hot_state_book_changes_left_out_total",
            "a change of an order book that was left out, because more than 4,096 pairs of "
                + "source and partition send books",
            "rises: spread the partitions over more writers")
        func age(_ origin: String) -> Histogram {
            metrics.histogram(
                "mds_hot_state_age_seconds",
                "age of the oldest value of a round trip when Valkey had stored it, in seconds: "
                    + "since its receipt, and since the tape stored it",
                "rises: Valkey or the machine is too slow", labels: [("from", origin)])
        }
        fromReceipt = age("receipt")
        fromTape = age("tape")
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
    /// Valkey takes values, but not how far the lanes are there.
    case lanes
    /// Any other refusal: permissions, a replica, a server that is loading.
    case refused
}

extension ServiceEvent {
    /// Valkey could not be used, or refused values.
    static func hotStateFailed(kind: HotFailure, reason: String) -> Self {
        Self(
            .warning, "writer.hot_state.failed",
            kind == .lanes
                ? "Valkey takes the hot state, but no lanes: \(reason)"
                : "Valkey does not take the hot state; the latest of each symbol waits: \(reason)",
            ("kind", .text(kind.rawValue))
        ).counting(
            "mds_hot_state_failures_total",
            "a time that Valkey did not accept the hot state; refused values are written again",
            "memory: raise `maxmemory`; scripts: they were flushed; otherwise the body of "
                + "`/readyz` has the reason, as *degraded*",
            by: "kind: connect, authentication, timeout, lost, unusable, memory, scripts, lanes, "
                + "refused",
            labels: [("kind", kind.rawValue)])
    }

    /// Keys of the hot state's names had another type than a hash, and were made again.
    static func hotKeysReplaced(count: Int) -> Self {
        Self(
            .warning, "writer.hot_state.replaced",
            "keys of the hot state were no hashes and were made anew: something else writes there",
            ("keys", .integer(Int64(count)))
        ) {
            $0.counter(
                "mds_hot_state_replaced_total",
                "a key of the hot state that had another type and was made again",
                "find out which other program writes there"
            ).add(UInt64(max(0, count)))
        }
    }

    /// All values became pending again, after a new session or after Valkey was emptied.
    static func hotStateRebuilt(keys: Int, reason: String) -> Self {
        Self(
            .info, "writer.hot_state.rebuilt",
            "all that is known of the hot state is written again: \(reason)",
            ("keys", .integer(Int64(keys))))
    }
}
