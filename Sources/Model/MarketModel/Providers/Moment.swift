public import Primitives

/// Now, on both clocks: the wall's for records, the monotonic one, in nanoseconds, for waiting.
public struct Moment: Sendable {
    public var wall: Timestamp
    public var monotonic: Int64

    public init(wall: Timestamp, monotonic: Int64) {
        self.wall = wall
        self.monotonic = monotonic
    }
}
