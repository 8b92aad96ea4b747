import MarketModel
import NatsTransport
import Primitives
import TapeTransport

/// The result of `tapeline tape`.
struct TapeReport {
    /// A source's last packet in one partition.
    struct Head: Equatable {
        let partition: Partition
        let source: SourceName
        var lastOrdinal: UInt64
        let epoch: UInt64
        /// The watermark of the packet, or of the source's separate watermark message if that is
        /// later.
        var watermark: Timestamp
        let sequence: UInt64
        /// `nil` if there was only one look.
        var ticksPerSecond: Double?
    }

    struct Stream {
        let info: StreamInfo
        /// The times at which the first and the last message were stored.
        var firstTime = Timestamp.undefined
        var lastTime = Timestamp.undefined

        /// The servers that hold it. A server without a cluster reports any number that was asked
        /// for, and holds the only copy.
        var copies: Int { info.copies?.servers.count ?? 1 }

        /// The bytes left before the limit. `nil` if there is no limit.
        var headroomBytes: Int64? {
            let limit = info.configuration.maxBytes
            return limit < 0 ? nil : max(0, limit - Int64(clamping: info.bytes))
        }

        var headroomPercent: Double? {
            let limit = info.configuration.maxBytes
            guard limit > 0, let free = headroomBytes else { return nil }
            return Double(free) * 100 / Double(limit)
        }
    }

    var streams: [Stream] = []
    var ticks: [Head] = []
    var bars: [Head] = []
    /// The head of what is derived over all partitions. `nil` if there is none.
    var universe: Head?
    var writer: [GroupPosition] = []
    var operators: [GroupPosition] = []
    /// The time at which each partition's checkpoint was written.
    var checkpoints: [Partition: Timestamp] = [:]
    /// Why the writer's positions are missing.
    var writerAbsence: String?
    var durability = Durability.unknown("not asked")
    /// The number of copies of each packet: the lowest over all streams.
    var replicas: Int { streams.map(\.copies).min() ?? 1 }
    var now = Timestamp.undefined

    /// Returns how many ordinals of the heads a group has not taken. `nil` if nothing is known of
    /// it.
    static func lag(_ position: GroupPosition?, behind heads: [Head]) -> UInt64? {
        guard let position, position.hasRead || heads.isEmpty else { return nil }
        return heads.reduce(0) { sum, head in
            let taken =
                position.sources.first { $0.source == head.source }?.lastOrdinal ?? 0
            return sum &+ (head.lastOrdinal > taken ? head.lastOrdinal - taken : 0)
        }
    }

    /// One row of the table of partitions.
    struct Row {
        let partition: Partition
        let heads: [Head]
        let bars: Head?
        let writerLag: UInt64?
        let writerBarLag: UInt64?
        let operatorLag: UInt64?
        let checkpoint: Timestamp
    }

    var rows: [Row] {
        let partitions = Set(ticks.map(\.partition)).union(bars.map(\.partition)).sorted()
        return partitions.map { partition in
            let heads = ticks.filter { $0.partition == partition }
            let bar = bars.first { $0.partition == partition }
            func stored(_ input: TapeInput) -> GroupPosition? {
                writer.first { $0.partition == partition && $0.input == input }
            }
            return Row(
                partition: partition, heads: heads, bars: bar,
                writerLag: Self.lag(stored(.ticks), behind: heads),
                writerBarLag: Self.lag(stored(.bars), behind: bar.map { [$0] } ?? []),
                operatorLag: Self.lag(
                    operators.first { $0.partition == partition }, behind: heads),
                checkpoint: checkpoints[partition] ?? .undefined)
        }
    }
}
