/// Bytes that the socket has not taken yet. What they are to do waits with them, so there is a
/// deadline: a server that reads nothing any more is lost.
struct SendBuffer {
    /// Some thousand requests: pacing lets out fifty a second.
    static let bytesMax = 1 << 20
    /// A buffer that a burst stretched beyond this is let go when it is empty.
    private static let keptBytesMax = 64 * 1_024

    private(set) var bytes: [UInt8] = []
    private(set) var start = 0
    /// On the monotonic clock: since when nothing of it was taken; nil: nothing waits.
    private(set) var stuckSince: Int64?

    var isEmpty: Bool { start == bytes.count }

    /// False: it would hold more than `bytesMax`; nothing was put in.
    mutating func append(_ more: [UInt8], now: Int64) -> Bool {
        guard !more.isEmpty else { return true }
        guard bytes.count - start + more.count <= Self.bytesMax else { return false }
        if isEmpty { stuckSince = now }
        bytes.append(contentsOf: more)
        return true
    }

    mutating func took(_ count: Int, now: Int64) {
        guard count > 0 else { return }
        start += count
        stuckSince = isEmpty ? nil : now
        guard isEmpty else { return }
        bytes.removeAll(keepingCapacity: bytes.capacity <= Self.keptBytesMax)
        start = 0
    }

    mutating func removeAll() {
        bytes.removeAll()
        start = 0
        stuckSince = nil
    }
}
