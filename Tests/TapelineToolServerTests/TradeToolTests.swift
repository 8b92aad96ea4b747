import MarketModel
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

/// What `tapeline trade` accepts, and what it makes of a trade that was found.
@Suite("tapeline trade") struct TradeToolTests {
    private static let place = "ibkr/3/1042"

    @Test("arguments")
    func arguments() throws {
        let cancel = try TradeCommand.parse(["cancel", Self.place, "--note", "busted"])
        #expect(cancel.action == .cancel && cancel.note == "busted")
        #expect("\(cancel.address)" == Self.place && cancel.address.ordinal == 1_042)
        #expect(cancel.waitSeconds == nil && !cancel.isConfirmed && !cancel.isDryRun)
        let correct = try TradeCommand.parse([
            "correct", Self.place, "--price", "-1.25", "--note", "n", "--wait", "--timeout", "5",
            "--yes", "--json",
        ])
        let price = try Price("-1.25")
        #expect(correct.price == price && correct.size == nil)
        #expect(correct.waitSeconds == 5 && correct.isConfirmed && correct.asJSON)
    }

    private func tradeOnTape(id: UInt64 = 0) throws -> TradeOnTape {
        let time = Timestamp(nanoseconds: 1_800_000_000_000_000_000)
        return TradeOnTape(
            address: try #require(TickAddress(Self.place)),
            trade: Trade(
                header: TickHeader(
                    symbol: 0, providerTime: time, receiveTime: time, providerID: id),
                price: try Price("10"), size: try Quantity("100")),
            symbol: try #require(Symbol("AAPL")), owner: SourceName("ibkr"))
    }

    private func record(
        _ found: TradeOnTape, _ arguments: String...
    ) throws -> TradeChange {
        let command = try TradeCommand.parse(
            [arguments[0], Self.place, "--note", "why"] + arguments.dropFirst())
        return try found.record(
            for: command, requester: "ada@desk", now: Timestamp(nanoseconds: 5))
    }

    private func refusal(_ found: TradeOnTape, _ arguments: [String]) throws -> String {
        let command = try TradeCommand.parse(
            [arguments[0], Self.place, "--note", "why"] + arguments.dropFirst())
        return complaint {
            try found.record(for: command, requester: "", now: Timestamp(nanoseconds: 5))
        }
    }

    @Test("a record names the trade by its place and time, and says who and why")
    func record() throws {
        let found = try tradeOnTape()
        let cancel = try record(found, "cancel")
        #expect(cancel.source.text == "ibkr" && cancel.ordinal == 1_042)
        #expect(cancel.header.eventTime == found.trade.header.eventTime)
        #expect(cancel.requester == "ada@desk" && cancel.note == "why")
        #expect(!cancel.price.isDefined && !cancel.size.isDefined)
        // What is not given stays as it is now.
        let correct = try record(found, "correct", "--size", "7")
        #expect(correct.price == found.trade.price && correct.size.raw == 700_000_000)
    }

    @Test("what would change nothing is refused, with what to do")
    func refusals() throws {
        var found = try tradeOnTape()
        #expect(try refusal(found, ["restore"]).contains("nothing to take back"))
        #expect(try refusal(found, ["correct", "--price", "10"]).contains("already counts"))
        found.provider = .cancelled
        #expect(try refusal(found, ["cancel"]).contains("cancelled by its provider"))
        #expect(try refusal(found, ["restore"]).contains("tapeline trade correct"))
        #expect(try refusal(found, ["correct", "--price", "10"]).isEmpty)
        found.provider = .nothing
        found.change = try record(found, "cancel")
        #expect(try refusal(found, ["cancel"]).contains("cancelled by ada@desk"))
        #expect(try refusal(found, ["restore"]).isEmpty)
        #expect(try refusal(found, ["correct", "--price", "10"]).isEmpty)
        found.change = nil
        found.change = try record(found, "correct", "--price", "12")
        #expect(try refusal(found, ["correct", "--price", "12"]).contains("already counts"))
        #expect(try refusal(found, ["cancel"]).isEmpty)
        let more = try record(found, "correct", "--size", "3")
        #expect(more.price.raw == 12_000_000_000 && more.size.raw == 300_000_000)
    }
}

extension TradeToolTests {
    @Test("without a database both values are wanted of a trade that its provider may have changed")
    func unknown() throws {
        var found = try tradeOnTape(id: 7)
        found.provider = .unknown
        #expect(try refusal(found, ["correct", "--price", "12"]).contains("--price and --size"))
        #expect(try refusal(found, ["correct", "--size", "12"]).contains("--price and --size"))
        #expect(try refusal(found, ["correct", "--price", "12", "--size", "1"]).isEmpty)
        #expect(try refusal(found, ["cancel"]).isEmpty)
        #expect(try refusal(found, ["restore"]).contains("nothing to take back"))
        found.change = try record(found, "correct", "--price", "12", "--size", "1")
        #expect(try refusal(found, ["correct", "--price", "13"]).isEmpty)
        // Nothing on the tape can be about a trade without an id.
        found = try self.tradeOnTape()
        found.provider = .unknown
        #expect(try refusal(found, ["correct", "--price", "12"]).isEmpty)
    }
}

/// One of three equal prints is cancelled, corrected and restored by the tool, through NATS, a real
/// worker and a real writer to the tables.
@Suite("tapeline trade with all servers", .serialized) struct TradeServerTests {
    private func run(_ arguments: [String], on bench: AcceptBench) throws -> Said {
        try Said(["trade"] + arguments, bench.environment)
    }

    /// Three equal prints without an id between two other trades, and their addresses.
    private func equalPrints(_ name: String) throws -> (BustedRowsTests.Scene, [String]) {
        var scene = try BustedRowsTests.Scene(name)
        scene.trade(0)
        for _ in 0..<3 { scene.trade(1, price: 200, id: 0) }
        scene.trade(4)
        try scene.publish(reached: 60)
        try scene.expect("1s", second: 0, "4 100 200 200 4 closed 0 0 0")
        try scene.expect("1s", second: 1, "1 104 104 104 1 closed 0 0 0")
        let ids = try scene.bench.query(
            "SELECT string_agg(tick_id, ' ' ORDER BY tick_id) FROM md_market.trades "
                + "WHERE price = 200")
        let places = ids.split(separator: " ").map(String.init)
        try #require(places.count == 3, "\(ids)")
        return (scene, places)
    }

    @Test("of three equal prints exactly the named one is cancelled, and its bar has a new version")
    func cancelled() throws {
        let (scene, places) = try equalPrints("cancel")
        let named = places[1]
        let revision = try revision(scene)
        let cancel = try run(
            ["cancel", named, "--note", "busted", "--yes", "--wait"], on: scene.bench)
        #expect(cancel.code == .success, "\(cancel.output)")
        // With `--wait` the tables have it when the command ends.
        #expect(try self.revision(scene) > revision)
        #expect(try effective(scene) == "\(places[0]) \(places[2])")
        #expect(cancel.output.contains("trade \(named): AAPL"))
        try scene.expect("1s", second: 0, "3 100 200 200 3 bust 1 1 0")
        try scene.expect("1s", second: 1, "1 104 104 104 1 closed 0 0 0")
        let second = try self.revision(scene)
        #expect(second > revision)
        #expect(cancel.output.contains("revision \(second), 3 trades"), "\(cancel.output)")
        #expect(try effective(scene) == "\(places[0]) \(places[2])")
        #expect(
            complaint { try run(["cancel", named, "--note", "busted", "--yes"], on: scene.bench) }
                .contains("restore"))
        try BustedRowsTests().stopAndAudit(scene)
    }

    @Test("a correction and a restore by address, with all that was done on record")
    func corrected() throws {
        let (scene, places) = try equalPrints("correct")
        let named = places[1]
        let correct = try run(
            ["correct", named, "--price", "300", "--size", "5", "--note", "typed", "--yes"],
            on: scene.bench)
        #expect(correct.code == .success, "\(correct.output)")
        try scene.expect("1s", second: 0, "4 100 300 200 8 bust 1 0 0")
        let restore = try run(
            ["restore", named, "--note", "was right", "--yes", "--wait", "--json"],
            on: scene.bench)
        #expect(restore.code == .success, "\(restore.output)")
        try scene.expect("1s", second: 0, "4 100 200 200 4 bust 2 0 0")
        #expect(try effective(scene) == places.joined(separator: " "))
        // A correction and a cancel stay, for the audit and the proof.
        let last = try run(
            ["cancel", places[2], "--note", "this one", "--yes"], on: scene.bench)
        #expect(last.code == .success, "\(last.output)")
        try scene.expect("1s", second: 0, "3 100 200 200 3 bust 3 1 0")
        _ = try run(
            ["correct", places[0], "--price", "150", "--note", "less", "--yes"], on: scene.bench)
        try scene.expect("1s", second: 0, "3 100 200 200 3 bust 4 1 0")
        #expect(try effective(scene) == named)
        let wanted = """
            \(named) correct typed f, \(named) restore was right f, \
            \(places[2]) cancel this one t, \
            \(places[0]) correct less t
            """
        try scene.bench.expect(wanted) { try changes(scene) }
        // As if the tape had taken it back, and the writer had not stored that yet.
        #expect(try word(of: places[2], takenBack: true, scene.bench).contains("try again"))
        #expect(try word(of: places[2], takenBack: false, scene.bench).isEmpty)
        #expect(try word(of: named, takenBack: false, scene.bench).isEmpty)
        try BustedRowsTests().stopAndAudit(scene)
    }

    /// Returns why the tables do not tell what the provider said of a trade; empty: they do.
    private func word(
        of place: String, takenBack: Bool, _ bench: AcceptBench
    ) throws -> String {
        let deployment = try Deployment.find(
            TapeTarget(), environment: bench.environment, executable: "/x")
        let client = try deployment.openTape()
        defer { client.close() }
        var found = try TradeLookup(
            client: client, address: try #require(TickAddress(place)), shutdown: ShutdownSignal()
        ).trade()
        if takenBack { found.change = nil }
        return complaint { try TradeTables(deployment).word(of: found) }
    }

    private func revision(_ scene: BustedRowsTests.Scene) throws -> Int {
        let text = try scene.bench.query(
            "SELECT revision FROM bars WHERE series = '1s' ORDER BY open_time_ns LIMIT 1")
        return try #require(Int(text))
    }

    private func effective(_ scene: BustedRowsTests.Scene) throws -> String {
        try scene.bench.query(
            "SELECT string_agg(tick_id, ' ' ORDER BY tick_id) FROM md_market.trades_effective "
                + "WHERE price = 200")
    }

    private func changes(_ scene: BustedRowsTests.Scene) throws -> String {
        try scene.bench.query(
            """
            SELECT string_agg(concat_ws(' ', tick_id, change, note, is_in_force), ', '
                ORDER BY changed_at) FROM md_market.trade_changes WHERE changed_by <> ''
            """)
    }

    @Test("addresses of nothing, of quotes and of cancels are refused in one line")
    func wrongAddresses() throws {
        var scene = try BustedRowsTests.Scene("places")
        scene.trade(0)
        scene.quote(1, bid: Price(raw: 1), ask: Price(raw: 2))
        scene.trade(2)
        try scene.publish(reached: 60)
        try scene.expect("1s", second: 0, "2 100 102 102 2 closed 0 0 0")
        scene.trade(0, .cancel)
        try scene.publish(reached: 61)
        try scene.expect("1s", second: 0, "1 102 102 102 1 bust 1 2 0")
        let partition = scene.bench.tape.names.partition(of: try #require(Symbol("AAPL")))
        let lines = [
            ("test/\(partition)/99", "the last ordinal of test"),
            ("other/\(partition)/1", "sent nothing"), ("test/1023/1", "partitions"),
            ("test/\(partition)/2", "is a quote"), ("test/\(partition)/4", "cancel or correction"),
            ("test/\(partition)/1", "cancelled by its provider"),
        ]
        for (place, wanted) in lines {
            let text = complaint {
                try run(["cancel", place, "--note", "n", "--yes"], on: scene.bench)
            }
            #expect(text.contains(wanted) && !text.contains("\n"), "\(place): \(text)")
        }
        let dry = try run(
            ["cancel", "test/\(partition)/3", "--note", "n", "--dry-run"], on: scene.bench)
        #expect(dry.code == .success && dry.output.contains("1s"), "\(dry.output)")
        try BustedRowsTests().stopAndAudit(scene)
    }
}
