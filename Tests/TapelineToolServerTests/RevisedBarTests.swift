import Foundation
import MarketModel
import Primitives
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// A provider makes a bar again, before its window closes, within the lateness, and later: through
/// a real tape, the shipped worker, a real writer and a database.
@Suite("A bar that the provider makes again") struct RevisedBarTests {
    private static let second: Int64 = 1_000_000_000
    /// 2023-11-14 22:14:00 UTC.
    private static let start: Int64 = 1_700_000_040 * second
    private static let graph = """
        version: 1
        name: revised-bars

        nodes:
          bars:
            operator: resample
            input: provider_bars
            from: 1m
            series: [{name: own-1m, width: 1m}]
        """

    private static func record(close: Int64, isRevised: Bool) -> ProviderBar {
        let end = Timestamp(nanoseconds: start + 60 * second)
        var bar = ProviderBar(
            header: TickHeader(symbol: 0, providerTime: end, receiveTime: end),
            openTime: Timestamp(nanoseconds: start), closeTime: end, kind: .trades)
        bar.header.receiveTime = end.advanced(byNanoseconds: close)
        (bar.open, bar.high) = (Price(raw: 10 * second), Price(raw: 99 * second))
        (bar.low, bar.close) = (Price(raw: second), Price(raw: close * second))
        (bar.vwap, bar.volume, bar.trades) = (bar.close, 500_000_000, close)
        if isRevised { bar.flags = .revised }
        return bar
    }

    @Test("it changes the bar, or ends in a version with the reason, and the bars are proven")
    func versions() throws {
        let bench = try AcceptBench("revised_bars")
        let folder = try TemporaryFolder("revised-bars")
        let graph = folder.file("graph.yaml")
        try Self.graph.write(toFile: graph, atomically: true, encoding: .utf8)
        let writer = try bench.startWriter()
        let worker = try bench.startWorker(graph)
        try publish(bench, worker)
        #expect(
            try bench.query(
                """
                SELECT version, trunc(close), reason FROM md_market.bar_versions
                WHERE series = 'own-1m' ORDER BY version
                """) == "1|12|closed\n2|13|late\n3|14|bust")
        try expectKnown(bench)
        worker.signal(SIGTERM)
        #expect(worker.waitUntilExit() == 0)
        try writer.stop()
        try bench.expectProvedBars(1, graph: graph)
    }

    /// Publishes the bar four times, and waits for each version.
    private func publish(_ bench: AcceptBench, _ worker: ServerProcess) throws {
        let symbol = try #require(Symbol("AAPL"))
        var source = TestSource(
            bench.tape, bench.tape.names.partition(of: symbol),
            source: try #require(SourceName("alpaca")))
        _ = source.register(
            SymbolDefinition(
                symbol: symbol, provider: "alpaca", since: Timestamp(nanoseconds: Self.start)))
        source.append { $0.append(Self.record(close: 11, isRevised: false)) }
        for (close, watermark) in [(Int64(12), Int64(60)), (13, 66), (14, 90)] {
            source.append { $0.append(Self.record(close: close, isRevised: true)) }
            try source.publish(
                watermark: Timestamp(nanoseconds: Self.start + watermark * Self.second))
            try bench.expect("\(close - 11) \(close)", log: worker.log) {
                try bench.query(
                    """
                    SELECT count(*) || ' ' || max(trunc(close)) FROM md_market.bar_versions
                    WHERE series = 'own-1m'
                    """)
            }
        }
        try source.publish(
            watermark: Timestamp(nanoseconds: Self.start + 7_200 * Self.second))
        try bench.expect("4") { try bench.query("SELECT count(*) FROM provider_bars") }
    }

    /// Expects that what was known before a revision can still be asked for, and that a reader sees
    /// the last one.
    private func expectKnown(_ bench: AcceptBench) throws {
        #expect(
            try bench.query(
                """
                SELECT v.version, trunc(a.close) FROM md_market.bar_versions v,
                    md_market.bars_as_of(v.known_at, '{AAPL}', 'own-1m', '2023-11-14', '2023-11-16')
                        AS a
                WHERE v.series = 'own-1m' AND NOT v.is_standing ORDER BY 1
                """) == "1|12\n2|13")
        #expect(
            try bench.query(
                """
                SELECT trunc(b.close), b.is_revised, (SELECT trunc(c.close)
                    FROM md_market.candles c WHERE c.series = 'own-1m')
                FROM md_market.provider_bars b
                """) == "14|t|14")
        #expect(
            try bench.query(
                "SELECT string_agg(bar_flags::text, ' ' ORDER BY ordinal) FROM provider_bars")
                == "0 4 4 4")
        #expect(try bench.query("SELECT kind, of_ordinal FROM late_ticks") == "provider_bar|4")
    }
}
