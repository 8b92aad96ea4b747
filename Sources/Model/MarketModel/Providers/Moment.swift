public import Primitives

/// The present time on both clocks: the wall clock for records, and the monotonic clock, in
/// nanoseconds, for waiting.
public struct Moment: Sendable {
    public var wall: Timestamp
    public var monotonic: MonotonicTime

    public init(wall: Timestamp, monotonic: MonotonicTime) {
        self.wall = wall
        self.monotonic = monotonic
    }
}
