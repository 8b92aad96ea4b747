public import Primitives

/// What is spooled of one partition, and not consumed.
public struct SpoolTail: Hashable, Sendable {
    public internal(set) var frames = 0
    public internal(set) var ticks = 0
    /// Of the last frame.
    public internal(set) var epoch: UInt64 = 0
    /// Behind the last frame: the one of the next tick.
    public internal(set) var nextOrdinal: UInt64 = 0
    /// No tick in it has an earlier event time: watermarks must not pass it.
    public internal(set) var oldestEventTime = Timestamp.undefined

    mutating func add(_ frame: FrameHeader) {
        frames += 1
        ticks += Int(frame.tickCount)
        epoch = frame.epoch
        nextOrdinal = frame.nextOrdinal
        oldestEventTime = min(oldestEventTime, frame.oldestEventTime)
    }

    /// What came behind the frame is not older than its watermark says.
    mutating func remove(_ frame: FrameHeader) {
        frames = max(0, frames - 1)
        ticks = max(0, ticks - Int(frame.tickCount))
        oldestEventTime = max(oldestEventTime, frame.watermark)
    }
}
