internal import Primitives

/// The bytes that the socket has not accepted yet. `ServerLink` treats a server that accepts none
/// of them for some time as lost.
struct SendBuffer {
    /// The most bytes that wait: some thousand requests. Pacing lets 45 leave per second.
    static let bytesMax = 1 << 20
    /// An empty buffer that has grown beyond this is freed. Of any other one, so many sent bytes
    /// are kept, or as many as wait.
    private static let keptBytesMax = 64 * 1_024

    /// The bytes that wait, after some that were sent.
    private(set) var bytes: [UInt8] = []
    /// The index of the first byte that was not sent.
    private(set) var start = 0
    /// Since when bytes wait and none was accepted, monotonic; `nil` when nothing waits.
    private(set) var stuckSince: MonotonicTime?

    /// Nothing waits.
    var isEmpty: Bool { start == bytes.count }

    /// Appends bytes. Returns false, and appends nothing, when the buffer would hold more than
    /// `bytesMax`.
    mutating func append(_ more: [UInt8], now: MonotonicTime) -> Bool {
        guard !more.isEmpty else { return true }
        guard bytes.count - start + more.count <= Self.bytesMax else { return false }
        if isEmpty { stuckSince = now }
        bytes.append(contentsOf: more)
        return true
    }

    /// Notes that the socket has accepted so many bytes.
    mutating func noteSent(_ count: Int, now: MonotonicTime) {
        guard count > 0 else { return }
        start += count
        stuckSince = isEmpty ? nil : now
        if isEmpty {
            bytes.removeAll(keepingCapacity: bytes.capacity <= Self.keptBytesMax)
            start = 0
        } else if start >= Self.keptBytesMax, start >= bytes.count - start {
            // A peer may read for ever without reading everything. No more bytes are moved than
            // were sent, so the moves cost little.
            bytes.removeFirst(start)
            start = 0
        }
    }

    mutating func removeAll() {
        bytes.removeAll()
        start = 0
        stuckSince = nil
    }
}
