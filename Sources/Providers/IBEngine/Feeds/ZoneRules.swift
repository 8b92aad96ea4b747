/// A zone's offsets from UTC, in seconds, for the time that trading hours and a year of daily bars
/// need.
package struct ZoneRules: Hashable, Sendable {
    package struct Change: Hashable, Sendable {
        /// Seconds since 1970 UTC.
        package var at: Int64
        package var offset: Int64

        package init(at: Int64, offset: Int64) {
            self.at = at
            self.offset = offset
        }
    }

    /// The offset before the first change.
    package var first: Int64
    package var changes: [Change]

    package init(first: Int64, changes: [Change]) {
        self.first = first
        self.changes = changes.sorted { $0.at < $1.at }
    }

    package func offset(at time: Int64) -> Int64 {
        changes.last { $0.at <= time }?.offset ?? first
    }

    /// Returns the point in time at which clocks showed this. An hour that comes twice is taken as
    /// the second one.
    package func time(ofLocal local: Int64) -> Int64 {
        let (guess, isPast) = local.subtractingReportingOverflow(offset(at: local))
        guard !isPast else { return local }
        let (time, isOut) = local.subtractingReportingOverflow(offset(at: guess))
        return isOut ? guess : time
    }
}
