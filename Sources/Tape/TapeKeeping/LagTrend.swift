internal import Membership

/// How long groups need until they have read all that there is, if they go on as lately. Pure;
/// times are monotonic nanoseconds.
///
/// The rate is that at which the lag fell: what is read less what comes in. A lag that does not
/// fall is never drained at its present rate, so there is no time to name then.
struct LagTrend: Sendable {
    /// Looked back on: longer than what a group does in steps, shorter than a change of load.
    static let windowNanoseconds: Int64 = 30_000_000_000
    /// Of less nobody can tell a trend.
    static let windowNanosecondsMin: Int64 = 5_000_000_000
    /// Of one group: what comes sooner behind another one is not noted.
    static let samplesMax: Int64 = 60

    private struct Sample {
        let at: Int64
        let ticks: UInt64
    }

    private var samples: [GroupName: [Sample]] = [:]

    /// Notes the lag, and answers from it and those before. Nil: it does not fall, or it is not
    /// known for long enough.
    mutating func drainNanoseconds(_ group: GroupName, ticks: UInt64, now: Int64) -> Int64? {
        var known = samples[group] ?? []
        known.removeAll { $0.at < now - Self.windowNanoseconds || $0.at > now }
        let isNext = known.last.map { now >= $0.at + Self.windowNanoseconds / Self.samplesMax }
        if isNext ?? true { known.append(Sample(at: now, ticks: ticks)) }
        samples[group] = known
        guard ticks > 0 else { return 0 }
        guard let first = known.first, first.ticks > ticks,
            now - first.at >= Self.windowNanosecondsMin
        else { return nil }
        let nanosecondsPerTick = Double(now - first.at) / Double(first.ticks - ticks)
        return Int64(exactly: (Double(ticks) * nanosecondsPerTick).rounded()) ?? .max
    }

    /// Its lag is not known any more: what it was says nothing of what it will be.
    mutating func forget(_ group: GroupName) { samples[group] = nil }

    mutating func keep(only groups: Set<GroupName>) {
        samples = samples.filter { groups.contains($0.key) }
    }
}
