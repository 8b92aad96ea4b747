public import Primitives

/// How far the bars of each partition are out, and with that how far they are of all of them.
///
/// Every partition of the tape is waited for: one that has no ticks tells its watermark all the
/// same, because its sources' idle watermarks move it. Whoever reads a tape again meets partitions
/// that are hours apart, so no span of time tells one that stands still from one that is about to
/// come; its owner's bound on the bars that wait does.
public struct PartitionClocks: Hashable, Sendable {
    private(set) var told: [Int64]
    private var least = SourceTable.noWatermark.nanoseconds

    public init(partitions: Int) {
        told = Array(repeating: SourceTable.noWatermark.nanoseconds, count: partitions)
    }

    init(
        _ reader: inout StateReader, _ bytes: RawSpan, partitions: Int
    ) throws(CheckpointError) {
        guard try reader.uint32(in: bytes) == UInt32(partitions) else {
            throw reader.malformed(.source)
        }
        least = try reader.int64(in: bytes)
        told = []
        for _ in 0..<partitions { told.append(try reader.int64(in: bytes)) }
        guard least <= told.max() ?? least, told.allSatisfy({ $0 != Int64.max }) else {
            throw reader.malformed(.source)
        }
    }

    /// The bars of all partitions are out up to here.
    public var watermark: Timestamp { Timestamp(nanoseconds: least) }

    func encode(into bytes: inout [UInt8]) {
        bytes.append(integer: UInt32(told.count))
        bytes.append(integer: least)
        for time in told { bytes.append(integer: time) }
    }

    /// True when all of them together moved. `waits` false: nobody is waited for, and the farthest
    /// of them counts.
    public mutating func hear(
        _ watermark: Timestamp, of partition: Int, waits: Bool = true
    ) -> Bool {
        let time = watermark.nanoseconds
        guard watermark.isDefined, told.indices.contains(partition), time > told[partition] else {
            return false
        }
        told[partition] = time
        let next = (waits ? told.min() : told.max()) ?? time
        guard next > least else { return false }
        least = next
        return true
    }
}
