import MarketModel
import Primitives
import TapeCodec
import TapeTransport

extension HeardTape {
    /// The ticks and lags of single partitions, in one pass over the heads.
    var shares: PartitionShares {
        var shares = PartitionShares()
        for (name, reports) in positions.groups {
            for position in reports.positions.values {
                shares.lags[name, default: [:]][position.partition.number, default: .init()]
                    .reportedAt = reports.receivedAt
            }
        }
        for (key, entry) in heads.entries {
            let partition = key.partition.number
            if key.input == .ticks {
                var ticks = shares.ticks[partition] ?? .init()
                ticks.ordinals &+= entry.head.lastOrdinal
                ticks.reportedAt = max(ticks.reportedAt, entry.receivedAt)
                shares.ticks[partition] = ticks
            }
            for (name, reports) in positions.groups {
                let place = PositionStore.Place(input: key.input, partition: key.partition)
                guard let position = reports.positions[place] else { continue }
                let read = position.sources.first { $0.source == key.source }?.lastOrdinal ?? 0
                shares.lags[name]?[partition]?.add(entry, read: read, at: now)
            }
        }
        return shares
    }
}

extension PartitionShares.Lag {
    fileprivate mutating func add(_ entry: HeadStore.Entry, read: UInt64, at now: MonotonicTime) {
        guard entry.head.lastOrdinal > read else { return }
        let (sum, overflow) = records.addingReportingOverflow(entry.head.lastOrdinal - read)
        records = overflow ? .max : sum
        let age = entry.passed(read).map { Double(max(0, now - $0)) / 1e9 }
        seconds = seconds.flatMap { known in age.map { max(known, $0) } }
    }
}

extension Ownership {
    /// The most partitions of one page that are read.
    static let partitionsMax = Partition.countRange.upperBound

    /// Reads the sections "membership" and "operator" of `/status`. `nil` if there are none.
    init?(_ status: JSONValue) {
        guard let membership = status["membership"], let group = membership["group"]?.string else {
            return nil
        }
        self.group = group
        for item in (membership["owners"]?.array ?? []).prefix(Self.partitionsMax) {
            guard let partition = item["partition"]?.int, let owner = item["owner"]?.string,
                let epoch = item["epoch"]?.uint64
            else { continue }
            records[partition] = Record(
                owner: item["state"]?.string == "free" ? "" : owner, epoch: epoch,
                since: item["since"]?.string ?? "")
        }
        for item in (status.at("operator", "partitions")?.array ?? []).prefix(Self.partitionsMax) {
            guard let partition = item["partition"]?.int, item["scope"]?.string != "all" else {
                continue
            }
            previous[partition] = item["previous_owner"]?.string
            checkpointAges[partition] = item.at("checkpoint", "age_seconds")?.double
        }
    }
}

extension ScalerLag {
    /// The most groups of one page that are read.
    static let groupsMax = 64

    /// Reads the section "lag" of a gateway's `/status`, which `/scale` has as well, by group.
    static func all(_ status: JSONValue) -> [String: ScalerLag] {
        var lags: [String: ScalerLag] = [:]
        for member in (status["lag"]?.members ?? []).prefix(groupsMax) {
            guard let records = member.value["lag"]?.uint64 else { continue }
            lags[member.key] = ScalerLag(
                records: records, seconds: member.value["lag_seconds"]?.double,
                drainSeconds: member.value["drain_seconds"]?.double)
        }
        return lags
    }
}
