import DeadLetters
import Foundation
import MarketModel
import NatsTransport
import PostgresClient
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

@Suite("tapeline dlq: what is meant")
struct DlqCommandTests {
    private let now = Timestamp(nanoseconds: 1_767_623_390_000_000_000)

    private func parse(_ words: String...) throws(ToolError) -> DlqCommand {
        try DlqCommand.parse(words, now: now)
    }

    @Test("words and options come out as they were given")
    func parses() throws {
        var command = try parse("list", "--reason", "out_of_range", "--sink=bars", "--from", "-1h")
        #expect(command.verb == .list && command.selection.reason == .outOfRange)
        #expect(command.selection.sink == "bars" && !command.selection.isAll)
        #expect(command.selection.since == now.advanced(byNanoseconds: -3_600_000_000_000))
        command = try parse("replay", "ticks/1/a/2/3", "--dry-run", "--nats", "nats://x:1")
        #expect(command.selection.ids == ["ticks/1/a/2/3"] && command.isDryRun)
        #expect(command.target.natsURL == "nats://x:1")
        #expect(try parse("replay", "--all", "--file", "x").file == "x")
        #expect(try parse("export", "-").output == nil)
        #expect(try parse("export", "x", "--sink", "trades").output == "x")
        #expect(try parse("drop", "--to", "now", "--yes").isConfirmed)
    }
}

/// Runs `tapeline dlq …` like the program.
struct DlqTools: Sendable {
    let environment: [String: String]

    /// Returns what the cockpit would say of a replay, by reading alone.
    func review(_ letters: [DeadLetter]) throws -> [String] {
        let database = try Deployment.find(
            TapeTarget(), environment: environment, executable: "/x"
        ).openDatabase()
        defer { database.close() }
        try database.execute("SET default_transaction_read_only = on", timeout: patience)
        let review = LetterReview { sql, values throws(PostgresError) in
            try database.execute(sql, values, timeout: patience)
        }
        return try letters.map { try review.outlook(LetterClaim($0)).word }
    }

    /// The same of all letters of the stream or of a file.
    func review(file: String? = nil) throws -> [String] {
        let lines = try dlq(
            ["show"] + ids(file) + (file.map { ["--file", $0] } ?? []) + ["--json"])
        return try review(
            try lines.output.split(separator: "\n").map { try DeadLetter(json: Array($0.utf8)) })
    }

    private func ids(_ file: String?) throws -> [String] {
        let all = try dlq(["list", "--all", "--json"] + (file.map { ["--file", $0] } ?? [])).json()
        return all["all"]?.array?.compactMap { $0["id"]?.string } ?? []
    }

    func dlq(_ words: String...) throws -> Said { try dlq(words) }

    func dlq(_ words: [String]) throws -> Said { try Said(["dlq"] + words, environment) }
}

@Suite("tapeline dlq, behind a writer at work", .serialized)
struct DlqTests {
    private struct Scene {
        let bench: AcceptBench
        let folder: TemporaryFolder
        let writer: RunningService

        /// A writer that has stored 45 of 50 trades of partition 0. Prices are equal to ordinals.
        init(_ name: String) throws {
            bench = try AcceptBench("dlq_\(name)")
            folder = try TemporaryFolder("dlq")
            _ = try bench.query(
                "ALTER TABLE trade_rows ADD CONSTRAINT no_poison CHECK (price < 6 OR price > 10)")
            var source = try bench.source(0)
            writer = try bench.startWriter()
            for ordinal in 1...50 as ClosedRange<Int64> {
                let time = Timestamp(nanoseconds: 1_700_000_000_000_000_000 + ordinal)
                source.append(
                    Trade(
                        header: TickHeader(symbol: 0, providerTime: time, receiveTime: time),
                        price: Price(raw: ordinal * 1_000_000_000), size: Quantity(raw: 1)))
                if ordinal % 5 == 0 { try source.publish(watermark: .undefined) }
            }
            try expectRows("1-5 11-50")
        }

        func expectRows(
            _ rows: String, _ location: SourceLocation = #_sourceLocation
        ) throws { try bench.expectRows(0, rows, location) }

        var books: String {
            get throws {
                try bench.query("SELECT written, dead_lettered, replayed, missing FROM sink_audit")
            }
        }

        func dlq(_ words: String...) throws -> Said {
            try DlqTools(environment: bench.environment).dlq(words)
        }

        func mend() throws {
            _ = try bench.query("ALTER TABLE trade_rows DROP CONSTRAINT no_poison")
        }
    }

    @Test("listed, shown, replayed once however often it is tried, and dropped")
    func whole() throws {
        let scene = try Scene("whole")
        let list = try scene.dlq("list")
        #expect(list.code == .success)
        #expect(
            list.output.contains("data    trades  23514 no_poison  5        5"), "\(list.output)")
        let all = try scene.dlq("list", "--all").output.split(separator: "\n")
        #expect(all.count == 6 && all[1].hasPrefix("ticks/0/test/6/1  "))
        let json = try scene.dlq("list", "--all", "--json").json()
        #expect(json["letters"]?.int == 5 && json["all"]?.array?.count == 5)
        #expect(json["groups"]?.array?.first?["cause"]?.string == "23514 no_poison")
        #expect(try scene.dlq("list", "--sink", "quotes").output == "no dead letters\n")
        #expect(try scene.dlq("list", "--to", "-1h").output == "no dead letters\n")
        let shown = try scene.dlq("show", "ticks/0/test/7/1").output
        #expect(shown.contains("constraint  no_poison") && shown.contains("MD_TICKS_0 at 2"))
        #expect(throws: ToolError.usage("there is no dead letter 'ticks/0/test/1/1'")) {
            try scene.dlq("show", "ticks/0/test/1/1")
        }

        // Still refused, which is reported letter by letter.
        let early = try scene.dlq("replay", "--all")
        #expect(early.code == .failure)
        #expect(early.output.contains("ticks/0/test/6/1  refused again: "), "\(early.output)")
        #expect(early.output.hasSuffix("5 dead letters: 5 refused\n"))
        #expect(try scene.books == "45|5|0|0")
        // Whether it would be refused again is not known without trying.
        let tools = DlqTools(environment: scene.bench.environment)
        #expect(try tools.review() == Array(repeating: "tried", count: 5))

        try scene.mend()
        let dry = try scene.dlq("replay", "--all", "--dry-run")
        #expect(dry.code == .success && dry.output.hasSuffix("5 dead letters: 5 storable\n"))
        #expect(try scene.books == "45|5|0|0")
        let one = try scene.dlq("replay", "ticks/0/test/8/1")
        #expect(one.output == "ticks/0/test/8/1  stored\n1 dead letter: 1 stored\n")
        #expect(try tools.review() == ["tried", "tried", "present", "tried", "tried"])
        try scene.expectRows("1-5 8-8 11-50")
        let rest = try scene.dlq("replay", "--reason", "data", "--json")
        #expect(rest.code == .success)
        #expect(try rest.json()["stored"]?.int == 4)
        #expect(try rest.json()["present"]?.int == 1)
        let again = try scene.dlq("replay", "--all")
        #expect(again.code == .success && again.output.hasSuffix("5 dead letters: 5 present\n"))
        try scene.expectRows("1-50")
        let sums = "SELECT count(*), count(DISTINCT ordinal), trim_scale(sum(price)) FROM trades"
        #expect(try scene.bench.query(sums) == "50|50|1275")
        #expect(try scene.books == "45|5|5|0")
        try scene.bench.expectCleanAudit()

        #expect(throws: ToolError.self, "nobody is there to be asked") {
            try scene.dlq("drop", "--all")
        }
        #expect(try scene.dlq("drop", "ticks/0/test/9/1", "--yes").code == .success)
        #expect(try scene.dlq("list", "--json").json()["letters"]?.int == 4)
        #expect(try scene.dlq("drop", "--all", "--yes").output.contains("dropped 4 dead letters"))
        #expect(try scene.dlq("list").output == "no dead letters\n")
        #expect(try scene.dlq("replay", "--all").output == "no dead letters to replay\n")
        #expect(try scene.writer.stop() == .success)
    }

    @Test("exported and replayed from the file, two at once: each is stored once")
    func file() throws {
        let scene = try Scene("file")
        let path = scene.folder.file("letters.ndjson")
        #expect(try scene.dlq("export", path).output == "5 dead letters in \(path)\n")
        #expect(throws: ToolError.self) { try scene.dlq("export", path) }
        let text = try scene.dlq("export", "-", "--sink", "trades").output
        #expect(text == (try String(contentsOfFile: path, encoding: .utf8)))
        #expect(try scene.dlq("list", "--file", path, "--json").json()["letters"]?.int == 5)
        #expect(throws: ToolError.self) { try scene.dlq("list", "--file", "/nowhere") }
        try scene.mend()
        let tools = DlqTools(environment: scene.bench.environment)
        let second = try ServiceThread(name: "second") {
            do {
                _ = try tools.dlq("replay", "--all", "--file", path)
            } catch {
                Issue.record(error)
            }
        }
        #expect(try scene.dlq("replay", "--all", "--file", path).code == .success)
        second.join()
        try scene.expectRows("1-50")
        #expect(try scene.books == "45|5|5|0")
        #expect(try scene.bench.query("SELECT count(*) FROM trades") == "50")
        try scene.bench.expectCleanAudit()

        // Lines that are not letters are reported, and the letters beside them are read.
        try Data((text + "x\n").utf8).write(to: URL(fileURLWithPath: path))
        let damaged = try scene.dlq("list", "--file", path)
        #expect(damaged.code == .dataError && damaged.errors.contains("line 6 of"))
        #expect(damaged.output.contains("no_poison"))
    }

    /// Returns the one letter of an id with a change.
    private func changed(
        _ scene: Scene, _ name: String, _ change: (inout DeadLetter) -> Void
    ) throws -> String {
        let text = try scene.dlq("show", "ticks/0/test/6/1", "--json").output
        var letter = try DeadLetter(json: Array(text.utf8.dropLast()))
        change(&letter)
        let path = scene.folder.file(name)
        try Data(letter.json + [10]).write(to: URL(fileURLWithPath: path))
        return path
    }

    @Test("no row is made of what the writer has not settled, does not know, or nobody can read")
    func unsettled() throws {
        let scene = try Scene("unsettled")
        try scene.mend()
        func fate(_ path: String) throws -> String {
            let outcome = try scene.dlq("replay", "--all", "--file", path, "--json")
            #expect(outcome.code == .failure)
            let fate = try outcome.json()["letters"]?.array?.first?["fate"]?.string ?? ""
            // Reading says the same as trying.
            let read = try DlqTools(environment: scene.bench.environment).review(file: path)
            #expect(read == [fate == "refused" ? "tried" : fate])
            return fate
        }
        // Its payload contradicts the letter.
        #expect(try fate(try changed(scene, "a") { $0.place.ordinal = 7 }) == "undecodable")
        #expect(try fate(try changed(scene, "b") { $0.sink = "bars" }) == "undecodable")
        #expect(try fate(try changed(scene, "c") { $0.sink = "" }) == "undecodable")
        #expect(try fate(try changed(scene, "d") { $0.owner = "other" }) == "unknown")
        // Books that this database has not, whatever the name of their store.
        #expect(try fate(try changed(scene, "k") { $0.storeKind = "own" }) == "elsewhere")
        // As if the writer had not reached it.
        let whole = try changed(scene, "e") { _ in }
        _ = try scene.bench.query("UPDATE sink_source_ordinals SET last_ordinal = 5")
        #expect(try fate(whole) == "ahead")
        _ = try scene.bench.query("UPDATE sink_source_ordinals SET last_ordinal = 50")
        #expect(throws: ToolError.self, "of another namespace") {
            try fate(try changed(scene, "f") { $0.namespace = "acme" })
        }
        // The books themselves refuse more than was set aside.
        _ = try scene.bench.query("UPDATE sink_source_ordinals SET dead_lettered = 0")
        #expect(try fate(whole) == "refused")
        _ = try scene.bench.query("UPDATE sink_source_ordinals SET dead_lettered = 5")
        try scene.expectRows("1-5 11-50")
        #expect(try scene.dlq("replay", "--all", "--file", whole).code == .success)
        try scene.expectRows("1-6 11-50")
    }

    @Test("a bar goes through the merge: a later version that stands is left alone")
    func bars() throws {
        let bench = try AcceptBench("dlq_bars")
        _ = try bench.query("ALTER TABLE bars_short ADD CONSTRAINT no_poison CHECK (close < 600)")
        var source = TestSource(bench.tape, Partition(0), source: .operator, kind: .bars)
        let symbol = source.register(
            SymbolDefinition(
                symbol: try #require(Symbol("AAPL")), provider: "ib", since: .undefined,
                source: SourceName("test")))
        let series = source.register(
            SeriesDefinition(
                name: try #require(SeriesName("1s")), widthNanoseconds: 1_000_000_000))
        func publish(_ second: Int64, close: Int64) throws {
            let open = 1_700_000_000_000_000_000 + second * 1_000_000_000
            var bar = Bar(
                symbol: symbol, series: series, openTime: Timestamp(nanoseconds: open),
                closeTime: Timestamp(nanoseconds: open + 1_000_000_000))
            bar.close = Price(raw: close * 1_000_000_000)
            source.append(bar)
            try source.publish(watermark: .undefined)
        }
        try publish(0, close: 1)
        try publish(1, close: 666)
        try publish(2, close: 700)
        try publish(2, close: 3)
        let writer = try bench.startWriter()
        try bench.expect("4") { try bench.query("SELECT last_ordinal FROM sink_source_ordinals") }
        let booked = "SELECT written, dead_lettered, replayed, missing FROM sink_audit"
        let before = try bench.query(booked)
        #expect(["2|2|0|0", "3|1|0|0"].contains(before))
        _ = try bench.query("ALTER TABLE bars_short DROP CONSTRAINT no_poison")
        let scene = DlqTools(environment: bench.environment)
        #expect(try scene.review().filter { $0 == "tried" }.count >= 1)
        let first = try scene.dlq("replay", "--all", "--json").json()
        #expect(first["stored"]?.int == 1)
        #expect(try scene.review().allSatisfy { $0 == "present" })
        let second = try scene.dlq("replay", "--all", "--json").json()
        #expect(second["stored"] == nil)
        #expect(
            try bench.query(
                "SELECT string_agg(trim_scale(close)::text, ' ' ORDER BY ts) FROM bars")
                == "1 666 3")
        #expect(
            try bench.query(
                "SELECT sum(written + replayed) = (SELECT sum(1 + replaced) FROM bars) "
                    + "FROM sink_source_ordinals") == "t")
        #expect(try writer.stop() == .success)
    }
}
