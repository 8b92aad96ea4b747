package import Primitives

/// A token bucket over packets. While it is empty, packets wait and grow, instead of costing a
/// durable write each.
package struct PacketBudget: Sendable {
    private let nanosecondsPerPacket: Int64
    /// The number of packets in a full bucket.
    private let burst: Int64
    /// When the bucket was, or will be, empty.
    private var emptyAt = MonotonicTime.distantPast

    package init(packetsPerSecond: Int) {
        precondition((1...1_000_000).contains(packetsPerSecond))
        nanosecondsPerPacket = 1_000_000_000 / Int64(packetsPerSecond)
        // The packets of a twentieth of a second may be sent without a pause.
        burst = max(1, Int64(packetsPerSecond) / 20)
    }

    /// Takes one packet out. Returns false when the bucket is empty.
    package mutating func take(now: MonotonicTime) -> Bool {
        let full = now - burst * nanosecondsPerPacket
        let start = max(emptyAt, full)
        guard start + nanosecondsPerPacket <= now else { return false }
        emptyAt = start + nanosecondsPerPacket
        return true
    }

    /// When the next packet may be sent, by the monotonic clock; `Int64.min` before the first one.
    package var nextAt: MonotonicTime { emptyAt + nanosecondsPerPacket }
}
