import MarketModel
import Primitives
import TapeCodec
import Testing

@testable import HotState

@Suite("How far lanes are in Valkey")
struct HotLanesTests {
    private static let second: Int64 = 1_000_000_000

    /// Adds a packet with a trade of each of these symbols.
    private func add(
        _ symbols: [String], at sequence: UInt64, ordinal: UInt64, created: Int64 = 5,
        to table: inout HotTable
    ) throws {
        var packet = try SamplePacket()
        packet.firstOrdinal = ordinal
        for symbol in symbols { packet.trade(try packet.symbol(symbol), 1) }
        packet.add(to: &table, sequence: sequence, created: created)
    }

    /// Takes values and lanes as a round trip does, which Valkey carries out. Returns the run of
    /// the lane that it wrote.
    private func roundTrip(
        _ table: inout HotTable, atMost limit: Int = 2_048, seconds: Int64 = 0
    ) -> [UInt64]? {
        var batch = HotBatch()
        let now = MonotonicTime.at(seconds * Self.second)
        table.take(atMost: limit, now: now, heardAfter: .distantPast, into: &batch)
        table.takeLanes(now: now, heardAfter: .distantPast, into: &batch)
        let run = batch.lanes.first.flatMap { table.lanes.values.value($0) }.map {
            [$0.record.from, $0.origin.ordinal]
        }
        table.releaseLanes()
        return run
    }

    /// Returns the run that is written when everything is in Valkey.
    private func settled(_ table: inout HotTable, seconds: Int64) -> [UInt64]? {
        let first = roundTrip(&table, seconds: seconds)
        return roundTrip(&table, seconds: seconds) ?? first
    }

    @Test("a run begins again after a hole and with a new stream, and not at a packet that repeats")
    func holes() throws {
        var table = HotTable(symbolsMax: 16)
        try add(["A", "B"], at: 1, ordinal: 100, to: &table)
        try add(["A"], at: 2, ordinal: 102, to: &table)
        #expect(settled(&table, seconds: 1) == [100, 102])
        try add(["A", "B"], at: 1, ordinal: 100, to: &table)
        try add(["A"], at: 2, ordinal: 102, to: &table)
        try add(["A"], at: 3, ordinal: 103, to: &table)
        #expect(settled(&table, seconds: 2) == [100, 103])
        try add(["A"], at: 5, ordinal: 105, to: &table)
        try add(["A"], at: 4, ordinal: 104, to: &table)
        #expect(settled(&table, seconds: 3) == [105, 105])
        try add(["A"], at: 1, ordinal: 106, created: 6, to: &table)
        #expect(settled(&table, seconds: 4) == [106, 106])
    }

    @Test("a run ends with a packet that is damaged")
    func damaged() throws {
        var table = HotTable(symbolsMax: 16)
        try add(["A"], at: 1, ordinal: 1, to: &table)
        var packet = try SamplePacket()
        packet.trade(try packet.symbol("A"), 1)
        let sealed = packet.builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: 2, watermark: .undefined, sendTime: .undefined))
        var bytes = sealed.withBytes { $0.array }
        bytes.removeLast(4)
        let origin = HotOrigin(
            source: sealed.header.source,
            order: HotOrder(streamCreated: Timestamp(nanoseconds: 5), sequence: 2),
            receivedAt: .at(0), stored: .undefined)
        bytes.withRawSpan { table.add($0, origin) }
        #expect(settled(&table, seconds: 1) == [3, 2])
        try add(["A"], at: 3, ordinal: 3, to: &table)
        #expect(settled(&table, seconds: 2) == [3, 3])
    }

    @Test("a name that is evicted ends all runs: its value may have waited")
    func evictions() throws {
        var table = HotTable(symbolsMax: 2)
        try add(["A", "B"], at: 1, ordinal: 1, to: &table)
        #expect(settled(&table, seconds: 1) == [1, 2])
        try add(["C"], at: 2, ordinal: 3, to: &table)
        #expect(settled(&table, seconds: 2) == [4, 3])
        try add(["C"], at: 3, ordinal: 4, to: &table)
        #expect(settled(&table, seconds: 3) == [4, 4])
    }

    @Test("lanes follow their values also where new ones come all the time")
    func always() throws {
        var table = HotTable(symbolsMax: 1_000)
        var runs: [[UInt64]] = []
        for number: UInt64 in 0..<20 {
            // Four come and four are taken, while four others wait.
            let count: UInt64 = number == 0 ? 8 : 4
            try add(
                (0..<count).map { "S\(number)-\($0)" }, at: number + 1,
                ordinal: number == 0 ? 1 : 5 + number * 4, to: &table)
            if let run = roundTrip(&table, atMost: 4, seconds: Int64(number)) { runs.append(run) }
            let waiting = UInt64(table.trades.pendingCount)
            // What is written is in Valkey: what was heard, less what waits.
            #expect(runs.last.map { $0[1] <= 8 + number * 4 - waiting } ?? true)
        }
        #expect(runs.count >= 2)
    }

    @Test("what is refused is written after its values, and refused lanes a minute later")
    func refused() throws {
        var table = HotTable(symbolsMax: 16)
        try add(["A"], at: 1, ordinal: 1, to: &table)
        var batch = HotBatch()
        table.take(atMost: 8, now: .at(0), heardAfter: .distantPast, into: &batch)
        table.takeLanes(now: .at(0), heardAfter: .distantPast, into: &batch)
        table.putBack(.trade, batch.trades[...])
        table.lanes.repeatAll()
        #expect(table.lanes.values.pendingCount == 0)
        #expect(settled(&table, seconds: 1) == [1, 1])
        try add(["A"], at: 2, ordinal: 2, to: &table)
        table.lanes.refuse(.at(Self.second))
        #expect(settled(&table, seconds: 60) == nil)
        #expect(!table.lanes.isDue(.at(60 * Self.second)))
        #expect(table.lanes.isDue(.at(61 * Self.second)))
        #expect(settled(&table, seconds: 61) == [1, 2])
        let wasRefused = table.lanes.accept()
        #expect(wasRefused)
    }

    @Test("at the end nothing waits for the next time")
    func end() throws {
        var table = HotTable(symbolsMax: 16)
        try add(["A"], at: 1, ordinal: 1, to: &table)
        #expect(settled(&table, seconds: 1) == [1, 1])
        try add(["A"], at: 2, ordinal: 2, to: &table)
        #expect(settled(&table, seconds: 1) == nil)
        table.lanes.finish()
        #expect(settled(&table, seconds: 1) == [1, 2])
        #expect(!table.lanes.isDue(.at(Self.second)))
    }
}
