public import Primitives

/// The watermark of each partition's bars, and the common watermark of all partitions.
///
/// The common watermark waits for every partition of the tape. A partition without ticks reports
/// its watermark, too, because its sources send watermarks also when they have no ticks. A worker
/// that reads the tape again meets partitions that are hours apart. So no span of time shows
/// whether a partition has stopped or is about to follow. The owner's bound on waiting bars
/// (`StreamLimits.waitingBarsMax`) decides instead. When it is reached, the owner *leaves out* the
/// slowest partitions: it does not wait for them any more. A partition that was left out is waited
/// for again as soon as its watermark has reached the common one.
public struct PartitionClocks: Hashable, Sendable {
    /// By partition, the last watermark of its bars.
    private(set) var watermarks: [Int64]
    /// By partition, whether it is not waited for.
    private(set) var isLeftOut: [Bool]
    /// The common watermark. It never goes back.
    private var least = SourceTable.noWatermark.nanoseconds

    public init(partitions: Int) {
        watermarks = Array(repeating: SourceTable.noWatermark.nanoseconds, count: partitions)
        isLeftOut = Array(repeating: false, count: partitions)
    }

    /// Restores the clocks whose `encode` wrote these bytes.
    init(
        _ reader: inout StateReader, _ bytes: RawSpan, partitions: Int
    ) throws(CheckpointError) {
        guard try reader.uint32(in: bytes) == UInt32(partitions) else {
            throw reader.malformed(.source)
        }
        least = try reader.int64(in: bytes)
        watermarks = []
        isLeftOut = []
        for _ in 0..<partitions {
            watermarks.append(try reader.int64(in: bytes))
            isLeftOut.append(try reader.flag(of: .source, in: bytes))
        }
        guard least <= watermarks.max() ?? least, watermarks.allSatisfy({ $0 != Int64.max }) else {
            throw reader.malformed(.source)
        }
    }

    /// The common watermark: up to this time the bars of all partitions that are waited for are
    /// complete.
    public var watermark: Timestamp { Timestamp(nanoseconds: least) }
    /// The partitions that are not waited for at present.
    public var leftOut: [Int] { isLeftOut.indices.filter { isLeftOut[$0] } }

    func encode(into bytes: inout [UInt8]) {
        bytes.append(integer: UInt32(watermarks.count))
        bytes.append(integer: least)
        for (time, isLeftOut) in zip(watermarks, isLeftOut) {
            bytes.append(integer: time)
            bytes.append(isLeftOut ? 1 : 0)
        }
    }

    /// Notes a partition's watermark. Returns whether the common watermark moved.
    public mutating func receive(_ watermark: Timestamp, of partition: Int) -> Bool {
        let time = watermark.nanoseconds
        guard watermark.isDefined, watermarks.indices.contains(partition),
            time > watermarks[partition]
        else { return false }
        watermarks[partition] = time
        if time >= least { isLeftOut[partition] = false }
        return move()
    }

    /// Stops waiting for partitions whose watermark is in the first half of the time from the
    /// common watermark to the farthest one. Returns whether the common watermark moved with that.
    public mutating func leaveOutSlowest() -> Bool {
        guard let farthest = watermarks.max(), farthest > least else { return false }
        // Each half is taken first, because the difference may be greater than an `Int64` holds.
        let middle = max(least / 2 + farthest / 2, least + 1)
        for partition in watermarks.indices where watermarks[partition] < middle {
            isLeftOut[partition] = true
        }
        return move()
    }

    /// Sets the common watermark to the least of those that are waited for. Returns whether it
    /// moved.
    private mutating func move() -> Bool {
        var next: Int64?
        for (time, isLeftOut) in zip(watermarks, isLeftOut) where !isLeftOut {
            next = min(next ?? time, time)
        }
        guard let next, next > least else { return false }
        least = next
        return true
    }
}
