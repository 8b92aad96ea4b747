import TapeTransport
import MarketModel
import PostgresClient
import Primitives
import ServiceTestSupport
import StoreSinks
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import StoreWriter

@Suite("Rows that the database refuses")
struct PoisonTests {
    /// Ways in which a real database refuses one row.
    enum Poison: String, CaseIterable {
        case constraint, outOfRange, trigger, uniqueIndex, deferred

        /// The statement that makes the database refuse the price 666.
        var sql: String {
            switch self {
            case .constraint: "ALTER TABLE trade_rows ADD CONSTRAINT no_poison CHECK (price <> 666)"
            case .outOfRange:
                """
                CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    new.price := new.price::numeric(11, 9); RETURN new; END $$;
                CREATE TRIGGER no_poison BEFORE INSERT ON trade_rows
                    FOR EACH ROW EXECUTE FUNCTION refuse()
                """
            case .trigger:
                """
                CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    IF new.price = 666 THEN RAISE EXCEPTION 'poison'; END IF; RETURN new; END $$;
                CREATE TRIGGER no_poison BEFORE INSERT ON trade_rows
                    FOR EACH ROW EXECUTE FUNCTION refuse()
                """
            case .uniqueIndex:
                "CREATE UNIQUE INDEX no_poison ON trade_rows_p20231114 ((1)) WHERE price >= 665"
            case .deferred:
                """
                CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    IF new.price = 666 THEN RAISE EXCEPTION 'poison'; END IF; RETURN new; END $$;
                CREATE CONSTRAINT TRIGGER no_poison AFTER INSERT ON trade_rows
                    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()
                """
            }
        }

        var code: String {
            switch self {
            case .constraint: "23514"
            case .outOfRange: "22003"
            case .trigger, .deferred: "P0001"
            case .uniqueIndex: "23505"
            }
        }
    }

    /// Returns prices: 666 for these ordinals, and 1 for the others.
    private func prices(_ count: Int, poison ordinals: Set<Int>) -> [Int64] {
        (1...count).map { ordinals.contains($0) ? 666 : 1 }
    }

    @Test(
        "one of 5,000: 4,999 rows, one letter that says all, balanced books",
        arguments: Poison.allCases)
    func one(poison: Poison) throws {
        let scene = try StoreScene(
            "writer_p\(poison.code)\(poison == .deferred ? "d" : "")".lowercased())
        try scene.psql(poison.sql)
        if poison == .uniqueIndex {
            try scene.write(scene.packets([666]))
            #expect(try scene.letters().isEmpty)
        }
        let first = poison == .uniqueIndex ? 1 : 0
        let packets = scene.packets(prices(5_000, poison: [3_217]))
        let outcome = try scene.write(packets)
        #expect(outcome.counts.map(\.written).reduce(0, +) == 4_999)
        #expect(outcome.counts.map(\.deadLettered) == [0, 0, 0, 1, 0])
        #expect(outcome.rows[.trades] == 4_999)
        try scene.expect("SELECT count(*) FROM trades", "\(4_999 + first)")
        #expect(try scene.books() == "1|\(5_000 + first)|\(4_999 + first)|1|0|0|0")
        try scene.expectCleanAudit()

        let letters = try scene.letters()
        let letter = try #require(letters.first)
        #expect(letters.count == 1 && letter.id == "ticks/1/test/\(3_217 + first)/3")
        #expect(letter.reason == .data && letter.sink == "trades" && letter.symbol == "AAPL")
        #expect(letter.refusal.sqlState == poison.code && !letter.refusal.message.isEmpty)
        if poison == .constraint || poison == .uniqueIndex {
            #expect(letter.refusal.constraint == "no_poison")
        }
        #expect(letter.place.stream == scene.bench.tape.names.tickStream(1))
        #expect(letter.place.streamCreated.nanoseconds == 77)
        #expect(letter.eventTime.nanoseconds == StoreScene.time && letter.count == 1)
        let price = letter.payload.withRawSpan { span -> Int64? in
            var cursor = RecordCursor()
            while let record = cursor.next(in: span) {
                if case .trade(let trade) = record { return trade.price.raw }
            }
            return nil
        }
        #expect(price == 666_000_000_000)
        #expect(
            scene.service.metric("mds_dead_letters_total{reason=\"data\",sink=\"trades\"}") == 1)
        #expect(scene.service.log.text.contains("writer.dead_letters.kept"))

        // The session and the books continue.
        try scene.write(scene.packets(prices(10, poison: [])))
        #expect(try scene.books() == "1|\(5_010 + first)|\(5_009 + first)|1|0|0|0")
    }

    @Test("of a blocked table that takes rows again, bad ones become letters, the newest one, too")
    func blocked() throws {
        let scene = try StoreScene("writer_pblocked")
        try scene.psql(Poison.constraint.sql)
        // While it takes none of the rows that are tried, none is set aside.
        var all = try scene.batch(scene.packets(prices(10, poison: Set(1...10))))
        all.blocked = .trades
        guard case .withheld(let withheld) = try #require(scene.failure(all)) else {
            Issue.record("all are refused")
            return
        }
        #expect(withheld.table == .trades && withheld.reason.contains("still refuses its rows"))
        #expect(try scene.letters().isEmpty)
        for (count, bad) in [(100, [100]), (100, [1, 100]), (2, [2])] {
            let before = try scene.letters().count
            var batch = try scene.batch(scene.packets(prices(count, poison: Set(bad))))
            batch.blocked = .trades
            #expect(scene.failure(batch) == nil, "\(bad)")
            #expect(try scene.letters().count == before + bad.count)
        }
    }

    @Test("20 of 5,000, the first and the last one among them")
    func spread() throws {
        let scene = try StoreScene("writer_p20")
        try scene.psql(Poison.constraint.sql)
        let bad = Set([1, 2, 5_000] + (1...17).map { $0 * 271 })
        try scene.write(scene.packets(prices(5_000, poison: bad)))
        #expect(try scene.books() == "1|5000|4980|20|0|0|0")
        #expect(try scene.letters().map { Int($0.place.ordinal) } == bad.sorted())
        try scene.expect("SELECT count(*), count(DISTINCT ordinal) FROM trades", "4980|4980")
        try scene.expectCleanAudit()
    }

    @Test("a NUL byte in a text")
    func nul() throws {
        let scene = try StoreScene("writer_pnul")
        for detail in ["a", "b\0c", "d"] {
            scene.add(
                GapRecord(
                    header: TickHeader(
                        symbol: 0, providerTime: .undefined,
                        receiveTime: Timestamp(nanoseconds: StoreScene.time)),
                    from: .undefined, to: .undefined, kind: .any, reason: .disconnected,
                    state: .open, detail: detail))
        }
        try scene.write([scene.seal()])
        try scene.expect("SELECT detail FROM gaps ORDER BY ordinal", "a\nd")
        #expect(try scene.letters().map(\.refusal.sqlState) == ["22021"])
        #expect(try scene.books() == "1|3|2|1|0|0|0")
    }

    private func bar(_ number: Int64, close: Int64 = 1) -> Bar {
        var bar = Bar(
            symbol: 0, series: 0,
            openTime: Timestamp(nanoseconds: StoreScene.time + number * 1_000_000_000),
            closeTime: Timestamp(nanoseconds: StoreScene.time + (number + 1) * 1_000_000_000))
        bar.close = Price(raw: close)
        return bar
    }

    @Test("a bar that the merge refuses: the others are merged, later versions win")
    func bars() throws {
        let scene = try StoreScene("writer_pbars", input: .bars)
        try scene.psql("ALTER TABLE bars_short ADD CONSTRAINT no_poison CHECK (close < 600)")
        // Each bar in two versions. If a bar occurs twice in one step, the last version counts.
        for number in 0..<300 as Range<Int64> {
            let isPoison = number == 77 || number == 200
            scene.add(bar(number / 2, close: isPoison ? 666_000_000_000 : number))
        }
        let outcome = try scene.write([scene.seal()])
        #expect(outcome.rows[.bars] == 299)
        #expect(try scene.books() == "1|300|299|1|0|0|0")
        let ordinals = (1...150).map { $0 * 2 }.reduce(0, +)
        try scene.expect(
            "SELECT count(*), sum(replaced), sum(ordinal) FROM bars", "150|149|\(ordinals - 1)",
            "38 has its first version")
        #expect(try scene.letters().map { $0.id } == ["bars/1/operator/78/3"])
        #expect(try scene.letters().allSatisfy { $0.refusal.constraint == "no_poison" })
    }

    @Test("a flood is no poison: nothing is written or set aside until a person has acted")
    func flood() throws {
        let scene = try StoreScene("writer_pflood", ["WRITER_DEAD_LETTERS_MAX": "10"])
        try scene.psql(Poison.constraint.sql)
        let batch = try scene.batch(scene.packets(prices(500, poison: Set(100...110))))
        let error = try #require(scene.failure(batch))
        #expect(error.category == .schema && "\(error)".contains("WRITER_DEAD_LETTERS_MAX"))
        #expect("\(error)".contains("no_poison"))
        #expect(try scene.letters().isEmpty)
        try scene.expect("SELECT count(*) FROM trades", "0")
        #expect(try scene.books() == "")
        #expect(scene.store.isOpen)
        try scene.psql("ALTER TABLE trade_rows DROP CONSTRAINT no_poison")
        try scene.write(batch)
        #expect(try scene.books() == "1|500|500|0|0|0|0")
    }

    @Test("a flood in small batches ends, too: a table that takes no row any more is at fault")
    func slowFlood() throws {
        let scene = try StoreScene("writer_pslow", ["WRITER_DEAD_LETTERS_MAX": "10"])
        try scene.psql(Poison.constraint.sql)
        let poison: [Int64] = [666, 666, 666, 666]
        for _ in 0..<2 { try scene.write(scene.packets(poison)) }
        // An accepted row shows that the table works.
        try scene.write(scene.packets([666, 1, 666]))
        for _ in 0..<2 { try scene.write(scene.packets(poison)) }
        let batch = try scene.batch(scene.packets(poison))
        let error = try #require(scene.failure(batch))
        #expect(error.category == .schema && "\(error)".contains("12 rows of trades"), "\(error)")
        #expect(try scene.letters().count == 18)
        #expect(try scene.books() == "1|19|1|18|0|0|0")
        try scene.psql("ALTER TABLE trade_rows DROP CONSTRAINT no_poison")
        try scene.write(batch)
        #expect(try scene.books() == "1|23|5|18|0|0|0")
    }

    @Test(
        "a table that does not fit makes no letters",
        arguments: [
            ("DROP TABLE trade_rows", "42P01"),
            ("ALTER TABLE trade_rows DROP COLUMN size", "42703"),
            ("ALTER TABLE trade_rows ALTER COLUMN epoch TYPE integer", "22P03"),
            ("ALTER TABLE trade_rows ALTER COLUMN price TYPE double precision", "22P03"),
            ("REVOKE INSERT ON trade_rows FROM PUBLIC, {writer}", "42501"),
        ])
    func schema(change: String, code: String) throws {
        let scene = try StoreScene("writer_ps\(code.lowercased())\(change.count)")
        try scene.psql(
            "\(TestDatabase.withoutMarket); "
                + change.replacing("{writer}", with: scene.bench.database.writer)
                .replacing("DROP TABLE trade_rows", with: "DROP TABLE trade_rows CASCADE"))
        let error = try #require(
            scene.failure(try scene.batch(scene.packets(prices(50, poison: [])))))
        #expect(error.category == .schema, "\(error)")
        #expect(error.ofDatabase?.sqlState?.rawValue == code, "\(error)")
        #expect(try scene.letters().isEmpty)
    }

    @Test("a refusal that no row alone is to blame for is not bisected for ever")
    func unattributable() throws {
        let scene = try StoreScene("writer_pnone")
        try scene.psql(
            """
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                RAISE EXCEPTION 'not like this'; END $$;
            CREATE TRIGGER no_positions BEFORE UPDATE ON sink_positions
                FOR EACH ROW EXECUTE FUNCTION refuse()
            """)
        let error = try #require(scene.failure(try scene.batch(scene.packets([1, 2, 3]))))
        #expect(error.category == .schema && "\(error)".contains("not like this"), "\(error)")
        #expect(try scene.letters().isEmpty)
        try scene.expect("SELECT count(*) FROM trades", "0")
    }
}
