internal import Membership
internal import Primitives

/// Estimates how long groups need until they have read everything, at their recent rate. Pure;
/// times are monotonic.
///
/// The rate is the rate at which the lag fell: what is read minus what arrives. A lag that does not
/// fall would never reach zero, so there is no time to report.
struct LagTrend: Sendable {
    /// The span over which the rate is computed: longer than the steps in which a group reads,
    /// shorter than a change of load.
    static let windowNanoseconds: Int64 = 30_000_000_000
    /// A shorter span shows no trend.
    static let windowNanosecondsMin: Int64 = 5_000_000_000
    /// The most samples of one group. A sample that follows the previous one too soon is not kept.
    static let samplesMax: Int64 = 60

    /// The lag of a group at one time.
    private struct Sample {
        let at: MonotonicTime
        let ticks: UInt64
    }

    /// In the order of their times.
    private var samples: [GroupName: [Sample]] = [:]

    /// Notes the lag and returns the time that is left, computed from this lag and the earlier
    /// ones. Returns `nil` when the lag does not fall, or has not been known for long enough.
    mutating func drainNanoseconds(_ group: GroupName, ticks: UInt64, now: MonotonicTime) -> Int64?
    {
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

    /// Forgets the samples of a group whose lag is no longer known: they do not predict its future
    /// lag.
    mutating func forget(_ group: GroupName) { samples[group] = nil }

    /// Forgets all other groups.
    mutating func keep(only groups: Set<GroupName>) {
        samples = samples.filter { groups.contains($0.key) }
    }
}
