internal import Primitives
internal import MarketModel

/// How long the pauses between what comes are: the longest of the last 64 to 128 of them.
struct Rhythm: Sendable {
    private static let half: UInt8 = 64

    /// Monotonic; `Int64.min`: it begins anew.
    private(set) var last = Int64.min
    private var older: Int64 = 0
    private var newer: Int64 = 0
    private var count: UInt8 = 0
    private var isKnown = false

    /// The longest pause that something came after.
    var longest: Int64 { max(older, newer) }

    /// nil: too few have come to tell.
    var usual: Int64? { isKnown ? longest : nil }

    /// The same of fewer, for whoever allows for more.
    var usualOfFew: Int64? { isKnown || count >= Self.half / 4 ? longest : nil }

    /// What comes at once counts as one.
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

    /// An outage is no pause: the next one is counted from what comes next.
    mutating func rest() { last = Int64.min }

    private mutating func turn() {
        older = newer
        newer = 0
        count = 0
        isKnown = true
    }
}
