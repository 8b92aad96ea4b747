extension Duration {
    /// The duration in nanoseconds, clamped to the range of 64 bits (292 years).
    @inlinable
    public var clampedNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return seconds < 0 ? Int64.min : Int64.max }
        let (sum, carried) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000)
        if carried { return seconds < 0 ? Int64.min : Int64.max }
        return sum
    }
}
