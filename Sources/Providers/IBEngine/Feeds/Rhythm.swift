internal import Primitives
internal import MarketModel

/// The pauses between arrivals: the longest of the last 64 to 128 of them.
struct Rhythm: Sendable {
    private static let half: UInt8 = 64

    /// The last arrival, monotonic; `Int64.min`: the next pause begins with the next arrival.
    private(set) var last = Int64.min
    private var older: Int64 = 0
    private var newer: Int64 = 0
    private var count: UInt8 = 0
    private var isKnown = false

    /// The longest pause that something came after.
    var longest: Int64 { max(older, newer) }

    /// The longest pause; `nil` while too few pauses are known.
    var usual: Int64? { isKnown ? longest : nil }

    /// The same after fewer pauses, for callers that allow for more.
    var usualOfFew: Int64? { isKnown || count >= Self.half / 4 ? longest : nil }

    /// Notes an arrival. Arrivals at the same moment are counted as one.
    @inline(__always)
    mutating func came(_ now: Int64) {
        guard now > last else { return }
        if last != Int64.min {
            newer = max(newer, now &- last)
            count &+= 1
            if count >= Self.half { turn() }
        }
        last = now
    }

    /// Ends a pause without counting it: an outage is no pause.
    mutating func rest() { last = Int64.min }

    private mutating func turn() {
        older = newer
        newer = 0
        count = 0
        isKnown = true
    }
}
