internal import Primitives
internal import MarketModel

/// When anything came of the instruments of one venue (a kind, exchange and currency). While data
/// come, the farm that delivers them works.
struct VenueActivity: Sendable {
    /// When anything last came, and since when it has come without a pause of half of
    /// `silentAfter`, monotonic; `Int64.min`: nothing came.
    private(set) var last = MonotonicTime.distantPast
    private(set) var since = MonotonicTime.distantPast
    /// `last` by the wall clock.
    private(set) var lastWall = Timestamp.undefined
    private(set) var rhythm = Rhythm()

    /// Notes that something came.
    @inline(__always)
    mutating func came(_ now: Moment, silentAfter: Int64) {
        if now.monotonic >= last + silentAfter / 2 { since = now.monotonic }
        last = now.monotonic
        lastWall = now.wall
        rhythm.came(now.monotonic)
    }

    /// Leaves out the present pause: it belongs to an outage and is not a usual one.
    mutating func rest() { rhythm.rest() }

    /// Returns how long nothing has come; `Int64.max`: nothing ever came.
    func pause(_ now: Moment) -> Int64 {
        now.monotonic - last
    }

    /// Returns how long a pause may be until it shows a break: twice as long as usual. `unknown`:
    /// the result while too few pauses are known.
    func patience(else unknown: Int64) -> Int64 {
        guard let usual = rhythm.usual else { return unknown }
        return max(EngineLimits.transit, usual.doubled)
    }

    /// So much comes that a break of a second is noticed.
    var isBusy: Bool { rhythm.usual.map { $0 <= EngineLimits.second / 2 } ?? false }
}
