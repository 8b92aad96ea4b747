package import Primitives

/// A token bucket that bounds the packets per second of a gateway's source. While it is empty,
/// ticks wait in the builders, so that packets become fewer and larger: each packet costs the tape
/// a durable write.
package struct PacketBudget: Sendable {
    private let nanosecondsPerPacket: Int64
    /// The number of packets in a full bucket.
    private let burst: Int64
    /// The moment at which the bucket would have been empty. It is full again when `burst` packets
    /// fit between that moment and now.
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
}
