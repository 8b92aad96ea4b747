/// Counts of the wanted feeds. Every call of the engine needs them, so they are kept up to date.
struct FeedCounts: Sendable {
    /// The number of feeds with an outage, by the kind of cause.
    private var outages = [Int](repeating: 0, count: OutageCause.Kind.allCases.count)
    /// The numbers of feeds whose ticks carry the server's time (`FeedKind.lag`), and of feeds of
    /// five-second bars.
    private var stamped = 0
    private var bars = 0

    /// Counts the feeds of an instrument that begins (1) or ends (-1).
    mutating func add(_ slots: [FeedSlot], _ change: Int) {
        for slot in slots {
            count(slot.phase.cause, change)
            if slot.feed.lag == .stamped { stamped += change }
            if slot.feed.lag == .bars { bars += change }
        }
    }

    /// Notes that the cause of a feed's outage has changed; `nil`: there is no outage.
    mutating func change(from old: OutageCause?, to new: OutageCause?) {
        count(old, -1)
        count(new, 1)
    }

    private mutating func count(_ cause: OutageCause?, _ change: Int) {
        if let cause { outages[cause.kind.rawValue] += change }
    }

    /// Returns whether any feed has an outage with this kind of cause.
    func hasOutage(_ kind: OutageCause.Kind) -> Bool { outages[kind.rawValue] > 0 }

    /// How late live ticks of the slowest feed may come by their event times, in nanoseconds. The
    /// floor stays this much before the present time.
    var delayMax: Int64 {
        if bars > 0 { return EngineLimits.barLag }
        return stamped > 0 ? EngineLimits.stampedLag : EngineLimits.transit
    }
}
