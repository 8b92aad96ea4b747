import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TestSupport
import Testing

@testable import StoreWriter

@Suite("Batches that are too much for one transaction")
struct ManyDaysTests {
    private static let year = 365
    /// The number on each of two partitions.
    private static let instruments = 50

    /// Publishes a year of daily bars of many instruments, each as one packet, as the answer of a
    /// provider brings it.
    private func publishYears(_ bench: WriterBench, _ partition: Int) throws {
        var source = try bench.source(partition, name: "history")
        for number in 0..<Self.instruments {
            let symbol = try source.define("Y\(partition).\(number)", provider: "test")
            for day in 0..<Self.year {
                let open = WriterBench.start - Int64(day + 2) * TableDay.nanoseconds
                var bar = ProviderBar(
                    header: TickHeader(
                        symbol: symbol, providerTime: .undefined,
                        receiveTime: Timestamp(nanoseconds: WriterBench.start)),
                    openTime: Timestamp(nanoseconds: open),
                    closeTime: Timestamp(nanoseconds: open + TableDay.nanoseconds), kind: .trades)
                bar.close = Price(raw: Int64(day + 1))
                source.append { [bar] in $0.append(bar) }
            }
            try source.publish(watermark: .undefined)
        }
    }

    private func publishTicks(_ bench: WriterBench, _ partition: Int, packets: Int) throws {
        var source = try bench.source(partition)
        for _ in 0..<packets {
            WriterBench.fill(&source, ticks: 20)
            try source.publish(watermark: .undefined)
        }
    }

    /// Returns the partitions or chunks of `provider_bars`, each with the transaction that made it.
    private func days(_ mode: DatabaseMode) -> String {
        mode.isPlain
            ? "SELECT oid AS id, xmin AS made_by FROM pg_class "
                + "WHERE relname LIKE 'provider_bars_p2%' AND relkind = 'r'"
            : "SELECT id, xmin AS made_by FROM _timescaledb_catalog.chunk"
    }

    @Test(
        "a year of daily bars of 100 instruments is stored, a few days at a time, beside others",
        arguments: DatabaseMode.here)
    func year(mode: DatabaseMode) throws {
        let bench = try WriterBench(
            try TestTape(NatsServer.shared(), namespace: "wyear\(mode)"),
            try TestDatabase("writer_year", schema: "wyear\(mode)", mode: mode))
        try bench.database.psql("CREATE TABLE made_before AS \(days(mode))")
        for partition in [0, 1] { try publishYears(bench, partition) }
        // More than one portion of a small queue.
        for partition in 0..<4 { try publishTicks(bench, partition, packets: 60) }
        let running = try bench.start(
            ["WRITER_THREADS": "1", "WRITER_QUEUE_ROWS": "1000", "WRITER_BATCH_ROWS": "20"])
        #expect(
            try eventually {
                try bench.database.psql("SELECT count(*) FROM provider_bars")
                    == "\(2 * Self.instruments * Self.year)"
                    && bench.database.psql("SELECT count(*) FROM stored_ticks") == "6"
                    && bench.database.psql(
                        "SELECT sum(rows) FROM stored_ticks WHERE source = 'test'") == "4800"
            }, "\(bench.shown) \(running.reasons)")
        #expect(try running.stop() == .success)
        let made = try bench.database.psql(
            """
            SELECT sum(n), max(n) FROM (SELECT count(*) AS n FROM (\(days(mode))) AS days
                WHERE id NOT IN (SELECT id FROM made_before) GROUP BY made_by) AS made
            """)
        // Partitions of provider bars are months. For a chunk the count may be lower, because it is
        // per part of a transaction.
        let most = made.split(separator: "|").compactMap { Int($0) }
        #expect(
            most.count == 2 && (12...14).contains(most[0]) && most[1] <= TableDay.newDaysMax,
            "\(made)")
        #expect(try bench.missing() == "0")
        // Rows of the other partitions were stored before the first bar of the year.
        try bench.database.expect(
            """
            SELECT count(*) > 0 FROM trade_rows WHERE partition IN (2, 3) AND xmin::text::bigint
                < (SELECT min(xmin::text::bigint) FROM provider_bars)
            """, "t")
    }

    @Test("a batch that runs out of time is halved, until it does not")
    func halved() throws {
        let bench = try WriterBench("writer_halved")
        try bench.database.psql(
            """
            CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF (SELECT count(*) FROM came) > 60 THEN
                    RAISE EXCEPTION 'canceling statement due to statement timeout'
                        USING ERRCODE = '57014';
                END IF;
                RETURN NULL;
            END $$;
            CREATE TRIGGER slow AFTER INSERT ON trade_rows REFERENCING NEW TABLE AS came
                FOR EACH STATEMENT EXECUTE FUNCTION slow()
            """)
        try publishTicks(bench, 0, packets: 60)
        let running = try bench.start(["WRITER_THREADS": "1"])
        #expect(bench.isComplete([1_200]), "\(bench.shown) \(running.reasons)")
        try bench.stopAndAudit(running)
    }

    @Test("bars of many series of a compressed day are corrected in one transaction")
    func compressed() throws {
        guard DatabaseMode.here.contains(.community) else { return }
        let bench = try WriterBench(
            try TestTape(NatsServer.shared(), namespace: "wcomp"),
            try TestDatabase("writer_comp", schema: "wcomp", mode: .community))
        try bench.database.migrate(wishes: Migrator.Wishes(compressAfter: .seconds(7 * 86_400)))
        try bench.database.psql(
            """
            INSERT INTO bars_short (symbol, series, ts, close, volume, notional, trades,
                open_time_ns, close_time, close_time_ns, revision, source, partition, ordinal)
            SELECT 'S' || s, '1s', to_timestamp(1700000000 + n), 1, 1, 1, 1, 1, now(), 1, 0, 's', 0,
                s * 1000 + n
            FROM generate_series(1, 150) s, generate_series(1, 1000) n;
            SELECT public.compress_chunk(c) FROM public.show_chunks('bars_short') AS c
            """)
        var bars = TestSource(bench.tape, Partition(1), source: .operator, kind: .bars)
        let series = try bars.define(series: "1s")
        for number in 1...150 {
            let symbol = try bars.define("S\(number)", provider: "test", of: "desk")
            let open = Timestamp(nanoseconds: 1_700_000_500_000_000_000)
            bars.append(
                Bar(
                    from: open.nanoseconds, symbol: symbol, series: series,
                    close: Price(raw: 2_000_000_000)))
        }
        try bars.publish(watermark: .undefined)
        let running = try bench.start()
        try bench.database.expectSoon(
            "SELECT count(*) FROM bars WHERE close = 2", "150", "\(running.reasons)")
        #expect(try running.stop() == .success)
    }
}
