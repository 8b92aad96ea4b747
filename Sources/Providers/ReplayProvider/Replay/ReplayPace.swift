internal import Primitives

/// When a packet of a recording is due.
struct ReplayPace {
    enum Speed: Hashable, Sendable {
        /// As fast as the tape takes it.
        case full
        /// The speed in thousandths of the recorded speed.
        case thousandths(Int64)
    }

    let speed: Speed
    /// When the first packet was sent, and when it was replayed; `nil`: none was yet.
    private var origin: (sent: Timestamp, monotonic: MonotonicTime)?

    init(_ speed: Speed) { self.speed = speed }

    /// Returns the nanoseconds to wait before a packet that was sent at this time. The first packet
    /// is due immediately.
    mutating func wait(sent: Timestamp, monotonic: MonotonicTime) -> Int64 {
        guard case .thousandths(let speed) = speed else { return 0 }
        guard let origin else {
            self.origin = (sent, monotonic)
            return 0
        }
        let ahead = Int128(sent.nanoseconds) - Int128(origin.sent.nanoseconds)
        let passed = Int128(monotonic - origin.monotonic)
        return Int64(clamping: max(0, ahead * 1_000 / Int128(max(1, speed)) - passed))
    }
}
