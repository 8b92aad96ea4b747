import Foundation
import Primitives
import ServiceRuntime
import TestSupport
import TapeTransport
import Testing

@testable import TapelineTool

@Suite("What the tool says of an audit and of a demo")
struct AuditTextTests {
    @Test("a script is cut into its checks; psql's own lines and the head are left out")
    func script() {
        let script = AuditScript.parse(
            """
            -- A head.
            SET search_path TO md;
            \\echo first
            -- check: first: the first: with a colon
            -- reads: books
            SELECT 1 AS expected
            \\gset
            FROM nowhere;

            -- check: second
            SELECT 2;
            """)
        #expect(
            script.checks == [
                AuditScript.Check(
                    name: "first", sentence: "the first: with a colon", reads: .books,
                    sql: "SELECT 1 AS expected\nFROM nowhere"),
                AuditScript.Check(name: "second", sentence: "", sql: "SELECT 2"),
            ])
        #expect(AuditScript.parse("SELECT 1;").checks.isEmpty)
    }

    private let now = Timestamp(nanoseconds: 1_800_000_000_000_000_000)

    private func parse(_ arguments: String...) throws -> AuditScope {
        try AuditCommand.parse(arguments, now: now).scope
    }

    @Test("without a range it reads the books; a day, a range or all when asked")
    func scopes() throws {
        let day = try #require(ISOTime.parse("2026-11-20T00:00:00Z"))
        let next = day.advanced(byNanoseconds: AuditScope.day)
        #expect(try parse("--json") == .books)
        #expect(try parse("--all") == .all)
        #expect(try parse("--day", "2026-11-20") == .range(from: day, to: next))
        #expect(try parse("--from", "\(day)", "--to", "\(next)") == .range(from: day, to: next))
        #expect(try parse("--from", "\(day)") == .range(from: day, to: now))
    }

    @Test("a long range is read day by day, partitions as they are cut")
    func slices() throws {
        let noon = try #require(ISOTime.parse("2026-11-20T12:00:00Z"))
        func hours(_ count: Int64) -> Timestamp {
            noon.advanced(byNanoseconds: count * 3_600_000_000_000)
        }
        func slice(_ from: Int64, _ to: Int64) -> AuditSlice {
            AuditSlice(from: hours(from), to: hours(to))
        }
        #expect(AuditSlice.cut(from: noon, to: hours(48)) == [slice(0, 48)])
        #expect(
            AuditSlice.cut(from: noon, to: hours(49)) == [
                slice(0, 12), slice(12, 36), slice(36, 49),
            ])
        #expect(AuditSlice.merged([slice(0, 24), slice(24, 48)]) == [.whole])
        #expect(
            AuditSlice.merged([
                slice(24, 48), slice(0, 24), slice(48, 72), slice(0, 24), slice(60, 90),
            ]) == [slice(0, 24), slice(24, 48), slice(48, 90)])
        // A partition without an end.
        #expect(
            AuditSlice.merged([slice(0, 24), AuditSlice(from: nil, to: noon), slice(48, 72)])
                == [.whole])
        #expect(
            slice(0, 24).fill("ts >= :'from' AND ts < :'to' OR ts > :'before' OR ts < :'after'")
                == "ts >= '\(noon)' AND ts < '\(hours(24))' OR ts > '\(hours(-24))' "
                + "OR ts < '\(hours(48))'")
        #expect(AuditSlice.whole.fill(":'from' :'after'") == "'-infinity' 'infinity'")
    }

    @Test("what was made piece by piece is one line, and what was not checked is named")
    func joined() {
        func line(_ found: String, _ isRight: Bool, _ detail: String) -> AuditReport.Line {
            AuditReport.Line(
                name: "n", sentence: "s", expected: "5", found: found, isRight: isRight,
                detail: detail)
        }
        let all = AuditReport.Line.joined([
            line("5", true, "said"), line("4", false, "wrong"), line("5", true, "said"),
        ])
        #expect(all.expected == "15" && all.found == "14" && !all.isRight)
        #expect(all.detail == "wrong; said")
        var report = AuditReport()
        report.add(line("5", true, ""))
        #expect(report.verdict == "the audit is clean: 1 check")
        report.scope = .books
        report.notChecked = ["rows_as_booked"]
        #expect(
            report.verdict.hasPrefix(
                "the audit is clean: 1 check of the books: all that the writers took from the tape "
                    + "is accounted for\nno row was read (not checked: rows_as_booked): --day today"
            ))
        #expect(report.json().contains(#""scope":"books""#))
        #expect(report.json().contains(#""not_checked":["rows_as_booked"]"#))
    }

    @Test("each lane of the tape is compared with the books, in both directions")
    func lanes() {
        func end(_ input: String, _ partition: Int, _ ordinal: UInt64) -> Deployment.LaneEnd {
            Deployment.LaneEnd(
                input: input, source: "ib", partition: partition, ordinal: ordinal)
        }
        let heads = [end("ticks", 1, 10), end("ticks", 2, 5), end("bars", 1, 7)]
        var right = AuditReport()
        Deployment.compare(heads, with: heads, &right)
        #expect(right.isClean && right.lines.map(\.found) == ["15", "7"])
        // A store of bars alone.
        var half = AuditReport()
        Deployment.compare(heads, with: [heads[2]], reads: [.bars], &half)
        #expect(half.isClean && half.lines.map(\.name) == ["bars_taken"])
        var wrong = AuditReport()
        // One is behind, and the tape has lost another, so the sums are equal.
        Deployment.compare(
            heads, with: [end("ticks", 1, 9), end("ticks", 2, 5), end("ticks", 3, 1)], &wrong)
        #expect(wrong.lines.map(\.isRight) == [false, false])
        #expect(wrong.lines.map(\.found) == ["15", "0"])
        #expect(
            wrong.lines[0].detail
                == "ib/1: 10 on the tape, 9 taken; ib/3: 0 on the tape, 1 taken")
        #expect(wrong.verdict == "THE AUDIT FAILED: 2 of 2 checks")
    }

    @Test("where no row is stored, an audit has nothing to judge, and does not succeed")
    func nothing() throws {
        func report(_ counted: UInt64) -> AuditReport {
            var report = AuditReport()
            report.scope = .range(from: now, to: now)
            report.rowChecks = ["ticks_of_range", "bars_equal_sql"]
            report.add("books_balanced", "of the books", expected: 7, found: 7)
            report.add("ticks_of_range", "of the range", expected: counted, found: counted)
            report.add("bars_equal_sql", "of the range", expected: 0, found: 0)
            return report
        }
        let terminal = Terminal(output: -1, errors: -1)
        #expect(report(0).report(to: terminal, asJSON: false) == .incomplete)
        #expect(
            report(0).verdict
                == "there is nothing to judge: no tick and no bar of that time is stored")
        #expect(try JSONValue.parse(report(0).json())["nothing_to_judge"]?.bool == true)
        #expect(report(1).report(to: terminal, asJSON: false) == .success)
        #expect(
            report(1).verdict
                == "the audit is clean: 3 checks of the range and the books: tape and "
                + "database hold the same")
        var books = report(0)
        books.scope = .books
        #expect(books.report(to: terminal, asJSON: false) == .success)
        var wrong = report(0)
        wrong.add("gaps_on_tape", "gaps", expected: 1, found: 0)
        #expect(wrong.report(to: terminal, asJSON: false) == .failure)
    }

    @Test("a symbol of which nothing is stored is named, with the one that was meant")
    func unknownSymbols() {
        #expect(
            MarketSession.unknown(["APPL"], among: ["AAPL", "SPY"])
                == "nothing of APPL is stored, so nothing can be said of it; did you mean AAPL?")
        #expect(
            MarketSession.unknown(["NOPE", "X.Y"], among: ["AAPL"])
                == "nothing of NOPE, X.Y is stored, so nothing can be said of it")
    }

    @Test("where no bar has ended yet, it is said when one will")
    func next() throws {
        let now = try #require(ISOTime.parse("2026-11-28T05:49:12.5Z"))
        let end = try #require(ISOTime.parse("2026-11-28T05:50:00Z"))
        #expect(
            NewestBars.next(width: 60_000_000_000, after: now) == "one ends at \(end), in 48 s")
    }

    @Test("a day of which a symbol has nothing is no judgement of that symbol")
    func absentSymbols() throws {
        let row = ["AAPL", "ib"] + Array(repeating: "0", count: 11)
        func report(_ asked: [String], _ rows: [[String?]]) -> QualityReport {
            QualityReport(
                day: "2026-11-20", silentSeconds: 5, asked: asked,
                symbols: rows.map(QualityOfSymbol.init), refused: [], hours: [])
        }
        #expect(report(["AAPL"], [row]).exitCode == .success)
        #expect(report(["AAPL", "SPY"], [row]).exitCode == .incomplete)
        #expect(
            report(["AAPL", "SPY"], [row]).lines.contains(
                "no tick and no bar of SPY of that day is stored"))
        #expect(report([], []).lines.last == "no tick and no bar of that day is stored")
        // A feed began within a bar: nothing is to be done. Time in a gap is missing.
        var partial = row
        (partial[7], partial[8]) = ("56", "2")
        #expect(report([], [partial]).exitCode == .success)
        #expect(report([], [partial]).lines.contains { $0.contains("2 (3.5 %)") })
        partial[10] = "1.5"
        #expect(report([], [partial]).exitCode == .failure)
    }

    @Test("a share is in percent, as people read it")
    func shares() {
        for (rate, text) in [
            (1, "< 0.01 %"), (100, "0.01 %"), (2_487, "0.24 %"), (35_714, "3.5 %"),
            (30_000, "3 %"), (999_999, "99 %"), (1_000_000, "100 %"),
        ] { #expect(QualityReport.percent(rate) == text) }
    }

    @Test("the script lies around the program, in a checkout as in an image")
    func place() throws {
        let folder = try TemporaryFolder("image")
        let deploy = URL(fileURLWithPath: folder.file("deploy/postgres"))
        try FileManager.default.createDirectory(at: deploy, withIntermediateDirectories: true)
        for (name, text) in [
            ("audit.sql", "-- check: a: b\nSELECT 1;\n\\ir more.sql\n"),
            ("more.sql", "-- check: c: d\nSELECT 2;\n"),
        ] {
            try text.write(
                to: deploy.appendingPathComponent(name), atomically: true, encoding: .utf8)
        }
        let script = try AuditScript.find(executable: folder.file("bin/tapeline"))
        #expect(script.checks.map(\.name) == ["a", "c"])
        #expect(script.checks.map(\.sql) == ["SELECT 1", "SELECT 2"])
        #expect(
            complaint { try AuditScript.find(executable: "/proc/bin/tapeline") }.contains(
                "audit.sql"))
    }

    @Test("the shipped script has its checks")
    func shipped() throws {
        let path = "\(ServerPrograms.checkout)/deploy/\(AuditScript.path)"
        let script = try AuditScript.read(path)
        #expect(
            script.checks.map(\.name) == [
                "ticks_stored_once", "rows_as_booked", "books_balanced", "bars_stored",
                "versions_stored", "ticks_of_range", "bars_equal_sql", "trades_counted_once",
            ])
        #expect(script.checks.allSatisfy { !$0.sentence.isEmpty && $0.sql.contains("SELECT") })
    }

    @Test("a report shows what is right in one column, and what is wrong with what was expected")
    func report() throws {
        var report = AuditReport()
        #expect(!report.isClean)
        report.add("a", "all is there", expected: 1_000, found: 1_000)
        #expect(report.isClean)
        report.add("b", "nothing twice", expected: 7, found: 8, detail: "AAPL")
        #expect(!report.isClean)
        #expect(report.failures == 1)
        #expect(
            report.text == [
                "  ok    1000  all is there",
                "  FAIL     8, expected 7  nothing twice: AAPL",
            ])
        let json = try JSONValue.parse(report.json())
        #expect(json["clean"]?.bool == false)
        #expect(json["checks"]?.array?.last?["detail"]?.string == "AAPL")
        #expect(report.verdict == "THE AUDIT FAILED: 1 of 2 checks")
    }

    @Test("what could not be checked is told, and is no success if it should have been checked")
    func omitted() throws {
        var report = AuditReport()
        report.add("a", "all is there", expected: 1, found: 1)
        report.leaveOut("gaps_on_tape", "no row", isExpected: true)
        #expect(report.verdict.hasSuffix("1 check\nnot checked: gaps_on_tape: no row"))
        let terminal = Terminal(output: -1, errors: -1)
        #expect(report.report(to: terminal, asJSON: false) == .success)
        report.leaveOut("versions_on_tape", "NATS is gone", isExpected: false)
        #expect(report.report(to: terminal, asJSON: false) == .incomplete)
        let json = try JSONValue.parse(report.json())
        #expect(json["not_checked"]?.array?.count == 2)
        #expect(json["omissions"]?.array?.last?["reason"]?.string == "NATS is gone")
        report.add("b", "nothing twice", expected: 7, found: 8)
        #expect(report.report(to: terminal, asJSON: false) == .failure)
    }

    @Test("a version is known when the tape took it, or at the time of an earlier packet")
    func known() {
        func time(_ nanoseconds: Int64) -> Timestamp { Timestamp(nanoseconds: nanoseconds) }
        var clock = KnownClock()
        // Rounded up. Of a version that is later than its packet, the packet of that time may be
        // one that was not seen.
        #expect(clock.fault(of: time(9_000), taken: time(1_500), highest: time(1_500)) == nil)
        #expect(clock.fault(of: time(2_000), taken: time(1_500), highest: time(1_500)) == nil)
        #expect(clock.fault(of: time(1_000), taken: time(1_500), highest: time(1_500)) != nil)
        #expect(clock.fault(of: time(4_000), taken: time(3_000), highest: time(3_000)) != nil)
        // The server's clock went back.
        #expect(clock.fault(of: time(3_000), taken: time(2_000), highest: time(3_000)) == nil)
        #expect(clock.fault(of: nil, taken: time(2_000), highest: time(3_000)) == nil)
    }

    private let frame = DemoScreen.Frame(
        seconds: 3, onTape: 100, stored: 90, bars: 4, ticksPerSecond: 30,
        rows: [
            HotView.Row(
                symbol: "AAPL", price: "1.5", bid: "1", ask: "2", bar: "1 2 1 2 300",
                ageMilliseconds: 12), HotView.Row(symbol: "MSFT"),
        ],
        note: "waiting")

    private func shown(isLive: Bool, times: Int, publishing news: String? = nil) throws -> String {
        let folder = try TemporaryFolder()
        let path = try folder.write("", to: "out")
        let descriptor = unsafe open(path, O_WRONLY)
        defer { close(descriptor) }
        var screen = DemoScreen(Terminal(output: descriptor), isLive: isLive)
        for _ in 0..<times { screen.show(frame) }
        if let news { screen.report(7, news) }
        return try String(contentsOfFile: path, encoding: .utf8)
    }

    @Test("without a terminal a line comes every tenth time")
    func plain() throws {
        let line = "    3 s  30 ticks/s, 90 stored, lag 10, 4 bars, AAPL 1.5  (waiting)\n"
        #expect(try shown(isLive: false, times: 11) == line + line)
    }

    @Test("on a terminal the table is drawn over the one before")
    func live() throws {
        let text = try shown(isLive: true, times: 2)
        #expect(text.contains("AAPL"))
        #expect(text.contains("12 ms"))
        #expect(text.contains("1 2 1 2 300"))
        #expect(text.split(separator: "\u{1b}[6A").count == 2)
        let news = try shown(isLive: true, times: 2, publishing: "TWS is away")
        #expect(news.hasSuffix("\u{1b}[6A\u{1b}[J    7 s  TWS is away\n"))
        #expect(!Terminal(output: -1).isInteractive)
        #expect(Terminal(output: -1).columns == 80)
    }
}
