import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import Synchronization
import TapeCodec
import TestSupport
import Testing

@testable import HotState

@Suite("The queue between the reader of the tape and the hot state")
struct HotQueueTests {
    private let metrics = MetricRegistry()

    private func header() throws -> PacketHeader {
        PacketHeader(
            kind: .ticks, partition: Partition(0), source: try #require(SourceName("test")),
            epoch: 1, firstOrdinal: 1, watermark: .undefined, sendTime: .undefined)
    }

    private func offer(_ queue: HotQueue, _ numbers: Range<Int>, bytes: Int = 10) throws {
        let header = try header()
        for number in numbers {
            let message = try NatsMessage(
                subject: "\(number)", payload: Array(repeating: 0, count: bytes))
            queue.offer(message, header, streamCreated: .undefined, now: .distantPast)
        }
    }

    private func take(_ queue: HotQueue) -> [Int] {
        var packets: [HotQueue.Waiting?] = []
        #expect(queue.take(into: &packets, waiting: .zero, collecting: false))
        return packets.compactMap { $0.flatMap { Int($0.message.subject) } }
    }

    @Test("beyond the most packets the oldest are left out and counted; the order stays")
    func packets() throws {
        let queue = HotQueue(metrics, life: .seconds(300))
        let more = 3 * HotQueue.packetsMax + 7
        try offer(queue, 0..<more)
        #expect(queue.count == HotQueue.packetsMax)
        #expect(take(queue) == Array(more - HotQueue.packetsMax..<more))
        #expect(leftOut == UInt64(more - HotQueue.packetsMax))
        #expect(queue.count == 0)
        try offer(queue, 0..<3)
        #expect(take(queue) == [0, 1, 2])
    }

    @Test("beyond the most bytes the oldest are left out; one packet always has room")
    func bytes() throws {
        let queue = HotQueue(metrics, life: .seconds(300))
        try offer(queue, 0..<10, bytes: HotQueue.bytesMax / 4)
        #expect(take(queue) == [6, 7, 8, 9])
        try offer(queue, 0..<2, bytes: HotQueue.bytesMax + 1)
        #expect(take(queue) == [1])
        #expect(leftOut == 7)
    }

    @Test("a packet ends the wait, except while packets are collected")
    func waits() throws {
        let queue = HotQueue(metrics, life: .seconds(300))
        let taken = Mutex<[Int]>([])
        let thread = try ServiceThread(name: "keeper") {
            var packets: [HotQueue.Waiting?] = []
            _ = queue.take(into: &packets, waiting: .seconds(60), collecting: false)
            taken.withLock { $0 = packets.compactMap { $0.flatMap { Int($0.message.subject) } } }
        }
        // Before that the packet would be found without a wait.
        #expect(eventually { queue.isAwaited })
        try offer(queue, 5..<6)
        #expect(thread.join(timeout: .seconds(30)))
        #expect(taken.withLock { $0 } == [5])
        let clock = SystemClock()
        let start = clock.monotonic()
        try offer(queue, 6..<7)
        var packets: [HotQueue.Waiting?] = []
        #expect(queue.take(into: &packets, waiting: .milliseconds(5), collecting: true))
        #expect(packets.count == 1 && clock.monotonic() - start >= 5_000_000)
    }

    @Test("closing ends the wait; what waits then is taken, and it was the last")
    func closes() throws {
        let queue = HotQueue(metrics, life: .seconds(300))
        let mayCome = Mutex(true)
        let thread = try ServiceThread(name: "keeper") {
            var packets: [HotQueue.Waiting?] = []
            let more = queue.take(into: &packets, waiting: .seconds(60), collecting: false)
            mayCome.withLock { $0 = more }
        }
        #expect(eventually { queue.isAwaited })
        queue.close()
        #expect(thread.join(timeout: .seconds(30)))
        #expect(!mayCome.withLock { $0 })
        try offer(queue, 5..<7)
        var packets: [HotQueue.Waiting?] = []
        #expect(!queue.take(into: &packets, waiting: .seconds(60), collecting: false))
        #expect(packets.count == 2)
    }

    private var leftOut: UInt64 {
        metrics.counter("mds_hot_state_left_out_total", "").value
    }
}
