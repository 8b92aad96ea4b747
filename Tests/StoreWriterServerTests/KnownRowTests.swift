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

@Suite("What was known of ticks, values and gaps at a time")
struct KnownRowTests {
    private static let minute: Int64 = 60_000_000_000
    /// 2023-11-14 22:13:20.
    private let start = StoreScene.time

    private func at(_ minutes: Int64) -> Timestamp {
        Timestamp(nanoseconds: start + minutes * Self.minute)
    }

    private func sql(_ minutes: Int64) -> String {
        "timestamptz '2023-11-14 22:13:20Z' + \(minutes) * interval '1 min'"
    }

    /// Writes what was added as one packet, which the tape takes at this minute.
    private func write(
        _ scene: StoreScene, at minutes: Int64, sent: Int64? = nil
    ) throws {
        scene.tapeTime = at(minutes)
        try scene.write([scene.seal(sendTime: at(sent ?? minutes))])
    }

    private func refusal(_ scene: StoreScene, _ sql: String) throws -> String {
        try scene.bench.database.connectWriter().refusal(of: sql, .uncertain)
    }

    @Test("what was left out of the store may be of any time before")
    func leftOut() throws {
        let scene = try StoreScene("writer_kt")
        for number in 0..<3 { scene.add(price: Int64(number + 1), at: at(0).nanoseconds) }
        try write(scene, at: 0)
        try write(scene, at: 90)
        let range = "'{AAPL}', '2023-11-14', '2023-11-15'"
        let known = "SELECT count(*) FROM wkt_market.trades_as_of"
        try scene.psql(
            TestDatabase.advanceAgain(
                more: ", 'left_out', true, 'tape_time_ns', tape_time_ns + 60000000000"))
        try scene.expect("\(known)(\(sql(89)), \(range))", "3")
        #expect(
            try refusal(scene, "\(known)(\(sql(90)), \(range))")
                .contains("of partition 1 is not all stored: not_written"))
        // Bars have losses of their own.
        try scene.expect(
            "SELECT count(*) FROM wkt_market.bars_as_of(\(sql(90)), '{AAPL}', '1s', "
                + "'2023-11-14', '2023-11-15')", "0")
    }

    @Test("a row whose time on the tape is not known is in no answer before its receipt")
    func unknown() throws {
        let scene = try StoreScene("writer_ku")
        scene.add(price: 1, at: at(10).nanoseconds)
        try write(scene, at: 10)
        try write(scene, at: 20)
        try scene.psql("DELETE FROM stored_stretches")
        let range = "'{AAPL}', '2023-11-14', '2023-11-15'"
        let asked = "SELECT count(*) FROM wku_market.trades_as_of"
        try scene.expect("\(asked)(\(sql(5)), \(range))", "0")
        #expect(
            try refusal(scene, "\(asked)(\(sql(15)), \(range))")
                .contains("it is not known when the tape took ordinal"))
        try scene.expect("\(asked)(\(sql(15)), \(range), true)", "1")
    }

    @Test(
        "a gap that may have begun among lost records is not denied for a later range",
        arguments: [
            ("writer_kl", 0, "AAPL"),
            // Of a whole partition.
            ("writer_kz", TickHeader.noSymbol, "all symbols"),
        ] as [(String, UInt32, String)])
    func lostBeginning(name: String, symbol: UInt32, told: String) throws {
        let scene = try StoreScene(name)
        func add(_ kind: DataKind, _ minutes: Int64, to end: Timestamp) {
            scene.add(
                GapRecord(
                    header: TickHeader(
                        symbol: symbol, providerTime: .undefined, receiveTime: at(minutes)),
                    from: at(10), to: end, kind: kind, reason: .disconnected, state: .open))
        }
        try write(scene, at: 1)
        // The beginning of the gap of quotes is stored. That of trades ended before it is told.
        add(.quote, 11, to: .undefined)
        try write(scene, at: 11)
        add(.quote, 60, to: at(50))
        add(.trade, 60, to: at(50))
        try write(scene, at: 60)
        try write(scene, at: 90)
        func asked(_ minutes: Int64, symbols: String = "'{AAPL}'") -> String {
            "SELECT count(*) FROM \(scene.bench.tape.names.namespace)_market.gaps_as_of("
                + "\(sql(minutes)), \(symbols), \(sql(20)), \(sql(30)))"
        }
        #expect(try scene.psql(asked(40)) == "1" && scene.psql(asked(61)) == "2")
        try scene.psql(
            """
            INSERT INTO version_losses (input, partition, from_at, to_at, reason)
            SELECT 'ticks', partition, \(sql(9)), \(sql(12)), 'hole' FROM gaps LIMIT 1
            """)
        for symbols in ["'{AAPL}'", "NULL"] {
            #expect(
                try refusal(scene, asked(40, symbols: symbols)).contains(
                    "a gap of \(told) from 2023-11-14 22:23:20+00 may have been known"))
        }
        try scene.expect(asked(61), "2")
        // What began after a loss was not lost with it.
        try scene.psql("UPDATE version_losses SET from_at = \(sql(2)), to_at = \(sql(9))")
        try scene.expect(asked(40), "1")
        // Nor was what is stored.
        try scene.psql(
            """
            UPDATE version_losses SET from_at = \(sql(9)), to_at = \(sql(12));
            DELETE FROM gaps WHERE kind = 'trade'
            """)
        #expect(try scene.psql(asked(40)) == "1" && scene.psql(asked(40, symbols: "NULL")) == "1")
    }

    @Test("stretches that are older than all rows become one, and changes go with their trades")
    func beside() throws {
        let scene = try StoreScene("writer_kb")
        scene.add(price: 1)
        try write(scene, at: 0)
        try scene.psql(
            """
            INSERT INTO retention_least VALUES ('trades', '30 days');
            INSERT INTO version_losses (input, partition, from_at, to_at, reason)
            SELECT input, n % 2, now() - n * interval '1 day',
                now() - n * interval '1 day' + interval '1 h', 'hole'
            FROM generate_series(1, 100) AS n, (VALUES ('ticks'), ('bars')) AS i (input);
            INSERT INTO changes_by_id (symbol, provider_id, action, source, partition, epoch,
                ordinal, stream_created_ns, sequence, receive_time, noted_at)
            SELECT 'AAPL', n, 2, 't', 1, 1, n, 0, n, now(),
                now() - n * interval '1 day' + interval '1 h'
            FROM generate_series(1, 100) AS n;
            SELECT make_time_partition('bars_short', now());
            INSERT INTO bars_short (symbol, series, ts, volume, notional, trades, open_time_ns,
                close_time, close_time_ns, revision, source, partition, ordinal)
            SELECT 'AAPL', '1m', now(), 1, 1, 1, 0, now(), 0, 1, 's', 0, 1
            """)
        let owner = "SET ROLE \(scene.bench.database.migrator); SELECT drop_stretches()"
        try scene.psql(owner)
        try scene.psql(owner)
        try scene.expect(
            """
            SELECT input, count(*), count(*) FILTER (WHERE reason = 'earlier'),
                min(from_at) < now() - interval '99 days' FROM version_losses
            GROUP BY input ORDER BY input
            """, "bars|100|0|t\nticks|33|2|t")
        // No day of trades was dropped yet.
        let changes = "SELECT count(*), max(now() - noted_at) < interval '21 d' FROM changes_by_id"
        try scene.expect(changes, "100|f")
        try scene.psql(
            """
            INSERT INTO retired_rows (table_name, input, source, partition, rows, last_ordinal,
                until)
            VALUES ('trades', 'ticks', 't', 1, 1, 1, now() - interval '19 days');
            \(owner)
            """)
        try scene.expect(changes, "20|t")
    }

    @Test("when the tape took rows is deleted with the last rows of that time")
    func retention() throws {
        let scene = try StoreScene("writer_kr")
        scene.add(price: 1)
        try write(scene, at: 0)
        let owner = "SET ROLE \(scene.bench.database.migrator); SELECT drop_stretches()"
        let count = "SELECT count(*) FROM stored_stretches"
        try scene.psql(owner)
        try scene.expect(count, "1")
        // Quotes have no rows.
        try scene.psql(
            """
            INSERT INTO retention_least VALUES ('trades', '30 days'), ('quotes', '99999 days')
            """)
        try scene.psql(owner)
        try scene.expect(count, "0")
    }
}
