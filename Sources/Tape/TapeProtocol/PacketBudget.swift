package import Primitives

/// A token bucket that bounds the packets per second, of a gateway's source or of one stream of it.
/// While it is empty, ticks wait in the builders, so that packets become fewer and larger: each
/// packet costs the tape a durable write.
package struct PacketBudget: Sendable {
    /// The time in which the bucket gains a packet.
    private let nanosecondsPerPacket: Int64
    /// The number of packets in a full bucket.
    private let burst: Int64
    /// The moment at which the bucket would have been empty. It is full again when `burst` packets
    /// fit between that moment and now.
    private var emptyAt = MonotonicTime.distantPast

    package init(packetsPerSecond: Int) {
        precondition((1...1_000_000).contains(packetsPerSecond))
        // The packets of a twentieth of a second may be sent without a pause.
        self.init(
            nanosecondsPerPacket: 1_000_000_000 / Int64(packetsPerSecond),
            burst: max(1, Int64(packetsPerSecond) / 20))
    }

    package init(nanosecondsPerPacket: Int64, burst: Int64) {
        precondition(nanosecondsPerPacket > 0 && burst > 0, "a budget permits some packet")
        self.nanosecondsPerPacket = nanosecondsPerPacket
        self.burst = burst
    }

    /// Returns whether the bucket has a packet.
    package func hasPacket(now: MonotonicTime) -> Bool {
        start(now) + nanosecondsPerPacket <= now
    }

    /// Takes one packet out. Returns false when the bucket is empty.
    package mutating func take(now: MonotonicTime) -> Bool {
        guard hasPacket(now: now) else { return false }
        emptyAt = start(now) + nanosecondsPerPacket
        return true
    }

    /// The moment at which the bucket would have been empty, with what a full bucket may hold.
    private func start(_ now: MonotonicTime) -> MonotonicTime {
        max(emptyAt, now - burst * nanosecondsPerPacket)
    }
}
