import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StoreSinks
import TapeCodec
import TestSupport
import Testing

@testable import StoreWriter

@Suite("Bars in large batches: new ones, next versions, and old ones once more")
struct KeyedRowTests {
    private static let bars = 1_200
    private let watermark = Timestamp(nanoseconds: 0)

    private func bar(_ number: Int, _ price: Int64, _ reason: BarReason) -> Bar {
        let open = 1_700_000_000_000_000_000 + Int64(number) * 1_000_000_000
        var bar = Bar(from: open)
        bar.open = Price(raw: price)
        bar.reason = reason.rawValue
        return bar
    }

    private func publish(_ bars: [Bar], _ source: inout TestSource) throws {
        for (number, bar) in bars.enumerated() {
            source.append(bar)
            if number % 300 == 299 { try source.publish(watermark: watermark) }
        }
        try source.publish(watermark: watermark)
    }

    @Test("each bar is one row, in its highest version, and the audit counts every one that came")
    func versions() throws {
        let bench = try WriterBench("writer_ky")
        var source = try bench.bars()
        // New bars, with next versions of some of them in the same batch.
        var bars = (0..<Self.bars).map { bar($0, 1, .closed) }
        bars += (0..<60).map { bar($0 * 7, 2, .late) }
        try publish(bars, &source)
        // All of it in one transaction.
        let settings = [
            "WRITER_BATCH_ROWS": "5000", "WRITER_BATCH_WAIT": "1s", "WRITER_QUEUE_ROWS": "50000",
        ]
        var running = try bench.start(settings, isEarly: false)
        let shown = """
            SELECT count(*), count(*) FILTER (WHERE open = 2e-9), sum(replaced), max(revision)
            FROM bars
            """
        try bench.database.expectSoon(shown, "1200|60|60|1260")
        #expect(try running.stop() == .success)
        // All bars once more, as after a rebuild: none is new, and one occurs twice.
        try publish((0..<Self.bars).map { bar($0, 3, .closed) } + [bar(5, 3, .closed)], &source)
        running = try bench.start(settings, isEarly: false)
        try bench.database.expectSoon(shown, "1200|0|1261|2461")
        try bench.database.expect("SELECT count(*) FROM bars WHERE open = 3e-9", "1200")
        #expect(try bench.missing() == "0")
        try Audit.expect("bars_stored", in: bench.database)
        #expect(running.service.metric("sink_writes_total{sink=\"bars\"}") == 1_201)
        let versions = try Audit.check("versions_stored", in: bench.database)
        #expect(versions == "1261|1261|t|", "\(versions)")
        try running.stop()
    }

    @Test("keys are known to differ until one comes again")
    func keys() {
        var keys = MergeKeys()
        var random = SeededRandom(seed: 1)
        var all = (0..<5_000).map { _ in random.next() }
        all += [0]
        for key in all { keys.insert(key) }
        #expect(keys.areUnique)
        keys.insert(all[2_500])
        #expect(!keys.areUnique)
        var zeros = MergeKeys()
        zeros.insert(0)
        zeros.insert(0)
        #expect(!zeros.areUnique)
    }
}
