import Primitives
import StreamCore
import Testing

@Suite("How far all partitions have come")
struct PartitionClocksTests {
    private func time(_ nanoseconds: Int64) -> Timestamp { Timestamp(nanoseconds: nanoseconds) }

    private func hear(
        _ clocks: inout PartitionClocks, _ watermark: Timestamp, _ partition: Int
    ) -> Bool {
        clocks.hear(watermark, of: partition)
    }

    @Test("it is the least of what they told, once all of them did")
    func least() {
        var clocks = PartitionClocks(partitions: 3)
        #expect(!hear(&clocks, time(50), 0))
        #expect(!hear(&clocks, time(40), 1))
        #expect(clocks.watermark == SourceTable.noWatermark)
        #expect(hear(&clocks, time(60), 2))
        #expect(clocks.watermark == time(40))
        #expect(hear(&clocks, time(55), 1))
        #expect(clocks.watermark == time(50))
    }

    @Test("what goes back, is undefined or of no partition changes nothing")
    func nothing() {
        var clocks = PartitionClocks(partitions: 1)
        #expect(hear(&clocks, time(50), 0))
        #expect(!hear(&clocks, time(49), 0))
        #expect(!hear(&clocks, .undefined, 0))
        #expect(!hear(&clocks, SourceTable.noWatermark, 0))
        #expect(!hear(&clocks, time(99), 1))
        #expect(!hear(&clocks, time(99), -1))
        #expect(clocks.watermark == time(50))
    }

    @Test("one that never told anything, or stands still, holds the others")
    func standing() {
        var clocks = PartitionClocks(partitions: 2)
        let day: Int64 = 86_400_000_000_000
        #expect(!hear(&clocks, time(100 * day), 0))
        #expect(hear(&clocks, time(90), 1))
        #expect(!hear(&clocks, time(200 * day), 0))
        #expect(clocks.watermark == time(90))
    }

    @Test("when nobody is waited for the farthest counts, and all are waited for again")
    func passed() {
        var clocks = PartitionClocks(partitions: 2)
        #expect(!hear(&clocks, time(100), 0))
        let isPassed = clocks.hear(time(200), of: 0, waits: false)
        #expect(isPassed)
        #expect(clocks.watermark == time(200))
        #expect(!hear(&clocks, time(150), 1))
        #expect(!hear(&clocks, time(300), 0))
        #expect(hear(&clocks, time(250), 1))
        #expect(clocks.watermark == time(250))
    }

    @Test("times at the ends of what there is do not trap")
    func extremes() {
        var clocks = PartitionClocks(partitions: 2)
        _ = clocks.hear(time(Int64.min + 1), of: 0)
        _ = clocks.hear(time(Int64.min + 1), of: 1)
        _ = clocks.hear(time(Int64.max - 1), of: 0)
        #expect(clocks.watermark == time(Int64.min + 1))
    }
}
