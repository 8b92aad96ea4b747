/// A zone's offsets from UTC, in seconds, for the time that trading hours and a year of daily bars
/// need.
public struct ZoneRules: Hashable, Sendable {
    public struct Change: Hashable, Sendable {
        /// Seconds since 1970 UTC.
        public var at: Int64
        public var offset: Int64

        public init(at: Int64, offset: Int64) {
            self.at = at
            self.offset = offset
        }
    }

    /// The offset before the first change.
    public var first: Int64
    public var changes: [Change]

    public init(first: Int64, changes: [Change]) {
        self.first = first
        self.changes = changes.sorted { $0.at < $1.at }
    }

    public func offset(at time: Int64) -> Int64 {
        changes.last { $0.at <= time }?.offset ?? first
    }

    /// Returns the point in time at which clocks showed this. An hour that comes twice is taken as
    /// the second one.
    public func time(ofLocal local: Int64) -> Int64 {
        let (guess, isPast) = local.subtractingReportingOverflow(offset(at: local))
        guard !isPast else { return local }
        let (time, isOut) = local.subtractingReportingOverflow(offset(at: guess))
        return isOut ? guess : time
    }
}
