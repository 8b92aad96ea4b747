import MarketModel
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import Testing
import ValkeyClient

@testable import LatestValues
@testable import TapelineTool

@Suite("tapeline latest: what is answered")
struct LatestTests {
    private func row(_ kind: String = "trade") throws -> LatestValue {
        LatestValue(
            symbol: try #require(Symbol("AAPL")), source: SourceName("ibkr"), kind: kind,
            unknown: "Valkey has none")
    }

    private func taken(_ texts: [String?], _ kind: String = "trade") throws -> LatestValue {
        var row = try row(kind)
        LatestReader.take(
            .array(texts.map { $0.map { .string(Array($0.utf8)) } ?? .null }), into: &row)
        return row
    }

    private func time(_ seconds: Int64) -> Timestamp {
        Timestamp(nanoseconds: seconds * 1_000_000_000)
    }

    private func header(
        _ kind: PacketKind = .ticks, sent seconds: Int64, watermark: Timestamp, epoch: UInt64 = 2,
        flags: PacketFlags = []
    ) throws -> PacketHeader {
        var header = PacketHeader(
            kind: kind, flags: flags, partition: Partition(3),
            source: try #require(SourceName("ibkr")), epoch: epoch, firstOrdinal: 70,
            watermark: watermark, sendTime: time(seconds))
        header.tickCount = 5
        return header
    }

    @Test("a value with its place, its age and how far Valkey is behind")
    func value() throws {
        var row = try taken(["1.5", "", "Q", "3", "ibkr", "71", "", "90000000000", nil, "1"])
        row.kept = (from: 71, to: 72)
        row.feed = LatestValue.Feed(
            try header(sent: 95, watermark: time(80)),
            promise: try header(.watermark, sent: 98, watermark: time(97)))
        #expect(
            LatestTable.line(row, time(100)) == [
                "AAPL", "trade", "ibkr", "price 1.5 exchange Q", "71", "10.0 s", "Valkey (tape)",
                "live", "\(time(97))", "2", "unknown",
            ])
        #expect(row.feed?.state(time(104)) == "silent")
        let json = try JSONValue.parse(JSONWriter.made { row.write(into: &$0, time(100)) }.text)
        #expect(json["value"]?["price"]?.string == "1.5" && json["behind"]?.int == 2)
        #expect(json["age_ns"]?.int == 10_000_000_000 && json["ordinal"]?.int == 71)
        #expect(json["watermark_ns"]?.int == 97_000_000_000)
        var silent = row
        silent.feed = nil
        let unknown = try JSONValue.parse(
            JSONWriter.made { silent.write(into: &$0, time(100)) }.text)
        #expect(unknown["watermark"] == .null && unknown["feed"]?.string == "unknown")
        // A newer value may lie in what the writer did not see.
        row.kept = (from: 72, to: 72)
        #expect(row.behind == nil && LatestTable.line(row, time(100))[9] == "unknown")
    }

    @Test("how far a lane is in Valkey: nothing is known of a key that is not whole")
    func kept() {
        func kept(_ texts: [String?]) -> (from: UInt64, to: UInt64)? {
            LatestReader.kept(.array(texts.map { $0.map { .string(Array($0.utf8)) } ?? .null }))
        }
        #expect(kept(["5", "9"]).map { [$0.from, $0.to] } == [5, 9])
        #expect(kept([nil, "9"]) == nil && kept([nil, nil]) == nil && kept(["x", "9"]) == nil)
        #expect(LatestReader.kept(.error("NOPERM no rights")) == nil)
    }

    @Test("what is not known is unknown")
    func unknown() throws {
        #expect(try taken(Array(repeating: nil, count: 10)).unknown == "Valkey has none")
        var wrong = try row()
        LatestReader.take(.error("WRONGTYPE no hash"), into: &wrong)
        #expect(wrong.unknown == "WRONGTYPE no hash" && wrong.age(time(1)) == nil)
        #expect(LatestTable.line(wrong, time(1))[3] == "unknown: WRONGTYPE no hash")
        let bar = try taken(
            ["1", "2", "1", "2", "3", "", "4", "3", "", "", "database", nil, "90000000000", "7"],
            "bar 1m")
        #expect(
            LatestTable.line(bar, time(100)).suffix(7) == [
                "unknown", "10.0 s", "Valkey (database)", "unknown", "unknown", "unknown",
                "unknown",
            ])
    }

    @Test("what is missing of a symbol: of its own, and of all of its source and partition")
    func gaps() throws {
        let trade = try taken(["1", "", "", "3", "ibkr", "71", "", "90000000000", nil, "1"])
        let bar = try taken(
            ["1", "2", "1", "2", "3", "", "4", "3", "ibkr", "9", "", nil, "90000000000", "7"],
            "bar 1m")
        var lane = LatestValue.Feed()
        lane.recordsAt = time(95)
        var values = [trade, bar, try row("quote")]
        for index in values.indices { values[index].feed = lane }
        var open = OpenGaps()
        func add(_ symbol: String?, _ source: String, _ kind: String, _ partition: Int64) {
            let key = OpenGaps.Key(
                symbol: symbol, source: source, kind: kind, partition: partition)
            // Each count is another bit.
            open.counts[key] = 1 << UInt64(open.counts.count)
        }
        add("AAPL", "ibkr", "trade", 3)
        add(nil, "ibkr", "trade", 3)
        add("AAPL", "ibkr", "quote", 3)
        add("AAPL", "other", "trade", 3)
        add("MSFT", "ibkr", "trade", 3)
        add(nil, "ibkr", "trade", 7)
        open.storedAt = [3: time(95)]
        values.add(open)
        #expect(values.map(\.gaps) == [3, nil, nil])
        open.counts = [:]
        values.add(open)
        #expect(values.map(\.gaps) == [0, nil, nil])
        // A store that stands still does not know what came since.
        open.storedAt = [3: time(89), 7: time(95)]
        values.add(open)
        #expect(values[0].gaps == nil)
        values[0].feed = nil
        open.storedAt = [3: time(95)]
        values.add(open)
        #expect(values[0].gaps == nil)
    }

    @Test("no answer is older than one before, whatever lane or kind comes between")
    func memory() throws {
        var memory = LatestMemory()
        func admitted(_ ordinal: String, lane: String = "ibkr") throws -> String? {
            var values = [
                try taken(["1", "", "", "3", lane, ordinal, "", "90000000000", nil, "1"])
            ]
            memory.admit(&values)
            return values[0].unknown ?? values[0].ordinal.map(String.init)
        }
        #expect(try admitted("71") == "71" && admitted("72") == "72" && admitted("72") == "72")
        #expect(try admitted("1", lane: "manual") == "1")
        #expect(try admitted("71") == "Valkey has an older one than was shown before")
        func bar(_ order: String) throws -> String? {
            var values = [
                try taken(
                    ["1", "2", "1", "2", "3", "", "4", "3", "", "", "", nil, "1", order], "bar 1m")
            ]
            memory.admit(&values)
            return values[0].unknown
        }
        #expect(try bar("5") == nil && bar("6") == nil && bar("5") != nil)
    }

    @Test("what the database had hides nothing that came after it on a tape that was made again")
    func filled() throws {
        func admitted(
            _ memory: inout LatestMemory, _ ordinal: String, _ order: String, filled: Bool = false
        ) throws -> String? {
            var values = [
                try taken([
                    "1", "", "", "3", "ibkr", ordinal, filled ? "database" : "", "90000000000", nil,
                    order,
                ])
            ]
            memory.admit(&values)
            return values[0].unknown ?? values[0].ordinal.map(String.init)
        }
        let older = "Valkey has an older one than was shown before"
        var memory = LatestMemory()
        #expect(try admitted(&memory, "1000", "20", filled: true) == "1000")
        // It came before what the database had, so it is older.
        #expect(try admitted(&memory, "5", "20") == older && admitted(&memory, "5", "19") == older)
        #expect(try admitted(&memory, "900", "30", filled: true) == older)
        #expect(try admitted(&memory, "5", "21") == "5" && admitted(&memory, "6", "22") == "6")
        #expect(try admitted(&memory, "5", "23") == older)
        #expect(try admitted(&memory, "7", "24") == "7")
    }

    @Test(
        "beyond the most that are remembered those go that were not asked for for the longest time")
    func forgotten() throws {
        var memory = LatestMemory(valuesMax: 2)
        func isAdmitted(_ symbol: String, _ ordinal: UInt64) throws -> Bool {
            var value = LatestValue(
                symbol: try #require(Symbol(symbol)), source: SourceName("ibkr"), kind: "trade")
            value.ordinal = ordinal
            var values = [value]
            memory.admit(&values)
            return values[0].unknown == nil
        }
        for symbol in ["A", "B", "C"] { #expect(try isAdmitted(symbol, 5)) }
        // A is asked for again, so B is forgotten before it.
        #expect(try !isAdmitted("A", 4))
        #expect(try isAdmitted("D", 5) && isAdmitted("E", 5))
        #expect(try !isAdmitted("A", 4))
        #expect(try isAdmitted("B", 4))
    }

    @Test(
        "where the head of a lane is",
        arguments: [
            ("ibkr", ["md.ticks.3.ibkr", "md.wm.3.ibkr"]),
            ("operator", ["md.bars.3", "md.bars.3"]),
            ("universe", ["md.all.universe", "md.all.universe"]),
        ])
    func places(source: String, subjects: [String]) throws {
        let names = try #require(TapeNames(namespace: "md", partitions: 8))
        let source = try #require(SourceName(source))
        let places = LatestValue.Feed.places(of: source, Partition(3), names)
        #expect(places.map(\.subject) == subjects)
    }

    @Test("a retired source, until it begins again")
    func retired() throws {
        let marker = Timestamp(nanoseconds: Int64.min)
        let end = try header(
            .watermark, sent: 99, watermark: marker, epoch: 3, flags: .retirement)
        let gone = LatestValue.Feed(try header(sent: 95, watermark: time(80)), promise: end)
        #expect(gone.state(time(100)) == "retired" && gone.watermark == time(80))
        let again = LatestValue.Feed(
            try header(sent: 99, watermark: time(98), epoch: 4), promise: end)
        #expect(again.state(time(100)) == "live")
        #expect(LatestValue.Feed(nil, promise: nil).state(time(1)) == "unknown")
    }

    @Test("how it ends: a value that is older than asked for fails, one that is unknown is told")
    func outcome() throws {
        let known = try taken(["1", "", "", "3", "ibkr", "71", "", "90000000000", nil, "1"])
        let missing = try row()
        func end(_ rows: [LatestValue], _ fresh: Int64?) -> ExitCode {
            LatestCommand.outcome(rows, fresh: fresh, now: time(100))
        }
        #expect(end([known], nil) == .success && end([known, missing], nil) == .incomplete)
        #expect(end([known], 10_000_000_000) == .success)
        #expect(end([known], 9_999_999_999) == .failure)
        #expect(end([known, missing], 10_000_000_000) == .failure)
    }

    @Test("a series of which no bar is stored is named; one without a bar of this symbol is not")
    func series() throws {
        var values = [
            try row("bar 9z"), try row("bar 1m"), try row("trade"), try row("bar 9z"),
        ]
        values[3].unknown = "NOPERM no rights"
        LatestCommand.name(&values, stored: ["1m", "1s"])
        #expect(
            values.map(\.unknown) == [
                "no such series is stored: there are 1m, 1s", "Valkey has none", "Valkey has none",
                "NOPERM no rights",
            ])
    }

    @Test("all that is wrong with its arguments is reported at once")
    func problems() throws {
        let error = #expect(throws: ToolError.self) {
            try LatestCommand.parse([
                "A,B", "--fresh", "5", "--series", "a:b", "--source", "Q", "--name", "x", "--nats",
                "nats://h",
            ])
        }
        let text = "\(try #require(error))"
        for part in ["'A,B'", "'5'", "'a:b'", "'Q'", "--name"] { #expect(text.contains(part)) }
    }

    @Test("its arguments")
    func arguments() throws {
        let command = try LatestCommand.parse([
            "AAPL", "MSFT", "--fresh", "500ms", "--series=1m,5m", "--series=1m", "--json",
        ])
        #expect(command.symbols.map(\.text) == ["AAPL", "MSFT"] && command.asJSON)
        #expect(
            command.freshNanoseconds == 500_000_000 && command.series.map(\.text) == ["1m", "5m"])
    }
}
