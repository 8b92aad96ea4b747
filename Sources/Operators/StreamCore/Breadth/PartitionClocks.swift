public import Primitives

/// How far the bars of each partition are out, and with that how far they are of all of them.
///
/// Every partition of the tape is waited for: one that has no ticks tells its watermark all the
/// same, because its sources' idle watermarks move it. Whoever reads a tape again meets partitions
/// that are hours apart, so no span of time tells one that stands still from one that is about to
/// come; its owner's bound on the bars that wait does. One that is left out because of it is waited
/// for again as soon as it has come up with the others.
public struct PartitionClocks: Hashable, Sendable {
    private(set) var told: [Int64]
    private(set) var isLeftOut: [Bool]
    private var least = SourceTable.noWatermark.nanoseconds

    public init(partitions: Int) {
        told = Array(repeating: SourceTable.noWatermark.nanoseconds, count: partitions)
        isLeftOut = Array(repeating: false, count: partitions)
    }

    init(
        _ reader: inout StateReader, _ bytes: RawSpan, partitions: Int
    ) throws(CheckpointError) {
        guard try reader.uint32(in: bytes) == UInt32(partitions) else {
            throw reader.malformed(.source)
        }
        least = try reader.int64(in: bytes)
        told = []
        isLeftOut = []
        for _ in 0..<partitions {
            told.append(try reader.int64(in: bytes))
            isLeftOut.append(try reader.flag(of: .source, in: bytes))
        }
        guard least <= told.max() ?? least, told.allSatisfy({ $0 != Int64.max }) else {
            throw reader.malformed(.source)
        }
    }

    /// The bars of all partitions are out up to here.
    public var watermark: Timestamp { Timestamp(nanoseconds: least) }
    /// Those that nobody waits for at present.
    public var leftOut: [Int] { isLeftOut.indices.filter { isLeftOut[$0] } }

    func encode(into bytes: inout [UInt8]) {
        bytes.append(integer: UInt32(told.count))
        bytes.append(integer: least)
        for (time, isLeftOut) in zip(told, isLeftOut) {
            bytes.append(integer: time)
            bytes.append(isLeftOut ? 1 : 0)
        }
    }

    /// True when all of them together moved.
    public mutating func hear(_ watermark: Timestamp, of partition: Int) -> Bool {
        let time = watermark.nanoseconds
        guard watermark.isDefined, told.indices.contains(partition), time > told[partition] else {
            return false
        }
        told[partition] = time
        if time >= least { isLeftOut[partition] = false }
        return move()
    }

    /// Nobody waits any more for those that are farther behind than half of the way from the common
    /// time to the farthest. True when the others moved with that.
    public mutating func leaveOutSlowest() -> Bool {
        guard let farthest = told.max(), farthest > least else { return false }
        // Halves, because the two ends may be farther apart than a number reaches.
        let middle = max(least / 2 + farthest / 2, least + 1)
        for partition in told.indices where told[partition] < middle {
            isLeftOut[partition] = true
        }
        return move()
    }

    private mutating func move() -> Bool {
        var next: Int64?
        for (time, isLeftOut) in zip(told, isLeftOut) where !isLeftOut {
            next = min(next ?? time, time)
        }
        guard let next, next > least else { return false }
        least = next
        return true
    }
}
