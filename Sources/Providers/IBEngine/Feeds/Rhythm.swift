internal import Primitives
internal import MarketModel

/// The longest pause between the last 64 to 128 arrivals. A pause that is much longer shows that
/// data are missing. Pauses are kept in two halves, so that the oldest are forgotten without a
/// list.
struct Rhythm: Sendable {
    private static let half: UInt8 = 64

    /// The last arrival, monotonic; `distantPast`: the next pause begins with the next arrival.
    private(set) var last = MonotonicTime.distantPast
    /// The longest pauses of the last complete half and of the present one, in nanoseconds.
    private var older: Int64 = 0
    private var newer: Int64 = 0
    /// The number of pauses in the present half.
    private var count: UInt8 = 0
    /// A half is complete.
    private var isKnown = false

    /// The longest pause that something came after, in nanoseconds; 0: none is known.
    var longest: Int64 { max(older, newer) }

    /// The longest pause; `nil` while fewer than 64 pauses are known.
    var usual: Int64? { isKnown ? longest : nil }

    /// The same after 16 pauses, for callers that wait for a multiple of it.
    var usualOfFew: Int64? { isKnown || count >= Self.half / 4 ? longest : nil }

    /// Notes an arrival. Arrivals at the same moment are counted as one.
    @inline(__always)
    mutating func came(_ now: MonotonicTime) {
        guard now > last else { return }
        if last != .distantPast {
            newer = max(newer, now - last)
            count &+= 1
            if count >= Self.half { swapHalves() }
        }
        last = now
    }

    /// Ends a pause without counting it: an outage is no pause.
    mutating func rest() { last = .distantPast }

    private mutating func swapHalves() {
        older = newer
        newer = 0
        count = 0
        isKnown = true
    }
}
