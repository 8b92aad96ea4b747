internal import Primitives
internal import MarketModel

/// The ticks of the last seconds of one kind: what history tells of an outage's surroundings is
/// compared with them.
///
/// Two halves, so that keeping one costs no search and, after the first seconds, no memory. While
/// an outage lasts nothing falls out.
struct BorderTicks: Sendable {
    static let half = 5 * EngineLimits.second

    private var older: [ArrivedTick] = []
    private var newer: [ArrivedTick] = []
    private var olderSince = Timestamp.undefined
    private var newerSince = Timestamp.undefined
    private var began = Int64.min
    private var isFrozen = false
    private var isCut = false

    @inline(__always)
    mutating func add(_ tick: ArrivedTick, _ now: Moment) {
        if !isFrozen, now.monotonic >= began.later(by: Self.half) { turn(now) }
        guard newer.count < EngineLimits.borderTicksMax else {
            // Those before it are of no use any more: what is told of has to be all there.
            isCut = true
            return
        }
        newer.append(tick)
    }

    mutating func freeze() { isFrozen = true }

    /// All that arrived in the time that it tells of, up to `until`.
    func arrivals(until: Timestamp) -> Arrivals {
        let since = olderSince.isDefined ? olderSince : newerSince
        guard !isCut, since.isDefined else { return .unknown }
        return Arrivals(older + newer, since: since, until: until)
    }

    /// From here on: what comes after an outage.
    mutating func begin(_ now: Moment) {
        isFrozen = false
        isCut = false
        older.removeAll(keepingCapacity: true)
        newer.removeAll(keepingCapacity: true)
        olderSince = .undefined
        newerSince = now.wall
        began = now.monotonic
    }

    private mutating func turn(_ now: Moment) {
        swap(&older, &newer)
        newer.removeAll(keepingCapacity: true)
        // Nothing was kept before the first tick: there, nobody knows what had arrived.
        olderSince = isCut ? .undefined : newerSince
        isCut = false
        newerSince = now.wall
        began = now.monotonic
    }
}
