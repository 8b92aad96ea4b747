import Primitives

/// How fast something grows, by the line through all that was seen of the last six hours: as
/// `deriv(...[6h])` of the shipped rules computes it. Pure.
struct GrowthMeter: Sendable {
    static let windowNanoseconds: Int64 = 6 * 3_600_000_000_000
    /// One sample is kept in this time, so that at most `samplesMax` are.
    static let everyNanoseconds: Int64 = 60_000_000_000
    static let samplesMax = 400
    /// Sizes are measured every five minutes, so a shorter time says nothing.
    static let spanMinNanoseconds: Int64 = 900_000_000_000

    private var samples: [(at: MonotonicTime, value: UInt64)] = []

    /// Notes a value. Nothing is noted while nobody looks, so times may lie far apart.
    mutating func note(_ value: UInt64, at now: MonotonicTime) {
        if let last = samples.last, now - last.at < Self.everyNanoseconds { return }
        samples.append((now, value))
        samples.removeAll { now - $0.at > Self.windowNanoseconds }
        if samples.count > Self.samplesMax { samples.removeFirst() }
    }

    /// The time that the samples cover.
    var spanNanoseconds: Int64 {
        guard let first = samples.first, let last = samples.last else { return 0 }
        return last.at - first.at
    }

    /// Per second, by least squares. `nil` before enough was seen.
    var perSecond: Double? {
        guard let first = samples.first, spanNanoseconds >= Self.spanMinNanoseconds else {
            return nil
        }
        let count = Double(samples.count)
        let points = samples.map { sample in
            (
                Double(sample.at - first.at) / 1e9,
                Double(sample.value) - Double(first.value)
            )
        }
        let (x, y) = (
            points.reduce(0) { $0 + $1.0 } / count, points.reduce(0) { $0 + $1.1 } / count
        )
        let above = points.reduce(0) { $0 + ($1.0 - x) * ($1.1 - y) }
        let below = points.reduce(0) { $0 + ($1.0 - x) * ($1.0 - x) }
        return below > 0 ? above / below : nil
    }
}
