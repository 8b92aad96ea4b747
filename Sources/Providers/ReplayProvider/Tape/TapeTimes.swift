internal import MarketModel
internal import Primitives
internal import TapeCodec

/// Counts when the tape took packets, so that the time never falls within a partition, also after
/// the clock of the server went back.
struct TapeTimes {
    private var latest: [PartitionOfKind: Timestamp] = [:]

    private struct PartitionOfKind: Hashable {
        let kind: PacketKind
        let partition: Partition
    }

    /// Returns the time of the partition's next packet, which has this time of the stream.
    mutating func took(_ header: PacketHeader, at time: Timestamp) -> Timestamp {
        let key = PartitionOfKind(kind: header.kind, partition: header.partition)
        let known = max(latest[key] ?? time, time)
        latest[key] = known
        return known
    }
}
