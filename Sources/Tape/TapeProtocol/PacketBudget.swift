/// A token bucket over packets: when it is spent, packets wait and grow instead of costing a
/// durable write each.
public struct PacketBudget: Sendable {
    private let nanosecondsPerPacket: Int64
    private let burst: Int64
    /// The time at which the bucket was, or will be, empty.
    private var emptyAt: Int64 = Int64.min

    public init(packetsPerSecond: Int) {
        precondition((1...1_000_000).contains(packetsPerSecond))
        nanosecondsPerPacket = 1_000_000_000 / Int64(packetsPerSecond)
        // A twentieth of a second's packets may leave at once.
        burst = max(1, Int64(packetsPerSecond) / 20)
    }

    /// Takes one packet out; false when there is none.
    public mutating func take(now: Int64) -> Bool {
        let full = now - burst * nanosecondsPerPacket
        let start = max(emptyAt, full)
        guard start + nanosecondsPerPacket <= now else { return false }
        emptyAt = start + nanosecondsPerPacket
        return true
    }

    /// When the next packet may leave.
    public var nextAt: Int64 {
        emptyAt == Int64.min ? Int64.min : emptyAt + nanosecondsPerPacket
    }
}
