import MarketModel
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import Testing
import ValkeyClient

@testable import TapelineTool

@Suite("tapeline latest: what is answered")
struct LatestTests {
    private func row(_ kind: String = "trade") throws -> LatestRow {
        LatestRow(
            symbol: try #require(Symbol("AAPL")), source: SourceName("ibkr"), kind: kind,
            unknown: "Valkey has none")
    }

    private func taken(_ texts: [String?], _ kind: String = "trade") throws -> LatestRow {
        var row = try row(kind)
        LatestRun.take(
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
        var row = try taken(["1.5", "", "Q", "3", "ibkr", "71", "", "90000000000", nil])
        row.kept = (from: 71, to: 72)
        row.feed = LatestRun.feed(
            try header(sent: 95, watermark: time(80)),
            promise: try header(.watermark, sent: 98, watermark: time(97)))
        #expect(
            row.line(time(100)) == [
                "AAPL", "trade", "ibkr", "price 1.5 exchange Q", "71", "10.0 s", "Valkey (tape)",
                "live", "\(time(97))", "2",
            ])
        #expect(row.feed?.state(time(104)) == "silent")
        let json = try JSONValue.parse(row.json(time(100)))
        #expect(json["value"]?["price"]?.string == "1.5" && json["behind"]?.int == 2)
        #expect(json["age_ns"]?.int == 10_000_000_000 && json["ordinal"]?.int == 71)
        // A newer value may lie in what the writer did not see.
        row.kept = (from: 72, to: 72)
        #expect(row.behind == nil && row.line(time(100)).last == "unknown")
    }

    @Test("how far a lane is in Valkey: nothing is known of a key that is not whole")
    func kept() {
        func kept(_ texts: [String?]) -> (from: UInt64, to: UInt64)? {
            LatestRun.kept(.array(texts.map { $0.map { .string(Array($0.utf8)) } ?? .null }))
        }
        #expect(kept(["5", "9"]).map { [$0.from, $0.to] } == [5, 9])
        #expect(kept([nil, "9"]) == nil && kept([nil, nil]) == nil && kept(["x", "9"]) == nil)
        #expect(LatestRun.kept(.error("NOPERM no rights")) == nil)
    }

    @Test("what is not known is unknown")
    func unknown() throws {
        #expect(try taken(Array(repeating: nil, count: 9)).unknown == "Valkey has none")
        var wrong = try row()
        LatestRun.take(.error("WRONGTYPE no hash"), into: &wrong)
        #expect(wrong.unknown == "WRONGTYPE no hash" && wrong.age(time(1)) == nil)
        #expect(wrong.line(time(1))[3] == "unknown: WRONGTYPE no hash")
        let bar = try taken(
            ["1", "2", "1", "2", "3", "", "4", "3", "", "", "database", nil, "90000000000"],
            "bar 1m")
        #expect(
            bar.line(time(100)).suffix(6) == [
                "unknown", "10.0 s", "Valkey (database)", "unknown", "unknown", "unknown",
            ])
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
        let places = LatestRun.places(of: source, Partition(3), names)
        #expect(places.map(\.subject) == subjects)
    }

    @Test("a retired source, until it begins again")
    func retired() throws {
        let marker = Timestamp(nanoseconds: Int64.min)
        let end = try header(
            .watermark, sent: 99, watermark: marker, epoch: 3, flags: .retirement)
        let gone = LatestRun.feed(try header(sent: 95, watermark: time(80)), promise: end)
        #expect(gone.state(time(100)) == "retired" && gone.watermark == time(80))
        let again = LatestRun.feed(
            try header(sent: 99, watermark: time(98), epoch: 4), promise: end)
        #expect(again.state(time(100)) == "live")
        #expect(LatestRun.feed(nil, promise: nil).state(time(1)) == "unknown")
    }

    @Test("how it ends: a value that is older than asked for fails, one that is unknown is told")
    func outcome() throws {
        let known = try taken(["1", "", "", "3", "ibkr", "71", "", "90000000000", nil])
        let missing = try row()
        func end(_ rows: [LatestRow], _ fresh: Int64?) -> ExitCode {
            LatestCommand.outcome(rows, fresh: fresh, now: time(100))
        }
        #expect(end([known], nil) == .success && end([known, missing], nil) == .incomplete)
        #expect(end([known], 10_000_000_000) == .success)
        #expect(end([known], 9_999_999_999) == .failure)
        #expect(end([known, missing], 10_000_000_000) == .failure)
    }

    @Test("its arguments")
    func arguments() throws {
        let command = try LatestCommand.parse([
            "AAPL", "MSFT", "--fresh", "500ms", "--series=1m", "--json",
        ])
        #expect(command.symbols.map(\.text) == ["AAPL", "MSFT"] && command.asJSON)
        #expect(command.freshNanoseconds == 500_000_000 && command.series.map(\.text) == ["1m"])
    }
}
