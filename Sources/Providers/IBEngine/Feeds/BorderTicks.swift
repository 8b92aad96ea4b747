internal import Primitives
internal import MarketModel

/// The ticks of one kind from the last seconds. The *border* of an outage are the seconds around
/// its beginning and its end, in which some ticks arrived live and others did not. History reports
/// all of them, so what it reports there is compared with these ticks.
///
/// They are in two halves, so that keeping a tick costs no search and, after the first seconds, no
/// memory. While an outage lasts nothing is dropped.
struct BorderTicks: Sendable {
    /// How long the newer half takes ticks, in nanoseconds.
    static let half = 5 * EngineLimits.second

    private var older: [ArrivedTick] = []
    private var newer: [ArrivedTick] = []
    /// The wall times since which the halves have every tick; undefined: there is no such time.
    private var olderSince = Timestamp.undefined
    private var newerSince = Timestamp.undefined
    /// When the newer half began, monotonic.
    private var began = MonotonicTime.distantPast
    /// An outage lasts, and nothing is dropped.
    private var isFrozen = false
    /// The newer half is full, and lacks ticks.
    private var isCut = false

    @inline(__always)
    mutating func add(_ tick: ArrivedTick, _ now: Moment) {
        if !isFrozen, now.monotonic >= began + Self.half { swapHalves(now) }
        guard newer.count < EngineLimits.borderTicksMax else {
            // The ticks have to be complete for the time that they cover, so those before this one
            // are of no use any more.
            isCut = true
            return
        }
        newer.append(tick)
    }

    /// Keeps everything from now on: an outage has begun.
    mutating func freeze() { isFrozen = true }

    /// Returns the arrived ticks. They are complete from the beginning of the covered time to
    /// `until`.
    func arrivals(until: Timestamp) -> Arrivals {
        let since = olderSince.isDefined ? olderSince : newerSince
        guard !isCut, since.isDefined else { return .unknown }
        return Arrivals(older + newer, since: since, until: until)
    }

    /// Begins again, with what comes after an outage.
    mutating func begin(_ now: Moment) {
        isFrozen = false
        isCut = false
        older.removeAll(keepingCapacity: true)
        newer.removeAll(keepingCapacity: true)
        olderSince = .undefined
        newerSince = now.wall
        began = now.monotonic
    }

    private mutating func swapHalves(_ now: Moment) {
        swap(&older, &newer)
        newer.removeAll(keepingCapacity: true)
        // Nothing was kept before the first tick, so the arrivals before it are unknown.
        olderSince = isCut ? .undefined : newerSince
        isCut = false
        newerSince = now.wall
        began = now.monotonic
    }
}
