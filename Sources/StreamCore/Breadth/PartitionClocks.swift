public import Primitives

/// How far the bars of each partition are out, and with that how far they are of all of them.
///
/// Every partition of the tape is waited for: one that has no ticks tells its watermark all the
/// same, because its sources' idle watermarks move it. One whose bars stand still, or that never
/// told anything, is waited for until the others are `holdNanosecondsMax` of event time ahead of
/// it, or too many of their bars wait; what it brings after that is late like any other bar. So no
/// partition can hold everything up for ever, and the time is decided by the tape alone.
public struct PartitionClocks: Hashable, Sendable {
    public static let holdNanosecondsMax: Int64 = 3_600_000_000_000

    private(set) var told: [Int64]
    /// The first that any of them told; from there on it counts how far behind the silent ones are.
    private(set) var first = SourceTable.noWatermark.nanoseconds
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
        first = try reader.int64(in: bytes)
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
        bytes.append(integer: first)
        bytes.append(integer: least)
        for time in told { bytes.append(integer: time) }
    }

    /// True when all of them together moved. `waits` false: nobody is waited for.
    public mutating func hear(
        _ watermark: Timestamp, of partition: Int, waits: Bool = true
    ) -> Bool {
        let time = watermark.nanoseconds
        guard watermark.isDefined, told.indices.contains(partition), time > told[partition] else {
            return false
        }
        if first == SourceTable.noWatermark.nanoseconds { first = time }
        told[partition] = time
        let silent = SourceTable.noWatermark.nanoseconds
        let furthest = told.max() ?? time
        let (held, overflows) = furthest.subtractingReportingOverflow(Self.holdNanosecondsMax)
        var next = told.min() ?? time
        if !overflows, next != silent || held > first { next = max(next, held) }
        if !waits { next = furthest }
        guard next > least else { return false }
        least = next
        return true
    }
}
