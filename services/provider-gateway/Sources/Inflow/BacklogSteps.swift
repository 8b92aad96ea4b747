import Primitives
import TapeKeeping

/// How far the quotes of a live feed are conflated because a needed group is behind the tape, in
/// steps. So a database that is away for an hour costs a part of the tape, and no trade. Pure.
///
///     step 0: every quote is taken
///     step n: the slowest group is 2^(n-1) × `ticksMin` behind: one quote per symbol and interval
///
/// A step is left, to the one before it, when the group is half of that step's ticks behind.
struct BacklogSteps: Sendable {
    /// The shortest time between two quotes of a symbol, in nanoseconds, per step.
    static let intervals: [Int64] = [0, 250_000_000, 500_000_000, 1_000_000_000]

    /// `GATEWAY_LAG_CONFLATE`; 0: quotes are not conflated for this reason.
    let ticksMin: UInt64
    private(set) var step = 0
    /// The slowest group at the last change, and when quotes were conflated first; for messages.
    private(set) var slowest: StoreBacklog.Slowest?
    private(set) var since = MonotonicTime.distantPast

    init(ticksMin: Int) { self.ticksMin = UInt64(clamping: ticksMin) }

    var interval: Int64 { Self.intervals[step] }

    /// Judges by what is known now, and returns whether the step has changed: up to the step of the
    /// backlog, down by one at a time. While nothing is known the step stays.
    mutating func judge(_ backlog: StoreBacklog?, now: MonotonicTime) -> Bool {
        guard ticksMin > 0, let backlog else { return false }
        let behind = backlog.slowest?.ticks ?? 0
        let before = step
        while step + 1 < Self.intervals.count, behind >= ticks(of: step + 1) { step += 1 }
        if step == before, step > 0, behind <= ticks(of: step) / 2 { step -= 1 }
        if before == 0 { since = now }
        if step != before, let present = backlog.slowest { slowest = present }
        return step != before
    }

    private func ticks(of step: Int) -> UInt64 {
        let (ticks, overflow) = ticksMin.multipliedReportingOverflow(by: 1 << (step - 1))
        return overflow ? .max : ticks
    }
}
