package import Primitives

/// A summary of the unconsumed frames of one partition. The gateway reads it to decide about the
/// spool of an earlier process, and for watermarks.
package struct SpoolTail: Hashable, Sendable {
    package internal(set) var frames = 0
    package internal(set) var ticks = 0
    /// No tick in the frames has an earlier event time, so no watermark may be later.
    package internal(set) var oldestEventTime = Timestamp.undefined

    mutating func add(_ frame: FrameHeader) {
        frames += 1
        ticks += Int(frame.tickCount)
        oldestEventTime = min(oldestEventTime, frame.oldestEventTime)
    }

    /// Removes a frame that was consumed. The watermark of a frame promises that the ticks of later
    /// frames are not older.
    mutating func remove(_ frame: FrameHeader) {
        frames = max(0, frames - 1)
        ticks = max(0, ticks - Int(frame.tickCount))
        oldestEventTime = max(oldestEventTime, frame.watermark)
    }
}
