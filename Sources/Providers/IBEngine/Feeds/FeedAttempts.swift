internal import IBProtocol

/// How the requests for a feed went, and what is asked for differently because of it.
struct FeedAttempts: Sendable {
    /// The number of failed requests in a row.
    var failures = 0
    /// Level 1 only: how often its further values were refused. It is requested with fewer each
    /// time.
    var valuesLeftOut = 0
    /// The contract under which the provider keeps these data; `nil`: the instrument's own.
    private(set) var reroute: Reroute?
    /// The number of reroutes in a row, without any delivery in between.
    private var reroutes = 0

    /// Notes a failure. Returns the wait until the next request, in nanoseconds: it grows with each
    /// failure in a row.
    mutating func failed() -> Int64 {
        // The two limits keep the shift below small; the wait has its own maximum.
        failures = min(failures + 1, 32)
        let wait = EngineLimits.downWait << Int64(min(failures - 1, 8))
        return min(wait, EngineLimits.downWaitMax)
    }

    /// Notes that the provider keeps these data under another contract, which has to be requested.
    /// Returns false when the provider named another one too often in a row. `hasDelivered`: the
    /// last request has.
    mutating func follow(_ next: Reroute, hasDelivered: Bool) -> Bool {
        reroutes = hasDelivered ? 1 : reroutes + 1
        guard reroutes <= EngineLimits.reroutesMax else {
            reroutes = 0
            reroute = nil
            return false
        }
        reroute = next
        return true
    }
}
