extension Duration {
    /// Held at the range's end: what waits for so long waits for ever.
    var engineNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, isTooLong) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !isTooLong else { return seconds < 0 ? Int64.min : Int64.max }
        let (sum, isPast) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
        return isPast ? Int64.max : sum
    }
}

extension Int64 {
    /// A point on the monotonic clock so much later; never beyond its end.
    func later(by nanoseconds: Int64) -> Int64 {
        let (sum, isPast) = addingReportingOverflow(nanoseconds)
        return isPast ? (nanoseconds < 0 ? Int64.min : Int64.max) : sum
    }
}
