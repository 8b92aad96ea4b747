package import Primitives

/// The unconsumed frames of one partition.
package struct SpoolTail: Hashable, Sendable {
    package internal(set) var frames = 0
    package internal(set) var ticks = 0
    /// The epoch of the last frame.
    package internal(set) var epoch: UInt64 = 0
    /// The ordinal after the last frame, which the next tick gets.
    package internal(set) var nextOrdinal: UInt64 = 0
    /// No tick in the frames has an earlier event time, so watermarks must not pass it.
    package internal(set) var oldestEventTime = Timestamp.undefined

    mutating func add(_ frame: FrameHeader) {
        frames += 1
        ticks += Int(frame.tickCount)
        epoch = frame.epoch
        nextOrdinal = frame.nextOrdinal
        oldestEventTime = min(oldestEventTime, frame.oldestEventTime)
    }

    /// Removes the oldest frame. Later frames are not older than its watermark.
    mutating func remove(_ frame: FrameHeader) {
        frames = max(0, frames - 1)
        ticks = max(0, ticks - Int(frame.tickCount))
        oldestEventTime = max(oldestEventTime, frame.watermark)
    }
}
