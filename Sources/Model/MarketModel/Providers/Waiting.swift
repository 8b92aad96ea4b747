extension Int64 {
    /// Returns a point on the monotonic clock this much later; never beyond its end.
    public func later(by nanoseconds: Int64) -> Int64 {
        let (sum, isPast) = addingReportingOverflow(nanoseconds)
        return isPast ? (nanoseconds < 0 ? Int64.min : Int64.max) : sum
    }
}
