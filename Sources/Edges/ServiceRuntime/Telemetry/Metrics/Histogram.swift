public import Primitives
import Synchronization

/// Counts observations in buckets with upper bounds. It takes a separate lock per observation.
public final class Histogram: Sendable {
    /// The bounds of all waits and round trips here: 100 us to 60 s. A quantile is a guess within
    /// its bucket, and all aims are between 0.5 ms and 1 s. There the bounds are the preferred
    /// numbers of ISO 3 (R20), twenty in each power of ten: each is at most 1.15 times the one
    /// before it.
    public static let latencySeconds: [Double] = [
        0.0001, 0.00025,
        0.0005, 0.00056, 0.00063, 0.00071, 0.0008, 0.0009,
        0.001, 0.00112, 0.00125, 0.0014, 0.0016, 0.0018, 0.002, 0.00224, 0.0025, 0.0028,
        0.00315, 0.00355, 0.004, 0.0045, 0.005, 0.0056, 0.0063, 0.0071, 0.008, 0.009,
        0.01, 0.0112, 0.0125, 0.014, 0.016, 0.018, 0.02, 0.0224, 0.025, 0.028,
        0.0315, 0.0355, 0.04, 0.045, 0.05, 0.056, 0.063, 0.071, 0.08, 0.09,
        0.1, 0.112, 0.125, 0.14, 0.16, 0.18, 0.2, 0.224, 0.25, 0.28,
        0.315, 0.355, 0.4, 0.45, 0.5, 0.56, 0.63, 0.71, 0.8, 0.9,
        1, 2.5, 5, 10, 30, 60,
    ]
    /// The most bounds of one histogram: the 74 above, and room for one more power of ten. Each is
    /// a line of the page and a series in Prometheus for every label set. An observation searches
    /// at most seven of them.
    public static let bucketsMax = 96

    /// The upper bounds, inclusive and ascending. A last bucket follows for everything else.
    public let bounds: [Double]
    private let state: Mutex<State>

    struct State {
        /// The counts per bucket, not cumulative; one more than there are bounds.
        var counts: [UInt64]
        var sum = 0.0
        /// By bucket, the last observation whose trace was sent.
        var exemplars: [Int: Exemplar] = [:]
        var count: UInt64 { counts.reduce(0, &+) }
    }

    struct Exemplar {
        let trace: String
        let value: Double
        let time: Timestamp

        /// What OpenMetrics has behind the value of a bucket.
        var text: String {
            let seconds = Double(time.nanoseconds / 1_000_000) / 1_000
            return " # {trace_id=\"\(trace)\"} \(MetricText.number(value)) \(seconds)"
        }
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
    public func observe(_ value: Double) { observe(value, nil) }

    /// Adds an observation that a trace belongs to. Of each bucket the last one is an exemplar.
    public func observe(_ value: Double, trace: String, at time: Timestamp) {
        observe(value, Exemplar(trace: trace, value: value, time: time))
    }

    private func observe(_ value: Double, _ exemplar: Exemplar?) {
        guard !value.isNaN else { return }
        let bucket = bucket(of: value)
        state.withLock {
            $0.counts[bucket] &+= 1
            $0.sum += value
            if let exemplar { $0.exemplars[bucket] = exemplar }
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
