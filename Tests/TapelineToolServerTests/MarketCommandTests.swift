import Foundation
import MarketModel
import Primitives
import ServiceRuntime
import TestSupport
import Testing

@testable import TapelineTool

@Suite("Bars and gaps for a person") struct MarketCommandTests {
    @Test("words")
    func words() throws {
        let bars = try newestBars(["AAPL", "1m"])
        #expect((bars.last, bars.asChart, bars.asJSON) == (30, false, false))
        let chart = try newestBars(["AAPL", "1m", "--last", "7", "--chart"])
        #expect((chart.last, chart.asChart) == (7, true))
        let known = try newestBars(
            ["AAPL", "1m", "--as-of", "1970-01-01T00:00:01Z", "--uncertain"])
        #expect(known.asOf == Timestamp(nanoseconds: 1_000_000_000) && known.withUncertain)
        let asked = try BarsCommand.parse(["--rewritten", "AAPL", "--to", "1970-01-02"])
        guard case .rewritten(let rewritten) = asked else {
            Issue.record("bars --rewritten is a command")
            return
        }
        #expect(rewritten.from == Timestamp(nanoseconds: 0) && rewritten.symbols.count == 1)
        let gaps = try GapsCommand.parse(["AAPL", "SPY"])
        #expect(gaps.symbols.map(\.text) == ["AAPL", "SPY"])
    }

    @Test("of a symbol whose ticks came, the first bar is still to come")
    func yet() throws {
        let now = Timestamp(nanoseconds: 1_500_000_000)
        func said(
            _ words: [String], ticksOf sources: [String], known: [String] = ["AAPL"],
            width: Int64? = 1_000_000_000
        ) throws -> String {
            try newestBars(words).sentence(
                stored: [], ticksOf: sources, among: known, width: width, now: now)
        }
        let end = Timestamp(nanoseconds: 2_000_000_000)
        let yet = "no bar of AAPL 1s is stored yet: one ends at \(end), in 1 s"
        #expect(try said(["AAPL", "1s"], ticksOf: ["s"]) == yet)
        // A name is not offered for itself.
        let never = try said(["AAPL", "1h"], ticksOf: ["s"], width: nil)
        #expect(never.hasSuffix("lists those that came"), "\(never)")
        #expect(
            try said(["AAPL", "1s", "--source", "t"], ticksOf: ["s"]).hasPrefix(
                "no bar of AAPL 1s from t is stored: of that symbol none"))
        #expect(
            try said(["APPL", "1s"], ticksOf: [], known: ["AAPL", "MSFT"])
                .hasSuffix("; did you mean AAPL?"))
    }

    private static func candle(_ prices: String, _ minute: Int, isWhole: Bool = true) -> Candle {
        let words = prices.split(separator: " ").map(String.init)
        var candle = Candle()
        candle.time = "2026-03-02T14:\(30 + minute):00Z"
        if words.count == 4 {
            (candle.open, candle.high, candle.low, candle.close) =
                (words[0], words[1], words[2], words[3])
        }
        (candle.version, candle.isWhole) = ("1", isWhole)
        return candle
    }

    @Test("a chart: wicks, rising and falling bodies, what is partial, and a bar without prices")
    func chart() {
        let candles = [
            Self.candle("2.5 4 1.00 3.5", 0, isWhole: false), Self.candle("3 5.25 2 2", 1),
            Self.candle("", 2), Self.candle("2 2 2 2", 3),
        ]
        let chart = CandleChart(candles, columns: 80, rows: 10, isColored: false)
        #expect(
            chart.lines == [
                "5.25 ┤ │  ",
                "     ┤││  ",
                "     ┤░█  ",
                "     ┤░█ ░",
                "1.00 ┤│   ",
                "      ?   ",
                "      2026-03-02T14:30:00Z … 2026-03-02T14:33:00Z",
                "?: partial, it overlaps a gap or the start of a subscription",
            ])
        func legend(_ candles: [Candle]) -> String? {
            CandleChart(candles, columns: 80, rows: 10, isColored: false, isWhole: true).lines.last
        }
        #expect(legend(candles) == "?: partial, the series begins within it")
        var later = candles
        later[2].isWhole = false
        #expect(legend(later) == chart.lines.last)
        let colored = CandleChart([candles[1]], columns: 80, rows: 10, isColored: true).lines
        #expect(colored[0] == "5.25 ┤\u{1B}[31m│\u{1B}[0m")
    }

    @Test("a chart shows as many of the newest bars as there is room for")
    func room() {
        let candles = (0..<30).map { Self.candle("1 2 1 2", $0) }
        let lines = CandleChart(candles, columns: 13, rows: 50, isColored: false).lines
        #expect(lines.count == CandleChart.heightRange.upperBound + 1)
        #expect(lines[0] == "2 ┤" + String(repeating: "░", count: 10))
        #expect(lines.last?.hasPrefix("   2026-03-02T14:50:00Z … ") == true)
        // Neither a terminal without space nor bars without prices end the command.
        #expect(CandleChart(candles, columns: 0, rows: 0, isColored: false).lines.count == 6)
        #expect(
            CandleChart([Self.candle("", 1)], columns: 80, rows: 24, isColored: false).lines
                == ["none of these bars has a price"])
        // A single price has no height.
        #expect(
            CandleChart([Self.candle("1 1 1 1", 1)], columns: 80, rows: 10, isColored: false)
                .lines[2] == "  ┤░")
    }

    /// A migrated database; the tool has the writer's rights.
    struct Scene {
        let postgres: PostgresServer
        let database: String
        let environment: [String: String]

        init(migrated: Bool = true) throws {
            postgres = try PostgresServer.shared()
            database = "market_\(UUID().uuidString.prefix(8).lowercased())"
            try postgres.createDatabase(database, timescale: true)
            let writer = "\(database)_writer"
            try postgres.psql("CREATE ROLE \(writer) LOGIN PASSWORD '\(PostgresServer.password)'")
            environment = [
                // No server listens there, because these commands need no NATS.
                "NATS_URL": "nats://127.0.0.1:1", "POSTGRES_HOST": "127.0.0.1",
                "POSTGRES_PORT": "\(postgres.port)", "POSTGRES_DB": database,
                "POSTGRES_USER": writer, "POSTGRES_PASSWORD": PostgresServer.password,
            ]
            guard migrated else { return }
            try run(
                ProductPrograms.path("store-writer"), ["migrate"],
                environment: environment.merging([
                    "POSTGRES_MIGRATOR_USER": PostgresServer.user,
                    "POSTGRES_MIGRATOR_PASSWORD": PostgresServer.password,
                    "WRITER_MIGRATIONS": "\(ServerPrograms.checkout)/deploy/postgres",
                ]) { $1 })
        }

        func tell(_ words: String...) throws -> String { try tell(words) }

        func tell(_ words: [String]) throws -> String {
            try run(ProductPrograms.path("tapeline"), words, environment: environment)
        }

        /// The words of each line.
        func table(_ words: String...) throws -> [[Substring]] {
            try tell(words).split(separator: "\n").map { $0.split(separator: " ") }
        }

        func expectRefusal(_ words: [String], _ problem: String) {
            let failure = #expect(throws: ProgramFailure.self) { try tell(words) }
            #expect(failure?.message.contains(problem) == true, "\(failure as Any)")
            #expect(failure?.status == 1 || words[0] != "gaps")
        }
    }

    @Test("stored bars and gaps are told, and what there is instead of them")
    func stored() throws {
        let scene = try Scene()
        try empty(scene)
        try scene.postgres.psql(
            """
            SET search_path = md;
            SELECT make_time_partition('bars_short', '2026-03-02'),
                make_time_partition('bars_short', now());
            INSERT INTO bars_short (symbol, series, ts, open, high, low, close, volume, vwap,
                notional, trades, open_time_ns, close_time, close_time_ns, revision, reason,
                partial, source,
                partition, ordinal, replaced)
            SELECT 'AAPL', '1m', start + n * interval '1 min', 180, 181.5, 179.25, 180.75, 1200,
                180.123456789, 1, 31, 0, start, 0, n, 'late', n = 0, 's', 0, n, n
            FROM generate_series(0, 2) AS n,
                (SELECT '2026-03-02 14:30+00'::timestamptz) AS day (start)
            UNION ALL SELECT 'AAPL', '5m', now(), 1, 1, 1, 1, 1, 1, 1, 1, 0, now(), 0, 9, 'closed',
                false, 's', 0, 9, 0
            UNION ALL SELECT 'MSFT', '1m', start + n * interval '1 min', n, n, n, n, 1, n, 1, 1, 0,
                start, 0, 100 + n, 'closed', false, CASE n WHEN 1 THEN 'ibkr' ELSE 's' END, 0,
                100 + n, 0
            FROM generate_series(1, 2) AS n,
                (SELECT '2026-03-02 14:30+00'::timestamptz) AS day (start);
            INSERT INTO gaps (sink, input, partition, source, reason, symbol, kind, from_time,
                to_time, state, receive_time, epoch, ordinal)
            VALUES ('store', 'ticks', 0, 's', 'disconnected', 'AAPL', 'trade',
                '2026-03-02 14:30:00+00', '2026-03-02 14:30:12.5+00', 'abandoned', now(), 1, 1)
            """, database: scene.database)
        let table = try scene.tell("bars", "AAPL", "1m", "--last", "2").split(separator: "\n")
        #expect(table[0].hasPrefix("AAPL 1m, 2 bars of 127.0.0.1"), "\(table)")
        let head = "OPEN   HIGH     LOW   CLOSE  VOLUME           VWAP  TRADES"
        let numbers = "180  181.5  179.25  180.75    1200  180.123456789      31"
        let wanted: [Substring] = [
            "TIME                  \(head)  SOURCE  NOTE",
            "2026-03-02T14:31:00Z   \(numbers)  s       version 2: late",
            "2026-03-02T14:32:00Z   \(numbers)  s       version 3: late",
        ]
        #expect(Array(table.dropFirst()) == wanted)
        try sources(scene)
        let all = try scene.tell("bars", "AAPL", "1m", "--chart")
        #expect(all.contains("181.5 ┤"))
        #expect(all.contains("?: partial"))
        let json = try scene.tell("bars", "AAPL", "1m", "--json").split(separator: "\n")
        #expect(json.count == 3)
        #expect(json[0].contains(#""vwap":180.123456789"#), "\(json)")
        #expect(json[0].contains(#""is_whole":false"#), "\(json)")

        let gaps = try scene.table("gaps", "AAPL").map { $0.joined(separator: " ") }
        let missing =
            "AAPL trade 2026-03-02T14:30:00Z 2026-03-02T14:30:12.5Z 12.5 abandoned disconnected s"
        #expect(gaps == ["SYMBOL KIND FROM TO SECONDS STATE REASON SOURCE", missing])
        try begun(scene)

        try export(scene)
        try known(scene)
        try absent(scene)
    }

    /// Without a row CSV has its head, too.
    private func empty(_ scene: Scene) throws {
        #expect(try scene.tell("gaps") == "no gap is on record")
        for (words, head) in [
            (["gaps", "--csv"], "source,symbol,kind,"),
            (["bars", "AAPL", "1m", "--csv"], "symbol,series,ts,"),
            (["bars", "AAPL", "1m", "--csv", "--as-of", "2026-01-01"], "symbol,series,ts,"),
            (["bars", "--rewritten", "--csv"], "series,reason,bars,"),
        ] {
            let told = try scene.tell(words)
            #expect(told.hasPrefix(head) && told.split(separator: "\r\n").count == 1, "\(told)")
        }
    }

    /// A bar that was cancelled at three o'clock, as it was known before, and how many changed so.
    private func known(_ scene: Scene) throws {
        try scene.postgres.psql(
            """
            SET search_path = md;
            INSERT INTO bars_short (symbol, series, ts, open, close, volume, notional, trades,
                open_time_ns, close_time, close_time_ns, revision, source, partition, ordinal,
                taken_at)
            VALUES ('QQQ', '1m', '2026-03-02 14:30Z', 7, 7, 1, 1, 1, 0, '2026-03-02 14:31Z', 0, 300,
                's', 0, 300, '2026-03-02 14:32Z');
            UPDATE bars_short SET revision = 301, ordinal = 301, open = 8, close = 8, replaced = 1,
                reason = 'bust', taken_at = '2026-03-02 15:00Z' WHERE symbol = 'QQQ'
            """, database: scene.database)
        let before = try scene.table("bars", "QQQ", "1m", "--as-of", "2026-03-02T14:40:00Z")
        #expect(before[0].joined(separator: " ").contains("1 bar as known at 2026-03-02T14:40:00"))
        #expect(before[2] == ["2026-03-02T14:30:00Z", "7", "-", "-", "7", "1", "-", "1", "s"])
        let after = try scene.table("bars", "QQQ", "1m", "--as-of", "2026-03-02T15:00:00Z")
        #expect(after[2].suffix(4) == ["s", "version", "2:", "bust"])
        #expect(
            try scene.table(
                "bars", "--rewritten", "QQQ", "--from", "2026-03-02", "--to", "2026-03-03"
            ).dropFirst() == [
                ["1m", "bust", "1", "of", "1", "1", "0", "0", "1", "0", "0", "0"]
            ])
        #expect(
            try scene.tell("bars", "--rewritten", "--from", "2026-01-01", "--to", "2026-01-02")
                == "no bar of that time changed after it was published")
        try afterOutage(scene)
        // These have no time at which they were known.
        let uncertain = try scene.table(
            "bars", "AAPL", "1m", "--as-of", "2026-03-02T15:00:00Z", "--uncertain", "--last", "1")
        #expect(uncertain[2].last == "late" && uncertain[2].contains("uncertain,"), "\(uncertain)")
    }

    /// While the tape was away, many windows had no bar. A bar that was lost may be of any window.
    private func afterOutage(_ scene: Scene) throws {
        try scene.postgres.psql(
            """
            SET search_path = md;
            INSERT INTO bars_short (symbol, series, ts, open, close, volume, notional, trades,
                open_time_ns, close_time, close_time_ns, revision, source, partition, ordinal,
                taken_at)
            SELECT 'DIA', '1s', start + n * interval '1 s', n, n, 1, 1, 1, 0, start, 0, 400 + n,
                's', 0, 400 + n,
                start + CASE WHEN n < 20 THEN n + 1 ELSE 90 END * interval '1 s'
            FROM generate_series(0, 59) AS n,
                (SELECT '2026-03-02 14:30Z'::timestamptz) AS day (start)
            """, database: scene.database)
        let known = try scene.table(
            "bars", "DIA", "1s", "--as-of", "2026-03-02T14:31:00Z", "--last", "10")
        #expect(known.dropFirst(2).map { $0[1] } == (10..<20).map { "\($0)" })
        try scene.postgres.psql(
            """
            INSERT INTO md.version_losses (partition, from_at, to_at, reason)
            VALUES (1, '2026-03-02 13:00Z', '2026-03-02 13:10Z', 'tape_lost')
            """, database: scene.database)
        scene.expectRefusal(
            ["bars", "GONE", "1s", "--as-of", "2026-03-02T14:31:00Z"], "are not stored: tape_lost")
    }

    /// Bars of two sources: all of them, those of one, and what cannot be drawn.
    private func sources(_ scene: Scene) throws {
        let both = try scene.table("bars", "MSFT", "1m")
        #expect(both.dropFirst(2).map(\.last) == ["ibkr", "s"])
        let one = try scene.table("bars", "MSFT", "1m", "--source", "ibkr")
        #expect(one[0].starts(with: ["MSFT", "1m", "from", "ibkr,", "1", "bar"]))
        #expect(one.count == 3 && one[1].last == "NOTE" && !one[1].contains("SOURCE"))
        #expect(one[2][1] == "1")
        #expect(try scene.tell("bars", "MSFT", "1m", "--source", "s", "--chart").contains("┤"))
        let exported = try scene.tell(
            "export", "bars", "MSFT", "--source", "ibkr", "--from", "2026-03-02", "--to",
            "2026-03-03")
        #expect(exported.split(separator: "\r\n").count == 2, "\(exported)")
        #expect(try scene.tell("gaps", "--source", "ibkr") == "no gap is on record")
        #expect(try scene.tell("gaps", "--source", "s").contains("disconnected"))
    }

    /// A feed that began makes bars partial without a gap. One that was ended did not begin.
    private func begun(_ scene: Scene) throws {
        #expect(try scene.tell("gaps", "MSFT") == "no gap is on record")
        #expect(try scene.tell("gaps", "--json").contains(#""state":"abandoned""#))
        try scene.postgres.psql(
            """
            SET search_path = md;
            INSERT INTO events (ts, event_time_ns, symbol, input, template, name, receive_time,
                receive_time_ns, source, partition, epoch, ordinal, detail)
            SELECT date_trunc('second', now()) - age, 1, symbol, 'ticks', 1, 'subscription', now(),
                1, 's', 0, 1, row_number() OVER (), jsonb_build_object('action', action)
            FROM (VALUES ('MSFT', interval '1 min', 'start'), ('AAPL', '2 min', 'start'),
                ('AAPL', '3 min', 'start'), ('AAPL', '2 days', 'start'), ('QQQ', '1 s', 'stop')
            ) AS begun (symbol, age, action)
            """, database: scene.database)
        let told = try scene.tell("gaps", "MSFT").split(separator: "\n")
        #expect(told.count == 2 && told[0] == "no gap is on record", "\(told)")
        #expect(
            told.last?.hasPrefix("feeds of s began for 1 symbol in the last day, the last at 20")
                == true, "\(told)")
        #expect(told.last?.contains("bars of such a moment are partial without a gap") == true)
        #expect(
            try scene.tell("gaps").contains("\nfeeds of s began for 2 symbols in the last day"))
        #expect(try !scene.tell("gaps", "--json").contains("began"))
        #expect(try scene.tell("gaps", "--source", "ibkr") == "no gap is on record")
    }

    private func absent(_ scene: Scene) throws {
        for (words, told) in [
            (["bars", "MSFT", "1m", "--chart"], "several sources (ibkr, s): name one"),
            (
                ["bars", "AAPL", "5m", "--source", "ibkr"],
                "no bar of AAPL 5m from ibkr is stored: its sources are s"
            ),
            (["bars", "AAPL", "1h"], "no bar of AAPL 1h is stored: its series are 5m"),
            (
                ["bars", "AAPL", "1m", "--as-of", "2026-03-02T15:00:00Z"],
                "(source s) is not certain: it is not known when the tape took it"
            ),
            (
                ["bars", "QQQ", "1m", "--as-of", "2026-03-02T14:31:00Z"],
                "no bar of QQQ 1m was known at 2026-03-02T14:31:00"
            ),
            (["bars", "QQQ", "1m", "--as-of", "2199-01-01"], "is not known yet"),
            (["gaps", "MSFT", "SPY"], "nothing of SPY is stored, so nothing can be said of it"),
            (["bars", "NONE", "1m"], "no bar of NONE 1m is stored: of that symbol none"),
        ] { scene.expectRefusal(words, told) }
    }

    /// Exports to standard output and to a file, which is complete or absent.
    private func export(_ scene: Scene) throws {
        let rest = ["AAPL", "--series", "1m,5m", "--from", "2026-03-02", "--to", "2026-03-03"]
        let told = try scene.tell(["export", "bars"] + rest).split(separator: "\r\n")
        #expect(told.count == 4, "\(told)")
        #expect(told[0].hasPrefix("symbol,series,ts,close_time,open,high,low,close,volume,vwap,"))
        let first = "AAPL,1m,2026-03-02 14:30:00+00,2026-03-02 14:30:00+00,180,181.5,179.25,"
        #expect(told[1].hasPrefix(first), "\(told)")

        let folder = try TemporaryFolder("export")
        let file = folder.file("bars.csv")
        let words = ["export", "bars", "--from", "2026-03-02", "-o", file]
        #expect(try scene.tell(words) == "\(file): 6 rows")
        #expect(
            try String(contentsOfFile: file, encoding: .utf8).split(separator: "\r\n").count == 7)
        for (words, told) in [
            (words, "is there already"),
            (
                ["export", "trades", "--from", "-1h", "-o", folder.file("none/x")],
                "No such file or directory"
            ),
            (
                ["export", "bars", "NOPE", "--from", "2026-03-02", "-o", folder.file("nope.csv")],
                "nothing of NOPE is stored, so nothing can be said of it"
            ),
            (["export", "bars", "AAPL", "NOPE", "--from", "2026-03-02"], "nothing of NOPE is"),
        ] { scene.expectRefusal(words, told) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["bars.csv"])
    }

    @Test("records of other kinds are exported as they came, with when they were known")
    func otherKinds() throws {
        let scene = try Scene()
        let tail = "flags, receive_time, receive_time_ns, source, partition, epoch, ordinal"
        let of = "0, '2026-03-02 14:30:01+00', 0, 's', 0, 1"
        try scene.postgres.psql(
            """
            SET search_path = md;
            SELECT make_time_partition(t, '2026-03-02')
            FROM unnest('{indicators,provider_bars,news,options,fundamentals}'::text[]) AS t;
            INSERT INTO indicators (ts, event_time_ns, symbol, name, value, of_source, period_end,
                \(tail))
            SELECT '2026-03-02 14:30+00', 7, symbol, name, 1.5, 'f', '2026-03-02 14:31+00',
                0, '2026-03-02 14:30:01+00', 0, 'operator', 0, 1, ordinal
            FROM (VALUES ('AAPL', 'mean', 1), ('VALUED', 'range', 2)) AS t (symbol, name, ordinal);
            INSERT INTO provider_bars (ts, event_time_ns, symbol, made_of, \(tail))
            VALUES ('2026-03-02 14:30+00', 7, 'AAPL', 'trades', \(of), 2);
            INSERT INTO news (ts, event_time_ns, kind, body, \(tail))
            VALUES ('2026-03-02 14:30+00', 7, 'bulletin', 'a, "b"', \(of), 3);
            INSERT INTO options (ts, event_time_ns, symbol, computed_from, basis, \(tail))
            VALUES ('2026-03-02 14:30+00', 7, 'OPT', 'bid', 'prices', \(of), 4);
            INSERT INTO fundamentals (ts, event_time_ns, symbol, report, part, parts,
                document_bytes, content, \(tail))
            VALUES ('2026-03-02 14:30+00', 7, 'AAPL', 'R', 0, 1, 2, '\\x00ff', \(of), 5);
            INSERT INTO stored_stretches (input, partition, source, first_ordinal, last_ordinal,
                taken_from, starts, delays_us, apart_ms)
            VALUES ('ticks', 0, 's', 2, 5, '2026-03-02 14:30:02+00', '{0}', '{0}', '{0}'),
                ('bars', 0, 'operator', 1, 2, '2026-03-02 14:30:02+00', '{0}', '{0}', '{0}')
            """, database: scene.database)
        let tick = "2026-03-02 14:30:00+00,7,"
        for (words, begin, known) in [
            (["indicators", "AAPL", "--source", "f"], "\(tick)AAPL,mean,", "14:31:00+00"),
            (["indicators", "VALUED"], "\(tick)VALUED,range,", "14:31:00+00"),
            (["provider-bars", "AAPL"], "\(tick)AAPL,trades,", "14:30:02+00"),
            (["news"], "\(tick),bulletin,,,\"a, \"\"b\"\"\",", "14:30:02+00"),
            (["options", "OPT"], "\(tick)OPT,bid,prices,", "14:30:02+00"),
            (["fundamentals"], "\(tick)AAPL,R,0,1,2,\\x00ff,", "14:30:02+00"),
        ] {
            let told = try scene.tell(["export"] + words + ["--from", "2026-03-02"])
            let lines = told.split(separator: "\r\n")
            #expect(lines.count == 2 && lines[0].hasSuffix(",known_at"), "\(told)")
            #expect(lines.last?.hasPrefix(begin) == true, "\(told)")
            #expect(lines.last?.hasSuffix(",2026-03-02 \(known)") == true, "\(told)")
        }
        scene.expectRefusal(
            ["export", "indicators", "VALUE", "--from", "2026-03-02"], "nothing of VALUE is")
        let none = ["export", "indicators", "--source", "operator", "--from", "2026-03-02"]
        #expect(try scene.tell(none).split(separator: "\r\n").count == 1)
    }

    @Test("a database that was not migrated says so")
    func notMigrated() throws {
        let scene = try Scene(migrated: false)
        for words in [["bars", "AAPL", "1m"], ["gaps"], ["export", "trades", "--from", "-1h"]] {
            scene.expectRefusal(words, "'store-writer migrate' makes it")
        }
    }
}

func newestBars(_ words: [String], now: Timestamp = SystemClock().now()) throws -> NewestBars {
    guard case .newest(let bars) = try BarsCommand.parse(words, now: now) else {
        throw ToolError.usage("these are no words for bars: \(words)")
    }
    return bars
}
