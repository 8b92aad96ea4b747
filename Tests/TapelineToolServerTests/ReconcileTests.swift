import Primitives
import ServiceRuntime
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// The volume of a day beside the provider's, in a real database.
@Suite("tapeline reconcile", .serialized) struct ReconcileTests {
    private static let day = "2023-11-14"

    /// Adds a bar of the provider, of trades.
    private func provide(
        _ scene: ProveBench, _ from: String, _ to: String, _ volume: String, flags: Int = 0
    ) throws {
        _ = try scene.bench.query(
            """
            SELECT make_time_partition('provider_bars', '\(from)');
            INSERT INTO provider_bars (ts, event_time_ns, symbol, made_of, open_time, open_time_ns,
                volume, bar_flags, receive_time, receive_time_ns, source, partition, epoch, ordinal)
            VALUES ('\(to)', 0, 'AAPL', 'trades', '\(from)', 0, \(volume), \(flags), now(), 0,
                'test0', 0, 1, (SELECT count(*) + 1000 FROM provider_bars))
            """)
    }

    private func day(_ scene: ProveBench, _ volume: String) throws -> (ExitCode, JSONValue) {
        _ = try scene.bench.query("DELETE FROM provider_bars WHERE ts = '2023-11-15'")
        try provide(scene, "2023-11-14", "2023-11-15", volume)
        return try reconcile(scene)
    }

    private func reconcile(_ scene: ProveBench) throws -> (ExitCode, JSONValue) {
        let said = try scene.tapeline(["reconcile", "--day", Self.day, "--json"])
        return (said.code, try said.json()["days"]?.array?.first ?? .null)
    }

    @Test("equal, explained by kind, in lots, with a gap, and not explained at all")
    func verdicts() throws {
        let scene = try ProveBench.mended("reconciled")
        #expect(try reconcile(scene).0 == .incomplete)
        // 400 trades of 0.03, a late one of 0.07, and one of them cancelled.
        let counted = "12.04"
        let (found, equal) = try day(scene, counted)
        #expect(found == .success && equal["verdict"]?.string == "equal", "\(equal)")
        #expect(equal["volume"]?.string == counted)
        // 0.1 % less is found, and a looser tolerance lets it pass.
        #expect(try day(scene, "12.02796").1["verdict"]?.string == "differs")
        #expect(
            try scene.tapeline(["reconcile", "--day", Self.day, "--tolerance", "1100"]).code
                == .success)

        let late = try day(scene, "11.97")
        #expect(late.0 == .success && late.1["verdict"]?.string == "explained", "\(late.1)")
        #expect(late.1["explanation"]?["late"]?.string == "0.07")
        let cancelled = try day(scene, "12.07").1
        #expect(cancelled["explanation"]?["cancelled"]?.string == "-0.03", "\(cancelled)")
        let lots = try day(scene, "1204")
        #expect(lots.0 == .failure && lots.1["verdict"]?.string == "lots", "\(lots.1)")

        _ = try scene.bench.query(
            """
            INSERT INTO gaps (sink, input, partition, source, reason, symbol, kind, from_time,
                to_time, state, receive_time, epoch, ordinal)
            VALUES ('store', 'ticks', 0, 'test0', 'disconnected', 'AAPL', 'trade',
                '2023-11-14 22:20:00Z', '2023-11-14 22:20:10Z', 'abandoned', now(), 1, 9000)
            """)
        let gap = try day(scene, "20")
        #expect(gap.0 == .incomplete && gap.1["verdict"]?.string == "gap", "\(gap.1)")
        // The provider's shorter bars tell what the gap has.
        try provide(scene, "2023-11-14 22:20:00Z", "2023-11-14 22:20:05Z", "5")
        try provide(scene, "2023-11-14 22:20:05Z", "2023-11-14 22:20:10Z", "2.96")
        let known = try day(scene, "20")
        #expect(known.0 == .success && known.1["verdict"]?.string == "explained", "\(known.1)")
        #expect(known.1["explanation"]?["gaps"]?.string == "-7.96")

        let said = try scene.tapeline(["reconcile", "--day", Self.day, "AAPL", "MSFT"])
        #expect(said.code == .incomplete)
        let lines = said.lines.map {
            $0.split(separator: " ").joined(separator: " ")
        }
        #expect(
            lines == [
                "SYMBOL SOURCE BARS PROVIDER OURS DIFFERENCE VERDICT",
                "AAPL test0 1 20 12.04 -7.96 explained: gaps -7.96",
                "MSFT: its provider sent no bar of that day",
            ])
    }
}
