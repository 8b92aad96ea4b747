import Primitives

/// Decides when a group of tables that waits apart may come back. Its last transactions have to be
/// so quick that others hardly wait for them. And each time it stays longer, so that a table that
/// is slow now and then does not hold up the others again and again. Pure.
struct ApartReturn: Sendable {
    /// The longest quick transaction: as long as others wait for a lock.
    static let quickNanoseconds = TableWaits.common.lock.clampedNanoseconds
    /// How many quick ones have to follow each other while more is to be written.
    static let quickInARow = 3
    /// How long the group stays after a slow one when nothing is to be written.
    static let quietNanoseconds: Int64 = 2_000_000_000
    /// The first and the longest stay.
    static let stayFirst: Int64 = 1_000_000_000
    static let stayMax: Int64 = 300_000_000_000
    /// After this time among the others, a stay begins again at the first one.
    static let settledNanoseconds: Int64 = 600_000_000_000

    private var stay = stayFirst
    private var until = MonotonicTime.distantPast
    private var isApart = false
    private var returnedAt: MonotonicTime?
    private var quick = 0
    private var slowAt: MonotonicTime?

    /// Notes that the group went apart somewhere.
    mutating func left(at now: MonotonicTime) {
        guard !isApart else { return }
        isApart = true
        if let returnedAt {
            let isSettled = now - returnedAt >= Self.settledNanoseconds
            stay = isSettled ? Self.stayFirst : min(stay * 2, Self.stayMax)
        }
        until = now + stay
        quick = 0
        slowAt = nil
    }

    /// Notes a transaction with rows of the table that was blocked.
    mutating func wrote(_ nanoseconds: Int64, at now: MonotonicTime) {
        if nanoseconds < Self.quickNanoseconds {
            quick += 1
        } else {
            quick = 0
            slowAt = now
        }
    }

    mutating func refused() { quick = 0 }

    /// Returns whether the group may come back. `isLevel` says whether nothing is to be written.
    func mayReturn(isLevel: Bool, at now: MonotonicTime) -> Bool {
        guard now >= until else { return false }
        if quick >= Self.quickInARow { return true }
        return isLevel && (slowAt.map { now - $0 >= Self.quietNanoseconds } ?? true)
    }

    mutating func returned(at now: MonotonicTime) {
        isApart = false
        returnedAt = now
    }
}
