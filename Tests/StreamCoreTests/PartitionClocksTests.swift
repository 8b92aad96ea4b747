import Primitives
import StreamCore
import Testing

@Suite("How far all partitions have come")
struct PartitionClocksTests {
    private func time(_ nanoseconds: Int64) -> Timestamp { Timestamp(nanoseconds: nanoseconds) }

    private func receive(
        _ clocks: inout PartitionClocks, _ watermark: Timestamp, _ partition: Int
    ) -> Bool {
        clocks.receive(watermark, of: partition)
    }

    @Test("it is the least of what they told, once all of them did")
    func least() {
        var clocks = PartitionClocks(partitions: 3)
        #expect(!receive(&clocks, time(50), 0))
        #expect(!receive(&clocks, time(40), 1))
        #expect(clocks.watermark == SourceTable.noWatermark)
        #expect(receive(&clocks, time(60), 2))
        #expect(clocks.watermark == time(40))
        #expect(receive(&clocks, time(55), 1))
        #expect(clocks.watermark == time(50))
    }

    @Test("what goes back, is undefined or of no partition changes nothing")
    func nothing() {
        var clocks = PartitionClocks(partitions: 1)
        #expect(receive(&clocks, time(50), 0))
        #expect(!receive(&clocks, time(49), 0))
        #expect(!receive(&clocks, .undefined, 0))
        #expect(!receive(&clocks, SourceTable.noWatermark, 0))
        #expect(!receive(&clocks, time(99), 1))
        #expect(!receive(&clocks, time(99), -1))
        #expect(clocks.watermark == time(50))
    }

    @Test("one that never told anything, or stands still, holds the others")
    func published() {
        var clocks = PartitionClocks(partitions: 2)
        let day: Int64 = 86_400_000_000_000
        #expect(!receive(&clocks, time(100 * day), 0))
        #expect(receive(&clocks, time(90), 1))
        #expect(!receive(&clocks, time(200 * day), 0))
        #expect(clocks.watermark == time(90))
    }

    @Test("those that stand are left out, and waited for again when they have come up")
    func passed() {
        var clocks = PartitionClocks(partitions: 4)
        for (partition, at) in [100, 110, 190, 300].enumerated() {
            _ = receive(&clocks, time(Int64(at)), partition)
        }
        #expect(clocks.watermark == time(100))
        let hasMoved = clocks.leaveOutSlowest()
        #expect(hasMoved)
        #expect(clocks.leftOut == [0, 1, 2])
        #expect(clocks.watermark == time(300))
        #expect(!receive(&clocks, time(299), 0))
        #expect(clocks.leftOut == [0, 1, 2])
        #expect(!receive(&clocks, time(350), 2))
        #expect(clocks.leftOut == [0, 1])
        #expect(receive(&clocks, time(400), 3))
        #expect(clocks.watermark == time(350))
        #expect(!receive(&clocks, time(350), 0))
        #expect(!receive(&clocks, time(360), 2))
        #expect(clocks.leftOut == [1])
        #expect(clocks.watermark == time(350))
    }

    @Test("nobody is left out when no other one is ahead")
    func nobodyLeftOut() {
        var clocks = PartitionClocks(partitions: 2)
        _ = receive(&clocks, time(100), 0)
        _ = receive(&clocks, time(100), 1)
        let hasMoved = clocks.leaveOutSlowest()
        #expect(!hasMoved)
        #expect(clocks.leftOut.isEmpty)
    }

    @Test("times at the ends of what there is do not trap")
    func extremes() {
        var clocks = PartitionClocks(partitions: 2)
        _ = clocks.receive(time(Int64.min + 1), of: 0)
        _ = clocks.receive(time(Int64.min + 1), of: 1)
        _ = clocks.receive(time(Int64.max - 1), of: 0)
        #expect(clocks.watermark == time(Int64.min + 1))
        let hasMoved = clocks.leaveOutSlowest()
        #expect(hasMoved)
        #expect(clocks.watermark == time(Int64.max - 1))
    }
}
