import Primitives
import StreamCore
import Testing

@Suite("How far all partitions have come")
struct PartitionClocksTests {
    private static let hold = PartitionClocks.holdNanosecondsMax

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

    @Test("a partition that never told anything holds the others for an hour, and no longer")
    func silent() {
        var clocks = PartitionClocks(partitions: 2)
        #expect(!hear(&clocks, time(100), 0))
        #expect(!hear(&clocks, time(100 + Self.hold), 0))
        #expect(hear(&clocks, time(101 + Self.hold), 0))
        #expect(clocks.watermark == time(101))
        #expect(!hear(&clocks, time(90), 1))
        #expect(hear(&clocks, time(500), 1))
        #expect(clocks.watermark == time(500))
    }

    @Test("one that stands still holds them for an hour, too")
    func standing() {
        var clocks = PartitionClocks(partitions: 2)
        #expect(!hear(&clocks, time(100), 0))
        #expect(hear(&clocks, time(100), 1))
        #expect(!hear(&clocks, time(100 + Self.hold), 1))
        #expect(hear(&clocks, time(130 + Self.hold), 1))
        #expect(clocks.watermark == time(130))
    }

    @Test("times at the ends of what there is do not trap")
    func extremes() {
        var clocks = PartitionClocks(partitions: 2)
        _ = clocks.hear(time(Int64.min + 1), of: 0)
        _ = clocks.hear(time(Int64.min + 1), of: 1)
        _ = clocks.hear(time(Int64.max - 1), of: 0)
        #expect(clocks.watermark == time(Int64.max - 1 - Self.hold))
    }
}
