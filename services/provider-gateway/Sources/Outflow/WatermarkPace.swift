import Primitives

/// Decides when the next watermark of a stream is published, for readers of its partitions without
/// ticks: as soon as it passes a full second. Windows of bars end at full seconds, so each is
/// closed then, and a watermark in between would close none of them.
///
/// Pure: the times are parameters. `now` is monotonic.
struct WatermarkPace {
    /// The distance of the times that a watermark has to pass.
    private static let secondNanoseconds: Int64 = 1_000_000_000
    /// The shortest time between two watermarks. The time of a recording may pass faster.
    private static let nanosecondsMin: Int64 = 250_000_000
    /// The longest time between two watermarks, also if they are the same: a source that sends
    /// none is treated as silent. The time of a provider passes a full second before.
    private static let nanosecondsMax: Int64 = 1_250_000_000
    /// How often a watermark is looked at that should have passed a full second already.
    private static let lookNanoseconds: Int64 = 20_000_000
    /// How long after a full second it is looked at: the clocks are not read in the same moment.
    private static let marginNanoseconds: Int64 = 100_000

    /// The last watermark; before the first one it is the lowest time.
    private(set) var last = Timestamp(nanoseconds: Int64.min)
    private var publishedAt = MonotonicTime.distantPast

    /// The time that the next watermark has to pass.
    private var end: Timestamp {
        last.floored(toNanoseconds: Self.secondNanoseconds)
            .advanced(byNanoseconds: Self.secondNanoseconds)
    }

    /// Returns whether this watermark is due. If it is not, no lower one is.
    func isDue(_ watermark: Timestamp, now: MonotonicTime) -> Bool {
        now >= publishedAt + (watermark >= end ? Self.nanosecondsMin : Self.nanosecondsMax)
    }

    /// Returns when the next watermark is due, if it moves with the time and nothing holds it back.
    func dueAt(_ watermark: Timestamp, now: MonotonicTime) -> MonotonicTime {
        let left = end.nanoseconds(since: watermark)
        let passes =
            now + (left > 0 ? left : Self.lookNanoseconds) + Self.marginNanoseconds
        return min(
            publishedAt + Self.nanosecondsMax, max(publishedAt + Self.nanosecondsMin, passes))
    }

    /// Notes a watermark that is published now, and returns it: it never goes back.
    mutating func publish(_ watermark: Timestamp, now: MonotonicTime) -> Timestamp {
        last = max(last, watermark)
        publishedAt = now
        return last
    }
}
