import MarketModel
import Primitives
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

@Suite("What was loaded into a source before")
struct LoadJournalTests {
    private static func time(_ hours: Int64) -> Timestamp {
        Timestamp(nanoseconds: hours * 3_600_000_000_000)
    }

    private func decision(
        _ bench: TailBench, _ source: SourceName, from hours: Int64, bars: String = ""
    ) throws -> LoadDecision {
        let wanted = LoadRange(
            [try #require(Symbol("SPY"))], (Self.time(hours), Self.time(hours + 1)), bars: bars,
            by: "anna@desk", at: Self.time(0))
        return try LoadJournal(deployment: bench.deployment, source: source, wanted: wanted)
            .decision()
    }

    @Test("a load that nobody noted is found by the watermark of its ticks")
    func reached() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "load_reached")
        let source = try #require(SourceName("coins-history"))
        #expect(try decision(bench, source, from: 1) == .begin)
        var ticks = try bench.source(1, ["SPY"], name: source.text)
        ticks.append(TailBench.trade(0, 1))
        try ticks.publish(watermark: Self.time(5))
        #expect(try decision(bench, source, from: 5) == .begin)
        guard case .refused(let text) = try decision(bench, source, from: 4) else {
            Issue.record("a range that would lack its beginning is not refused")
            return
        }
        #expect(text.contains("begin at 1970-01-01T05:00:00Z"))
    }

    @Test("the idle watermarks of a source count too")
    func idle() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "load_idle")
        let source = try #require(SourceName("coins-history"))
        var marks = TestSource(bench.tape, Partition(2), source: source, kind: .watermark)
        marks.epoch = 3
        try TestSource.put(
            marks.seal(watermark: Self.time(5)).bytes,
            on: bench.tape.names.watermarks(stream: 2, source), of: bench.tape)
        #expect(try decision(bench, source, from: 5, bars: "1d") == .begin)
        #expect(try decision(bench, source, from: 4, bars: "1d") != .begin)
    }
}
