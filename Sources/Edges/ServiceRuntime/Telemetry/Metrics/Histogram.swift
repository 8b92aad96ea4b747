import Synchronization

/// Counts observations in buckets with upper bounds. It takes a separate lock per observation.
public final class Histogram: Sendable {
    /// 100 us to 60 s: the range of all waits and round trips here. Between 1 ms and 500 ms, where
    /// the aims are, a bound is at most 1.7 times the one before it: a quantile is a guess within
    /// its bucket.
    public static let latencySeconds: [Double] = [
        0.0001, 0.00025, 0.0005, 0.001, 0.0015, 0.002, 0.0025, 0.003, 0.004, 0.005, 0.006, 0.008,
        0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3,
        0.4, 0.5, 0.75, 1, 2.5, 5, 10, 30, 60,
    ]
    /// The most bounds of one histogram.
    public static let bucketsMax = 64

    /// The upper bounds, inclusive and ascending. A last bucket follows for everything else.
    public let bounds: [Double]
    private let state: Mutex<State>

    struct State {
        /// The counts per bucket, not cumulative; one more than there are bounds.
        var counts: [UInt64]
        var sum = 0.0
        var count: UInt64 { counts.reduce(0, &+) }
    }

    init(bounds: [Double]) {
        precondition(
            !bounds.isEmpty && bounds.count <= Self.bucketsMax && bounds.allSatisfy(\.isFinite)
                && zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 },
            "a histogram's bounds are 1 to \(Self.bucketsMax) finite numbers in ascending order")
        self.bounds = bounds
        state = Mutex(State(counts: Array(repeating: 0, count: bounds.count + 1)))
    }

    /// Adds an observation. NaN is ignored, because it would make the sum useless for ever.
    public func observe(_ value: Double) {
        guard !value.isNaN else { return }
        let bucket = bucket(of: value)
        state.withLock {
            $0.counts[bucket] &+= 1
            $0.sum += value
        }
    }

    public var count: UInt64 { snapshot().count }

    public var sum: Double { snapshot().sum }

    /// Returns the value below which the share `q` (0 to 1) of the observations is. Observations
    /// are assumed to be evenly spread within a bucket, as Prometheus' `histogram_quantile` does.
    /// `nil`: there are none yet. Beyond the last bound the result is the last bound.
    public func quantile(_ q: Double) -> Double? {
        let now = snapshot()
        guard now.count > 0, !q.isNaN else { return nil }
        let rank = min(max(q, 0), 1) * Double(now.count)
        var below: UInt64 = 0
        for (index, bound) in bounds.enumerated() {
            let inBucket = now.counts[index]
            if inBucket > 0, Double(below &+ inBucket) >= rank {
                let start = index > 0 ? bounds[index - 1] : min(0, bound)
                return start + (bound - start) * (rank - Double(below)) / Double(inBucket)
            }
            below &+= inBucket
        }
        return bounds.last
    }

    func snapshot() -> State { state.withLock { $0 } }

    private func bucket(of value: Double) -> Int {
        var low = 0
        var high = bounds.count
        while low < high {
            let middle = (low + high) / 2
            if value <= bounds[middle] { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
