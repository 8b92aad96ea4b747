import MarketModel
import PostgresClient
import Primitives
import StoredBars
import TestSupport
import Testing

@testable import StoreWriter

/// What the cockpit and the tool ask of bars, on each kind of database, with the rights of a
/// reader.
@Suite("Stored bars for people")
struct StoredBarTests {
    /// 2024-03-05 10:00 UTC, in seconds.
    private static let start: Int64 = 1_709_632_800

    private static func time(_ minute: Int64) -> Timestamp {
        Timestamp(nanoseconds: (start + minute * 60) * 1_000_000_000)
    }

    private struct Bench {
        let database: TestDatabase
        let reader: BarReader
        var symbol: Symbol
        let source: SourceName
        let series: SeriesName
        /// A wall clock at which the bars are new.
        let now = StoredBarTests.time(1_000)

        init(_ name: String, _ mode: DatabaseMode) throws {
            database = try TestDatabase(name, mode: mode)
            try database.migrateForReaders()
            try database.takeAllTimes()
            let session = try database.connect(
                database.readersMember, searchPath: database.schema.searchPath)
            reader = BarReader { sql, parameters throws(PostgresError) in
                try session.rows(sql, parameters, timeout: patience)
            }
            symbol = try #require(Symbol("A"))
            source = try #require(SourceName("s"))
            series = try #require(SeriesName("1m"))
        }

        /// Stores a version of each bar of these minutes, as the writer does. Its close is its
        /// revision.
        func put(
            _ minutes: ClosedRange<Int>, revision: Int, source: String = "s", symbol: String? = nil,
            series: String = "1m"
        ) throws {
            try database.psql(
                """
                SELECT note_series('{\(series)}', '{f}');
                INSERT INTO bars_short AS bars (symbol, series, ts, open, high, low, close, volume,
                    vwap, notional, trades, open_time_ns, close_time, close_time_ns, revision,
                    reason, source, partition, ordinal, withdrawn, taken_at, excluded_condition)
                SELECT '\(symbol ?? self.symbol.text)', '\(series)', t, 1, \(revision) + 1, 0.5,
                    \(revision), 2.5, 1, 1, 3,
                    (extract(epoch FROM t) * 1000000000)::bigint, t + interval '1 min',
                    (extract(epoch FROM t) * 1000000000)::bigint + 60000000000, \(revision), 'late',
                    '\(source)', 5, \(revision), false,
                    t + interval '1 min' + \(revision) * interval '1 s', 4
                FROM (SELECT to_timestamp(\(StoredBarTests.start)) + n * interval '1 min' AS t
                    FROM generate_series(\(minutes.lowerBound), \(minutes.upperBound)) AS n) AS w
                ON CONFLICT (symbol, series, ts, number, source) DO UPDATE
                SET close = excluded.close, high = excluded.high, revision = excluded.revision,
                    taken_at = excluded.taken_at, replaced = bars.replaced + 1
                """)
        }

        func page(from minute: Int64?) throws -> BarPage {
            try reader.page(symbol, source, series, from: minute.map { StoredBarTests.time($0) })
        }

        func minutes(_ page: BarPage) -> [Int64] {
            page.items.map {
                ($0.row.identity.openTime.nanoseconds / 1_000_000_000 - StoredBarTests.start) / 60
            }
        }
    }

    private static func minute(_ time: Timestamp?) -> Int64? {
        time.map { ($0.nanoseconds / 1_000_000_000 - start) / 60 }
    }

    @Test(
        "pages, replaced versions, choices and gaps are those that the writer stored",
        arguments: DatabaseMode.usual)
    func all(mode: DatabaseMode) throws {
        var bench = try Bench("stored_bars", mode)
        try expectChoices(bench)
        try expectGaps(bench)
        try expectManySymbols(bench)
        bench.symbol = try #require(Symbol("P"))
        try expectPages(bench)
        bench.symbol = try #require(Symbol("V"))
        try expectVersions(bench, mode)
        bench.symbol = try #require(Symbol("M"))
        try expectManyVersions(bench)
        bench.symbol = try #require(Symbol("Q"))
        try expectQuotes(bench)
    }

    /// Pages lead from the newest bar to the first one and back.
    private func expectPages(_ bench: Bench) throws {
        try bench.put(0...299, revision: 10)
        try bench.put(0...299, revision: 11, source: "other")
        try bench.put(0...400, revision: 12, symbol: "B")
        let newest = try bench.page(from: nil)
        #expect(bench.minutes(newest) == Array(180...299))
        #expect(newest.later == nil && Self.minute(newest.earlier) == 60)
        let before = try bench.page(from: 60)
        #expect(bench.minutes(before) == Array(60...179))
        #expect(Self.minute(before.later) == 180 && Self.minute(before.earlier) == 0)
        let first = try bench.page(from: 0)
        #expect(bench.minutes(first) == Array(0...119))
        #expect(Self.minute(first.later) == 120 && first.earlier == nil)
        let end = try bench.page(from: 290)
        #expect(bench.minutes(end) == Array(290...299) && end.later == nil)
        let after = try bench.page(from: 500)
        #expect(after.items.isEmpty && after.later == nil && Self.minute(after.earlier) == 180)
        let none = try bench.reader.page(
            try #require(Symbol("Z")), bench.source, bench.series, from: nil)
        #expect(none == BarPage())
    }

    /// Replaced versions are with their bars, in order.
    private func expectVersions(_ bench: Bench, _ mode: DatabaseMode) throws {
        try bench.put(0...3, revision: 10)
        if mode == .community {
            try bench.database.psql(
                "SELECT public.compress_chunk(c) FROM public.show_chunks('bars_short') AS c")
        }
        try bench.put(1...2, revision: 12)
        try bench.put(2...2, revision: 15)
        let page = try bench.page(from: nil)
        #expect(page.items.map { $0.replaced.map(\.revision) } == [[], [10], [10, 12], []])
        #expect(page.items.map(\.row.replaced) == [0, 1, 2, 0] && !page.lacksVersions)
        let row = page.items[2].row
        #expect(row.standing.revision == 15 && row.partition == 5 && row.excluded.condition == 4)
        #expect(row.standing.values.close == Price(raw: 15_000_000_000))
        #expect(row.standing.values.volume == 250_000_000 && row.standing.values.trades == 3)
        #expect(row.standing.delay(after: row.closeTime) == "15 s")
        // The time of the tape of a replaced version is in another column.
        let first = page.items[2].replaced[0]
        #expect(first.delay(after: row.closeTime) == "10 s" && first.reason == "late")
        #expect(try bench.reader.row(of: row.identity) == row)
        #expect(try bench.reader.replaced(of: row.identity) == page.items[2].replaced)
        let other = BarIdentity(
            symbol: bench.symbol, source: bench.source, series: bench.series,
            openTime: row.identity.openTime, number: 1)
        #expect(try bench.reader.row(of: other) == nil)
        #expect(try bench.reader.replaced(of: other).isEmpty)
    }

    /// More replaced versions than a page may have are left out, and it says so.
    private func expectManyVersions(_ bench: Bench) throws {
        for revision in 1...11 { try bench.put(0...119, revision: revision) }
        let page = try bench.page(from: nil)
        #expect(page.lacksVersions)
        #expect(page.items.map(\.replaced.count).reduce(0, +) == BarPage.versionsMax)
        #expect(page.items.last?.replaced.map(\.revision) == Array(1...10))
        #expect(page.items.first?.replaced.isEmpty == true)
    }

    /// Each bar has the quote of its source that stood at its end, also where none came meanwhile.
    private func expectQuotes(_ bench: Bench) throws {
        try bench.put(0...5, revision: 1)
        func put(_ second: Double, _ bid: String, source: String = "s", count: Int = 1) throws {
            try bench.database.psql(
                """
                INSERT INTO quotes (ts, event_time_ns, symbol, bid_price, ask_price, receive_time,
                    receive_time_ns, source, partition, epoch, ordinal)
                SELECT to_timestamp(t), (t * 1000000000)::bigint, 'Q', \(bid), 9, to_timestamp(t),
                    (t * 1000000000)::bigint, '\(source)', 5, 1, (t * 1000)::bigint
                FROM (SELECT \(Self.start) + \(second)::numeric + n * 0.001 AS t
                    FROM generate_series(0, \(count - 1)) AS n) AS w
                """)
        }
        try put(-1, "1")
        try put(60, "2")
        try put(119.5, "3")
        try put(119.6, "4", source: "other")
        try put(180, "NULL")
        try put(250, "6")
        // So many of another source come before this end that it is not looked for behind them.
        try put(299, "7", source: "other", count: 250)
        var page = try bench.page(from: nil)
        try bench.reader.addQuotes(to: &page)
        func price(_ whole: Int64?) -> Price {
            whole.map { Price(raw: $0 * 1_000_000_000) } ?? .undefined
        }
        let expected = [nil, 3, 3, .some(nil), nil, nil] as [Int64??]
        for (item, bid) in zip(page.items, expected) {
            #expect(
                item.quote?.bid == bid.map(price) && item.quote?.ask == bid.map { _ in price(9) })
        }
        var empty = BarPage()
        try bench.reader.addQuotes(to: &empty)
        #expect(empty == BarPage())
    }

    /// The database says which symbols, series and sources it has.
    private func expectChoices(_ bench: Bench) throws {
        try bench.put(0...5, revision: 1)
        try bench.put(0...5, revision: 2, source: "other")
        try bench.put(0...5, revision: 3, series: "5s")
        try bench.put(0...5, revision: 4, symbol: "B")
        try bench.put(-20_000 ... -20_000, revision: 5, symbol: "C")
        func ask(_ text: String) throws -> BarChoices {
            try bench.reader.choices(text, from: nil, now: bench.now)
        }
        let all = try ask("")
        #expect(all.symbols == ["A", "B"] && !all.hasMoreSymbols)
        #expect(all.offers.map { "\($0.series) \($0.source)" } == ["1m other", "1m s", "5s s"])
        let later = try ask("B")
        #expect(later.symbols == ["B"] && later.offers == [.init(series: "1m", source: "s")])
        // It has no new bar, and is found by its name.
        #expect(try ask("C").symbols == [])
        #expect(try ask("C").offers == [.init(series: "1m", source: "s")])
        #expect(try ask("'; DROP TABLE bars_short; --").offers.isEmpty)
        let old = try bench.reader.choices("", from: nil, now: Self.time(100_000))
        #expect(old.symbols == ["A", "B", "C"])
    }

    /// More symbols than may be listed are cut, and it says so.
    private func expectManySymbols(_ bench: Bench) throws {
        try bench.database.psql(
            """
            INSERT INTO bars_short (symbol, series, ts, volume, notional, trades, open_time_ns,
                close_time, close_time_ns, revision, source, partition, ordinal)
            SELECT 'S' || to_char(n, 'FM000'), '1m', to_timestamp(\(Self.start)), 1, 1, 1, 0,
                to_timestamp(\(Self.start)), 0, n, 's', 0, n FROM generate_series(1, 150) AS n
            """)
        let found = try bench.reader.choices("", from: nil, now: bench.now)
        #expect(found.symbols.count == BarChoices.symbolsMax && found.hasMoreSymbols)
        #expect(found.symbols.first == "A" && found.symbols.last == "S098")
        let rest = try bench.reader.choices("S140", from: nil, now: bench.now)
        #expect(rest.symbols.count == 11 && !rest.hasMoreSymbols)
    }

    /// Records of gaps that touch a window are found.
    private func expectGaps(_ bench: Bench) throws {
        func gap(_ symbol: String, _ from: Int64, _ to: String, _ ordinal: Int) -> String {
            """
            INSERT INTO gaps (sink, input, partition, source, reason, detail, symbol, kind,
                from_time, to_time, state, receive_time, epoch, ordinal)
            VALUES ('store', 'ticks', 5, 's', 'outage', '', \(symbol), 'trade',
                to_timestamp(\(Self.start + from)), \(to), 'open',
                to_timestamp(\(Self.start + 600)), 1, \(ordinal));
            """
        }
        try bench.database.psql(
            gap("'A'", 30, "to_timestamp(\(Self.start + 40))", 1) + gap("NULL", 59, "NULL", 2)
                + gap("'B'", 30, "NULL", 3) + gap("'A'", 60, "NULL", 4))
        let found = try bench.reader.gaps(bench.symbol, Self.time(0), Self.time(1))
        #expect(
            found.map { "\($0.from) \($0.to)" } == [
                "2024-03-05T10:00:30Z 2024-03-05T10:00:40Z", "2024-03-05T10:00:59Z lasts",
            ])
        #expect(found.first?.reason == "outage" && found.first?.noted == "2024-03-05T10:10:00Z")
    }
}
