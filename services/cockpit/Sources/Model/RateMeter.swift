import Primitives

/// The rate of a number that only grows, over the last seconds.
struct RateMeter: Sendable {
    /// Reports come once a second, so a window has at least three of them.
    static let windowNanoseconds: Int64 = 4_000_000_000
    static let samplesMax = 16

    private var samples: [(at: MonotonicTime, value: UInt64)] = []

    init() {}

    /// Notes a value that was measured at `at`. A value that goes back begins anew: it is that of
    /// another tape.
    mutating func note(_ value: UInt64, at: MonotonicTime) {
        if let last = samples.last {
            guard at > last.at else { return }
            if value < last.value { samples.removeAll() }
        }
        samples.append((at, value))
        while samples.count > 2,
            samples.count > Self.samplesMax || at - samples[1].at >= Self.windowNanoseconds
        {
            samples.removeFirst()
        }
    }

    /// Per second; `nil` before there were two values.
    var perSecond: Double? {
        guard let first = samples.first, let last = samples.last, last.at > first.at else {
            return nil
        }
        return Double(last.value - first.value) / (Double(last.at - first.at) / 1e9)
    }
}
