import Foundation
import PostgresClient
import TestSupport
import Testing

@testable import StoreWriter

@Suite("What people read: the second schema")
struct MarketSchemaTests {
    /// Returns a migrated database, with a reader that can log in.
    private func database(_ name: String, _ mode: DatabaseMode = .plain) throws -> TestDatabase {
        let database = try TestDatabase(name, mode: mode)
        // Migrated twice, because existing views are made again.
        try database.migrateForReaders(times: 2)
        return database
    }

    /// Queries the database as a person does.
    private func read(_ database: TestDatabase, _ sql: String) throws -> String {
        try database.server.psql(
            "SET search_path = md_market; \(sql)", database: database.name,
            user: database.reader)
    }

    @Test("the reader sees views with a comment each, and no table", arguments: DatabaseMode.usual)
    func seen(mode: DatabaseMode) throws {
        let database = try database("market_seen", mode)
        // The queries of `\dt` and `\dv`.
        let relations = """
            SELECT relname, relkind, obj_description(oid, 'pg_class') IS NOT NULL FROM pg_class
            WHERE pg_table_is_visible(oid) AND relnamespace <> 'pg_catalog'::regnamespace
                AND relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY 1
            """
        let views = [
            "bar_trust", "bar_versions", "bars_joined", "candles", "candles_float",
            "history_seams",
            "indicators_latest", "latest_quotes", "latest_trades", "open_gaps", "provider_bars",
            "quotes", "symbols",
            "trade_changes", "trades", "trades_effective", "trades_joined",
        ]
        #expect(try read(database, relations) == views.map { "\($0)|v|t" }.joined(separator: "\n"))
        for view in views { #expect(try read(database, "SELECT count(*) FROM \(view)") == "0") }
        #expect(try read(database, "SELECT count(*) FROM quality(current_date)") == "0")
    }

    @Test("without the right to make the schema, the migration says what to do")
    func mayNot() throws {
        let database = try TestDatabase("market_may_not", mode: .plain)
        try database.server.psql(
            """
            CREATE SCHEMA md AUTHORIZATION \(database.migrator);
            REVOKE CREATE ON DATABASE \(database.name) FROM \(database.migrator)
            """, database: database.name)
        let error = #expect(throws: MigrationError.self) { try database.migrate() }
        #expect("\(error as Any)".contains("CREATE SCHEMA md_market AUTHORIZATION"))
        try database.server.psql(
            "CREATE SCHEMA md_market AUTHORIZATION \(database.migrator)", database: database.name)
        try database.migrate()
    }

    @Test("withdrawn bars are no candles; those of odd lots alone are")
    func candles() throws {
        let database = try database("market_candles")
        try database.psql(
            """
            SELECT make_time_partition('bars_short', '2026-03-02');
            INSERT INTO bars_short (symbol, series, ts, open, high, low, close, volume, vwap,
                notional, trades, open_time_ns, close_time, close_time_ns, revision, reason,
                partial, mixed_providers, source, partition, ordinal, replaced, withdrawn)
            SELECT 'A', '1m', start + n * interval '1 min', price, price, price, price, volume,
                price, 1, 1, 0, start + (n + 1) * interval '1 min', 0, n, 'closed', n = 1, n = 4,
                's', 0, n, n, n = 2
            FROM (VALUES (1, 1.000000001, 1), (2, NULL, 0), (3, NULL, 7), (4, 2, 1))
                AS b (n, price, volume), (SELECT '2026-03-02'::timestamptz) AS day (start)
            """)
        for view in ["candles", "candles_float"] {
            let told = try read(
                database,
                """
                SELECT extract(minute FROM ts)::int, open, volume, is_whole, is_mixed, version
                FROM \(view) ORDER BY ts
                """)
            #expect(told == "1|1.000000001|1|f|f|2\n3||7|t|f|4\n4|2|1|t|t|5")
        }
    }

    /// Gap records of the tape as "from to kind state", and what is missing then.
    private static let gapCases: [(said: [String], missing: [String])] = [
        (["0 60 trade open"], ["trade 0 60 open"]),
        (["0 60 trade open", "0 60 trade filled"], []),
        (["0 60 trade open", "0 60 trade filling"], ["trade 0 60 filling"]),
        (
            [
                "0 60 trade open", "0 60 trade filling", "0 20 trade filled",
                "20 60 trade abandoned",
            ],
            ["trade 20 60 abandoned"]
        ),
        (["0 60 trade open", "20 40 trade filled"], ["trade 0 20 open", "trade 40 60 open"]),
        (["0 60 any open", "0 60 trade filled"], ["other 0 60 open", "quote 0 60 open"]),
        (["0 60 trade filled", "30 50 trade open"], ["trade 30 50 open"]),
        (["0 60 depth open", "0 60 trade filled"], ["depth 0 60 open"]),
        // Without an end the gap reaches up to its record, here 99 s, and is still open.
        (["0 - trade open"], ["trade 0 - open"]),
        (["0 - quote open", "0 120 quote open"], ["quote 0 120 open"]),
        (["0 - quote open", "0 120 quote open", "0 120 quote filled"], []),
    ]

    @Test("the last word on each moment holds")
    func openGaps() throws {
        let database = try database("market_gaps")
        let time = { (word: Substring) in word == "-" ? "NULL" : "to_timestamp(\(word))" }
        for (number, one) in Self.gapCases.enumerated() {
            for (ordinal, record) in one.said.enumerated() {
                let words = record.split(separator: " ")
                try database.psql(
                    """
                    INSERT INTO gaps (sink, input, partition, source, reason, symbol, kind,
                        from_time, to_time, state, receive_time, epoch, ordinal)
                    VALUES ('store', 'ticks', 3, 's', 'disconnected', 'S\(number)', '\(words[2])',
                        \(time(words[0])), \(time(words[1])), '\(words[3])', to_timestamp(99), 1,
                        \(ordinal))
                    """)
            }
            let told = try read(
                database,
                """
                SELECT kind, extract(epoch FROM from_time)::int,
                    coalesce(extract(epoch FROM to_time)::int::text, '-'), state
                FROM open_gaps WHERE symbol = 'S\(number)' AND partition = 3
                ORDER BY kind, from_time
                """)
            let stretches = told.split(separator: "\n").map { $0.replacing("|", with: " ") }
            #expect(stretches.map { String($0) } == one.missing, "\(one.said)")
        }
    }

    @Test(
        "the newest row of each symbol costs a look-up, not a scan", arguments: DatabaseMode.usual)
    func latest(mode: DatabaseMode) throws {
        let database = try database("market_latest", mode)
        try database.psql(
            """
            SELECT make_time_partition('trades', now()), make_time_partition('trades',
                now() - interval '1 day'), make_time_partition('trades', now() - interval '8 days');
            INSERT INTO trades (ts, event_time_ns, symbol, price, size, action, receive_time,
                receive_time_ns, source, partition, epoch, ordinal)
            SELECT now() - n * interval '1 s', 0, 'S' || n % 10, n, 1,
                CASE WHEN n < 10 THEN 2 ELSE 0 END, now(), 0, 's', 0, 1, n
            FROM generate_series(0, 59999) AS n
            UNION ALL
            SELECT now() - interval '8 days', 0, 'GONE', 1, 1, 0, now(), 0, 's', 0, 1, 60000;
            ANALYZE trade_rows
            """)
        #expect(
            try read(database, "SELECT symbol, price FROM latest_trades ORDER BY symbol")
                == (0...9).map { "S\($0)|\($0 + 10)" }.joined(separator: "\n"))
        let (pages, plan) = try database.pages("TABLE md_market.latest_trades")
        // A look-up reads two or three pages per existing day, a scan a thousand and more.
        #expect((1...600).contains(pages), "\(plan)")
    }

    @Test("the questions that the cockpit begins with can be asked")
    func ready() throws {
        let database = try database("market_ready")
        let page = try CheckoutFiles.text("services/cockpit/CPages/files/sql.html")
        let questions = page.matches(of: /<option value="([^"]+)">/)
        #expect(questions.count == 10)
        for question in questions {
            #expect(try read(database, "\(question.1)") == "", "\(question.1)")
        }
    }

    @Test("each question of docs/data.md has one answer in SQL and Python")
    func questions() throws {
        let database = try database("market_questions")
        try database.fill(from: "data_page.sql")
        let told: String
        do {
            told = try run(
                "/bin/bash",
                [
                    "\(ServerPrograms.checkout)/deploy/local/engines.sh", "--of", "data",
                    "\(ServerPrograms.checkout)/Tests/StoreWriterServerTests/data_page.py",
                    "\(ServerPrograms.checkout)/docs/data.md", database.url("%20-cTimeZone%3DUTC"),
                ])
        } catch let failure as ProgramFailure where failure.status == 3 {
            print("pandas and polars were not asked: \(failure.message)")
            return
        }
        let lines = told.split(separator: "\n")
        #expect(lines.count == 21)
        #expect(lines.allSatisfy { $0.hasPrefix("equal: ") }, "\(told)")
        // All bars of an hour, and none that differs.
        #expect(told.contains("equal: [(60.0, 0.0)]: 7. Does the VWAP"), "\(told)")
    }
}
