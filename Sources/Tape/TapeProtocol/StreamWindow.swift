package import Primitives

/// How many packets of one source a stream gets at the same time. More than the stream writes at
/// once only wait in the server, while the ticks that come meanwhile cannot join them any more.
///
/// The answers show how many packets wait there. Of `size` packets in flight, `mean - shortest` of
/// the mean time to an answer is waiting, so `size * (mean - shortest) / mean` packets wait. The
/// window grows while it delays packets and less than `waitingMin` wait, as on a stream with three
/// copies, which writes several packets together. It shrinks while more than `waitingMax` wait.
/// Several gateways that share a disk each keep so few packets in its queue.
package struct StreamWindow: Sendable {
    /// The packets in the server's queue between which the window stays as it is.
    private static let waitingMin: Int64 = 1
    private static let waitingMax: Int64 = 2
    /// For how long the shortest time to an answer is remembered, at least; at most twice as long.
    /// Later the disk may be another one.
    private static let memoryNanoseconds: Int64 = 10_000_000_000

    /// The most packets in flight.
    package private(set) var size: Int
    private let sizeMax: Int
    /// The answers since the window was last adjusted: their number, and the sum of their times.
    private var answers: Int64 = 0
    private var sum: Int64 = 0
    /// Whether the window has delayed a packet since then.
    private var hasDelayed = false
    /// The shortest times to an answer, of the present span of memory and of the one before.
    private var shortest = Int64.max
    private var shortestBefore = Int64.max
    private var spanBegan = MonotonicTime.distantPast

    /// `lanes` is the number of the stream's lanes. Each has at most one packet in flight.
    package init(lanes: Int) {
        sizeMax = lanes
        size = min(2, lanes)
    }

    /// Notes that a packet waits because the window is full.
    package mutating func delayed() { hasDelayed = true }

    /// Notes an answer, `nanoseconds` after the packet was sent.
    package mutating func answered(after nanoseconds: Int64, now: MonotonicTime) {
        let nanoseconds = max(1, nanoseconds)
        if now >= spanBegan + Self.memoryNanoseconds {
            let isRecent = now < spanBegan + 2 * Self.memoryNanoseconds
            (shortestBefore, shortest) = (isRecent ? shortest : Int64.max, nanoseconds)
            spanBegan = now
        }
        shortest = min(shortest, nanoseconds)
        sum += nanoseconds
        answers += 1
        guard answers >= size else { return }
        adjust(mean: sum / answers)
        (answers, sum, hasDelayed) = (0, 0, false)
    }

    private mutating func adjust(mean: Int64) {
        let waiting = Int64(size) * (mean - min(shortest, shortestBefore))
        if waiting > Self.waitingMax * mean {
            size = max(1, size - 1)
        } else if hasDelayed, waiting < Self.waitingMin * mean {
            size = min(sizeMax, size + 1)
        }
    }
}
