public import Primitives

/// The present time on both clocks: the wall clock for records, and the monotonic clock, in
/// nanoseconds, for waiting.
public struct Moment: Sendable {
    public var wall: Timestamp
    public var monotonic: Int64

    public init(wall: Timestamp, monotonic: Int64) {
        self.wall = wall
        self.monotonic = monotonic
    }
}
