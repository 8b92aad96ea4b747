import Foundation
import MarketModel
import ServiceRuntime
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// Rows of a stored day that are changed by hand, and the commands that find it. The table in
/// docs/bars.md says the same.
@Suite("What finds which damage", .serialized) struct CorruptionTests {
    private struct Damage {
        let name: String
        let sql: String
        /// A time in the bar that `explain` is asked about.
        var time = "2023-11-14T22:13:52.5Z"
    }

    private static let trade = "trade_rows WHERE ordinal = 131 AND source = 'test0'"
    private static let bar = "series = '1s' AND ts = '2023-11-14 22:13:52Z'"

    /// The trade with the ordinal 131 is of the second 22:13:52, after the record of a gap.
    private static let damages = [
        Damage(name: "no damage", sql: "SELECT 1"),
        Damage(name: "a trade's row deleted", sql: "DELETE FROM \(trade)"),
        Damage(name: "a trade's row doubled", sql: "INSERT INTO trade_rows SELECT * FROM \(trade)"),
        Damage(
            name: "a price + 1e-9",
            sql: "UPDATE trade_rows SET price = price + 0.000000001 WHERE ordinal = 131"),
        Damage(
            name: "a size + 1e-8",
            sql: "UPDATE trade_rows SET size = size + 0.00000001 WHERE ordinal = 131"),
        Damage(
            name: "two bars swapped",
            sql: """
                UPDATE bars_short b SET (open, high, low, close, volume, vwap, notional) =
                    (SELECT open, high, low, close, volume, vwap, notional FROM bars_short o
                        WHERE o.series = '1s' AND o.ts = CASE b.ts
                            WHEN '2023-11-14 22:13:52Z' THEN '2023-11-14 22:13:53Z'::timestamptz
                            ELSE '2023-11-14 22:13:52Z' END)
                WHERE series = '1s' AND ts IN ('2023-11-14 22:13:52Z', '2023-11-14 22:13:53Z')
                """),
        // By so much that it is before a version that was known earlier, which how bars share
        // packets does not decide.
        Damage(
            name: "a bar's revision lowered",
            sql: """
                UPDATE bars_short b SET revision = (
                    SELECT max(revision) - 1 FROM bars_short WHERE taken_at < b.taken_at)
                WHERE \(bar)
                """),
        Damage(
            name: "a gap removed", sql: "DELETE FROM gaps", time: "2023-11-14T22:13:40.5Z"),
        Damage(
            name: "a gap shortened by 1 ms",
            sql: """
                UPDATE gaps SET to_time = to_time - interval '1 ms',
                    to_time_ns = to_time_ns - 1000000
                """, time: "2023-11-14T22:13:40.5Z"),
        Damage(
            name: "a replaced version deleted",
            sql: """
                DELETE FROM bar_versions
                WHERE revision = (SELECT min(revision) FROM bar_versions)
                """),
        // By so little that the order of the versions stays as it is.
        Damage(
            name: "a version known 1 µs earlier",
            sql: """
                UPDATE bars_short SET taken_at = taken_at - interval '1 us'
                WHERE revision = (SELECT max(revision) FROM (SELECT revision, taken_at
                        - max(taken_at) OVER (ORDER BY revision
                            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS since
                    FROM bars_short) AS b WHERE since > interval '10 us')
                """),
        Damage(
            name: "a trade moved over a boundary",
            sql: "UPDATE trade_rows SET ts = ts + interval '1 s' WHERE ordinal = 131"),
        Damage(
            name: "the source of ten trades renamed",
            sql: "UPDATE trade_rows SET source = 'other' WHERE ordinal BETWEEN 125 AND 134"),
    ]

    @Test("each damage is found by the commands that the page names, in each state of the tape")
    func table() throws {
        let values = (0..<400).map {
            ProveBench.Value(price: Int64($0 + 1) * 10_000_000, size: 3_000_000)
        }
        let scene = try ProveBench(
            "damages", [(ProveBench.symbol, values)], extras: [300: ProveBench.cancel],
            gapAt: 20)
        _ = try scene.bench.query(
            """
            CREATE TABLE kept_trades AS TABLE trade_rows;
            CREATE TABLE kept_bars AS TABLE bars_short;
            CREATE TABLE kept_versions AS TABLE bar_versions;
            CREATE TABLE kept_gaps AS TABLE gaps
            """)
        var found: [String: [String]] = [:]
        let states: [(ProveBench) throws -> Void] = [
            { _ in }, { try $0.purge(keeping: 20) }, { try $0.purgeAll() },
        ]
        for change in states {
            try change(scene)
            for damage in Self.damages {
                _ = try scene.bench.query(damage.sql)
                found[damage.name, default: []].append(try finders(scene, damage))
                _ = try scene.bench.query(
                    """
                    DELETE FROM trade_rows; INSERT INTO trade_rows TABLE kept_trades;
                    DELETE FROM bars_short; INSERT INTO bars_short TABLE kept_bars;
                    DELETE FROM bar_versions; INSERT INTO bar_versions TABLE kept_versions;
                    DELETE FROM gaps;
                    INSERT INTO gaps OVERRIDING SYSTEM VALUE TABLE kept_gaps
                    """)
            }
        }
        let page = try String(
            contentsOfFile: "\(ServerPrograms.checkout)/docs/bars.md", encoding: .utf8)
        for damage in Self.damages {
            let row = "| \(damage.name) | " + (found[damage.name] ?? []).joined(separator: " | ")
            #expect(page.contains("\(row) |"), "docs/bars.md has no row\n\(row) |")
        }
    }

    /// Returns the commands that fail, as the page writes them.
    private func finders(_ scene: ProveBench, _ damage: Damage) throws -> String {
        var finders: [String] = []
        if try scene.audit("--all").code == .failure { finders.append("`audit`") }
        if try scene.prove().code == .failure { finders.append("`prove`") }
        let explained = try scene.explain("AAPL", "1s", damage.time, "--source", "test0")
        if explained.code == .failure { finders.append("`explain`") }
        return finders.isEmpty ? "nothing" : finders.joined(separator: ", ")
    }
}
