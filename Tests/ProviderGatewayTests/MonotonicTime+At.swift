import Primitives

extension MonotonicTime {
    /// Returns the moment this many nanoseconds after the start of the test's clock.
    static func at(_ nanoseconds: Int64) -> MonotonicTime {
        MonotonicTime(nanoseconds: nanoseconds)
    }
}
