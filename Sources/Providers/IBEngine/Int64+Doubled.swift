extension Int64 {
    /// The span of nanoseconds that is twice as long; never beyond the range.
    var doubled: Int64 {
        let (sum, isPast) = addingReportingOverflow(self)
        return isPast ? Int64.max : sum
    }
}
