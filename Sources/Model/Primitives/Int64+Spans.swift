/// Spans of time in nanoseconds.
extension Int64 {
    @inlinable @inline(__always)
    public static func milliseconds(_ count: Int64) -> Int64 { count * 1_000_000 }

    @inlinable @inline(__always)
    public static func seconds(_ count: Int64) -> Int64 { count * 1_000_000_000 }

    @inlinable @inline(__always)
    public static func hours(_ count: Int64) -> Int64 { count * 3_600_000_000_000 }

    @inlinable @inline(__always)
    public static func days(_ count: Int64) -> Int64 { count * 86_400_000_000_000 }
}
