internal import Primitives
internal import MarketModel

/// The signs of life of all instruments that trade in the same place, and so of their data source.
struct GroupLife: Sendable {
    /// When anything last came, and since when it has come without a long pause, monotonic.
    private(set) var last = Int64.min
    private(set) var since = Int64.min
    private(set) var lastWall = Timestamp.undefined
    private(set) var rhythm = Rhythm()

    @inline(__always)
    mutating func came(_ now: Moment, silentAfter: Int64) {
        if now.monotonic >= last.later(by: silentAfter / 2) { since = now.monotonic }
        last = now.monotonic
        lastWall = now.wall
        rhythm.came(now.monotonic)
    }

    mutating func rest() { rhythm.rest() }

    func pause(_ now: Moment) -> Int64 {
        last == Int64.min ? Int64.max : now.monotonic &- last
    }

    /// Returns how long a pause may be before something comes again: twice as long as usual.
    func patience(else unknown: Int64) -> Int64 {
        guard let usual = rhythm.usual else { return unknown }
        return max(EngineLimits.transit, usual.later(by: usual))
    }

    /// So much comes that a break of a second is noticed.
    var isBusy: Bool { rhythm.usual.map { $0 <= EngineLimits.second / 2 } ?? false }
}
