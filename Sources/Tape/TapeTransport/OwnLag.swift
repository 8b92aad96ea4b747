internal import MarketModel
package import Primitives
internal import Synchronization
internal import ServiceRuntime

/// This process's lag on each partition that it owns: the reported heads of the tape compared with
/// its own readers' positions. The thread that has the readers calls `report`; any thread may read
/// the result.
///
/// The lag of a complete group, whether or not a process of it is alive, is computed in each
/// gateway: `LagWatch`.
package final class OwnLag: Sendable {
    /// A partition and the positions of its readers.
    package struct Share: Sendable {
        /// The label of its metrics.
        package var partition: String
        /// Empty when the partition is owned but not read yet.
        package var positions: [ReaderPosition]

        package init(partition: String, positions: [ReaderPosition]) {
            self.partition = partition
            self.positions = positions
        }
    }

    private struct Key: Hashable {
        var partition: String
        var input: ReaderPosition.Input
    }

    private struct State {
        /// The monotonic time of the last report; `Int64.min` before the first.
        var reportedAt = MonotonicTime.distantPast
        /// The number of partitions that this process owns.
        var partitions = 0
        var lags: [Key: HeadStore.Lag] = [:]
        /// Whether heads were received, so that the lag is known.
        var isReported = false
    }

    private static let intervalNanoseconds: Int64 = 1_000_000_000

    private let client: TapeClient
    private let group: String
    private let heads: HeadListener
    private let inputs: Set<ReaderPosition.Input>
    private let state = Mutex(State())

    /// `heads` must use the same clock as `now` of `report`.
    package init(
        _ client: TapeClient, group: String, heads: HeadListener,
        inputs: Set<ReaderPosition.Input> = [.ticks, .bars]
    ) {
        self.client = client
        self.group = group
        self.heads = heads
        self.inputs = inputs
    }

    /// `inputs` are those that the group reads.
    package convenience init(
        _ client: TapeClient, group: String, inputs: Set<ReaderPosition.Input> = [.ticks, .bars]
    ) throws(TapeError) {
        self.init(client, group: group, heads: try HeadListener(client), inputs: inputs)
    }

    /// Call this often; it calls `owned` only when a report is due.
    package func report(now: MonotonicTime, _ owned: () -> [Share]) {
        let reportedAt = state.withLock { $0.reportedAt }
        guard now >= reportedAt.next(every: Self.intervalNanoseconds) else {
            return
        }
        let (shares, store) = (owned(), heads.store)
        var present = State(reportedAt: now, partitions: shares.count)
        for share in shares {
            for position in share.positions {
                guard let lag = store.lag(of: position, now: now) else { continue }
                present.isReported = true
                let key = Key(partition: share.partition, input: position.input)
                present.lags[key] = present.lags[key].map { Self.sum($0, lag) } ?? lag
            }
        }
        if shares.isEmpty { present.isReported = store.isReported(inputs, now: now) }
        let before = state.withLock { state in
            defer { state = present }
            return state.lags
        }
        for key in before.keys where present.lags[key] == nil {
            ticks(key).remove()
            seconds(key).remove()
        }
        for (key, lag) in present.lags { show(lag, key) }
    }

    /// Returns the sum of the ticks and the higher age; the age is `nil` if one of them is.
    private static func sum(_ one: HeadStore.Lag, _ other: HeadStore.Lag) -> HeadStore.Lag {
        let (ticks, overflow) = one.ticks.addingReportingOverflow(other.ticks)
        let oldest = one.nanoseconds.flatMap { age in other.nanoseconds.map { max(age, $0) } }
        return HeadStore.Lag(ticks: overflow ? .max : ticks, nanoseconds: oldest)
    }

    private func show(_ lag: HeadStore.Lag, _ key: Key) {
        ticks(key).set(Double(lag.ticks))
        if let age = lag.nanoseconds {
            seconds(key).set(Double(age) / 1e9)
        } else {
            seconds(key).remove()
        }
    }

    private func ticks(_ key: Key) -> Gauge {
        client.telemetry.metrics.gauge(
            "mds_partition_lag_ticks",
            "ticks or bars of the partition that its owner has not read, shown by the owner; "
                + "partition `all`: nodes over all partitions; absent when no head was heard for "
                + "10 s; for operators and stores", "as `mds_partition_lag_seconds`",
            by: "group, partition, input: ticks, bars", labels: labels(key))
    }

    private func seconds(_ key: Key) -> Gauge {
        client.telemetry.metrics.gauge(
            "mds_partition_lag_seconds",
            "age of the oldest record of the partition that its owner has not read; absent when "
                + "the record is older than the owner's listening; for operators and stores",
            "as `mds_group_lag_seconds`; only one partition: one of its symbols is busier than "
                + "others", by: "group, partition, input: ticks, bars", labels: labels(key))
    }

    private func labels(_ key: Key) -> [(String, String)] {
        [("group", group), ("partition", key.partition), ("input", key.input.rawValue)]
    }

    /// Writes all of `/scale`: the sum over this process's partitions. What cannot be known is
    /// null.
    package func write(into json: inout JSONWriter) {
        let present = state.withLock { $0 }
        let sum = present.lags.values.reduce(HeadStore.Lag(ticks: 0, nanoseconds: 0), Self.sum)
        json.member("partitions", present.partitions)
        json.key("lag")
        if present.isReported { json.value(sum.ticks) } else { json.null() }
        json.key("lag_seconds")
        if present.isReported, let age = sum.nanoseconds {
            json.value(Double(age / 1_000_000) / 1_000)
        } else {
            json.null()
        }
    }
}
