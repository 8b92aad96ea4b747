import MarketModel
import OperatorGraph
import Primitives
import ServiceTestSupport
import StreamCore
import TapeCodec
import Testing

@testable import OperatorWorker

/// Bars of a second, and their counts as values, in a lane.
private struct LineBench {
    var bench: LaneBench

    /// `publishFrom`: in a new line of output, that of `CheckpointInput`; `nil` for the first line.
    init(
        publishFrom: Timestamp? = nil, firstOrdinal: UInt64 = 1, barsMax: Int = 1_000,
        hasValues: Bool = true
    ) throws {
        let rule = BarRule(series: try BarSeriesSet(["1s"]))
        let bars = GraphNode(
            name: "bars", input: .ticks(.trade), operation: .bars(rule, calendar: nil))
        let stats = GraphNode(
            name: "stats", input: .ticks(.trade),
            operation: .aggregate(AggregateRule(bars: rule, functions: [.count]), calendar: nil))
        bench = try LaneBench(
            GraphDefinition(name: "values", nodes: hasValues ? [bars, stats] : [bars]),
            barsMax: barsMax)
        if let publishFrom {
            bench.begin(bench.newLine(publishFrom: publishFrom, endsRequest: true))
            bench.publish()
        }
        bench.core.stored()
        bench.ordinals["test"] = firstOrdinal
    }

    var core: PartitionOperator {
        get { bench.core }
        set { bench.core = newValue }
    }

    var lane: SimulatedLane { bench.lane }

    mutating func take(_ tenths: [Int64], watermark: Int64) throws {
        try bench.take(tenths, watermark: watermark)
    }

    @discardableResult
    mutating func publish() -> [Int64] { bench.publish() }

    /// The published outputs, each by its kind and the tenth at which its window opens.
    var published: [String] {
        bench.published.map { output in
            switch output {
            case .bar(let bar, _, _):
                let isPartial = bar.flags.contains(.partial)
                return "\(isPartial ? "partial" : "bar") \(LaneBench.tenth(bar.openTime))"
            case .late(let late, _, _): return "late \(LaneBench.tenth(late.openTime))"
            case .value(let value, _): return "value \(LaneBench.tenth(value.periodStart))"
            }
        }
    }
}

@Suite("The output of one partition in a lane")
struct PartitionOutputTests {
    @Test("A window that opens at the first tick of a tape without its start is not whole")
    func tapeStart() throws {
        // The window of the first tick may lack ticks of the same time.
        var first = try LineBench(firstOrdinal: 1_000)
        try first.take([0, 5, 12], watermark: 100)
        first.publish()
        #expect(first.published == ["partial 0", "bar 10", "value 0", "value 10"])
        var later = try LineBench(publishFrom: SourceTable.noWatermark, firstOrdinal: 1_000)
        try later.take([0, 5, 12], watermark: 100)
        later.publish()
        #expect(later.published == ["bar 10", "value 10"] && later.core.unpublished == 2)
    }

    @Test("The first output alone fills a packet, which states the input that it ends")
    func onePerPacket() throws {
        var bench = try LineBench(barsMax: 1, hasValues: false)
        try bench.take([0], watermark: 100)
        try bench.take([110], watermark: 300)
        bench.publish()
        #expect(bench.published.count == 2, "\(bench.published)")
        #expect(bench.bench.bars.packets.compactMap { $0.output?.input.sequence } == [1, 2])
    }

    @Test("A new line leaves out earlier values as it does bars, but not days and repairs")
    func publishFrom() throws {
        var bench = try LineBench(publishFrom: LaneBench.time(20))
        try bench.take([0, 10, 20, 30], watermark: 100)
        bench.publish()
        #expect(bench.published == ["bar 20", "bar 30", "value 20", "value 30"])
        #expect(bench.core.unpublished == 4)
        var value = GraphValue(
            symbol: TickHeader.noSymbol, name: "n", value: 1,
            periodStart: LaneBench.time(-864_000), periodEnd: LaneBench.time(0),
            reason: BarReason.closed.rawValue)
        bench.core.output.values = [value]
        bench.core.keepOutput(isHidden: false)
        #expect(bench.core.isEmpty && bench.core.unpublished == 5)
        bench.core.output.values = [value]
        bench.core.keepOutput(isHidden: false, isRepair: true)
        #expect(bench.core.outbox.count == 1)
        value.isPassedOn = true
        bench.core.output.values = [value]
        bench.core.keepOutput(isHidden: false)
        #expect(bench.core.outbox.count == 2 && bench.core.unpublished == 5)
    }

    @Test("A packet is as old as the oldest window whose first bar it brings")
    func windowEnds() throws {
        var bench = try LineBench()
        try bench.take([0, 12, 25], watermark: 29)
        #expect(bench.publish() == [10])
        // While a packet is in flight, the next one is filled.
        try bench.take([35], watermark: 39)
        bench.core.pump(bench.lane, now: .at(0))
        try bench.take([45, 55], watermark: 60)
        #expect(bench.publish() == [30, 40])
    }

    @Test("Only the first bar of a window says how old its packet is")
    func laterVersions() {
        var ends = WindowEnds()
        let bar = { (close: Int64, reason: BarReason) in
            var bar = Bar(
                symbol: 0, series: 0, openTime: LaneBench.time(close - 10),
                closeTime: LaneBench.time(close))
            bar.reason = reason.rawValue
            return bar
        }
        ends.packed(bar(10, .late))
        ends.packed(bar(30, .closed))
        ends.packed(bar(20, .repair))
        ends.sent()
        ends.packed(bar(40, .closed))
        #expect(ends.acknowledged() == LaneBench.time(30))
        #expect(ends.acknowledged() == nil)
        ends.sent()
        #expect(ends.acknowledged() == LaneBench.time(40))
        ends.packed(bar(50, .gap))
        ends.sent()
        #expect(ends.acknowledged() == nil)
    }

    @Test("A partition that stopped because no packet can hold a value may begin again")
    func refused() throws {
        var bench = try LineBench()
        bench.lane.refusesValues = true
        try bench.take([0, 5], watermark: 100)
        #expect(!bench.core.mayLeave)
        bench.publish()
        #expect(bench.core.stopped?.contains("cannot be published") == true)
        #expect(bench.published == ["bar 0"] && bench.lane.isIdle)
        #expect(!bench.core.isEmpty && bench.core.mayLeave)
    }

    @Test("A partition that is handed over in a repair stores the days that remain")
    func repair() throws {
        var bench = try LineBench()
        try bench.take([0, 5], watermark: 40 * 864_000)
        bench.publish()
        let position = try #require(bench.core.position)
        let range = DirtyRange(
            symbol: 0, from: LaneBench.start,
            to: LaneBench.start + 2 * RepairAgenda.dayNanoseconds,
            reason: BarReason.repair.rawValue)
        bench.core.requestRepair(RepairAgenda([range], at: position, isHidden: false))
        // In the first day the state cannot be stored, so the hand-over waits for nothing.
        bench.core.beginRepair()
        bench.core.dropReading()
        #expect(bench.core.isAtRest && !bench.core.isStorable)
        bench.core.beginRepair()
        let needsMore = bench.core.endFirstPass()
        #expect(!needsMore)
        _ = bench.core.finishRepair(published: [])
        bench.publish()
        bench.core.beginRepair()
        #expect(!bench.core.isStorable)
        bench.core.dropReading()
        #expect(bench.core.isStorable && !bench.core.isAtRest)
        let image = try bench.core.checkpoint(now: .at(1), isLast: true)
        #expect(image?.sequence == position.sequence && bench.core.isAtRest)
    }
}
