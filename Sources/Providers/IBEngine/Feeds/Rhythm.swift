internal import Primitives
internal import MarketModel

/// The longest of the last 64 to 128 pauses between the ticks of a feed, or of a venue. A pause
/// that is much longer shows that data are missing.
///
/// Only the longest pause of the present 64 pauses and that of the 64 before them are stored. So
/// the oldest pauses are forgotten without a list.
struct Rhythm: Sendable {
    /// The number of pauses of a half.
    private static let half: UInt8 = 64

    /// When the last tick came, monotonic; `distantPast`: the next pause begins with the next tick.
    private(set) var last = MonotonicTime.distantPast
    /// The longest pauses of the last complete half and of the present one, in nanoseconds.
    private var older: Int64 = 0
    private var newer: Int64 = 0
    /// The number of pauses in the present half.
    private var count: UInt8 = 0
    /// At least one half is complete.
    private var isKnown = false

    /// The longest pause that has ended with a tick, in nanoseconds; 0: none is known.
    var longest: Int64 { max(older, newer) }

    /// The longest pause, in nanoseconds; `nil` while fewer than 64 pauses are known.
    var usual: Int64? { isKnown ? longest : nil }

    /// The same; `nil` while fewer than 16 pauses are known. It is for callers that compare a
    /// silence with several times this value, so that few pauses are enough.
    var usualOfFew: Int64? { isKnown || count >= Self.half / 4 ? longest : nil }

    /// Notes a tick. Ticks of the same moment, as of one read of the socket, are counted as one.
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

    /// Leaves the present pause out: an outage is no usual pause.
    mutating func rest() { last = .distantPast }

    private mutating func swapHalves() {
        older = newer
        newer = 0
        count = 0
        isKnown = true
    }
}
