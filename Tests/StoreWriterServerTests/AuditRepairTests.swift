import TestSupport
import Testing

/// Audits late ticks, busts, corrections and backfill, with rows written by hand: the first two
/// minutes of a day for one symbol.
@Suite("The audit of bars that were mended")
struct AuditRepairTests {
    /// Returns a trade at this second and price.
    private static func trade(
        _ ordinal: Int, second: Int, price: Int, id: Int? = nil, action: Int = 0, flags: Int = 0
    ) -> String {
        """
        INSERT INTO trades (ts, event_time_ns, symbol, price, size, action, flags, provider_id,
            receive_time, receive_time_ns, source, partition, epoch, ordinal)
        VALUES (to_timestamp(\(second)), \(second)::bigint * 1000000000, 'A', \(price), 1,
            \(action), \(flags), \(id.map { "\($0)" } ?? "NULL"), to_timestamp(0), 5, 'test', 0, 1,
            \(ordinal));
        """
    }

    /// Returns the same row as one that a person put onto the tape for a source.
    private static func byHand(_ trade: String, of source: String? = nil) -> String {
        let row =
            trade
            .replacing("partition, epoch, ordinal)", with: "partition, epoch, ordinal, of_source)")
            .replacing("5, 'test'", with: "9, 'manual'")
        return "\(row.dropLast(2)), \(source.map { "'\($0)'" } ?? "NULL"));"
    }

    /// Returns the same row as one of another source.
    private static func ofOther(_ row: String) -> String {
        row.replacing("'test'", with: "'other'")
    }

    private static func late(_ of: Int, ordinal: Int) -> String {
        """
        INSERT INTO late_ticks (ts, event_time_ns, symbol, series, reason, kind, open_time,
            open_time_ns, of_source, of_ordinal, receive_time, receive_time_ns, source, partition,
            epoch, ordinal)
        VALUES (to_timestamp(0), 0, 'A', '1m', 'window_closed', 'trade', to_timestamp(0), 0, 'test',
            \(of), to_timestamp(0), 0, 'operator', 0, 1, \(ordinal));
        """
    }

    /// Returns the bar of a minute with these prices in order, of size 1 each.
    private static func bar(
        _ minute: Int, _ prices: [Int], ordinal: Int, reason: String = "closed"
    ) -> String {
        let sum = prices.reduce(0, +)
        func price(_ value: Int?) -> String { value.map { "\($0)" } ?? "NULL" }
        let vwap = prices.isEmpty ? "NULL" : "round(\(sum)::numeric / \(prices.count), 9)"
        return """
            INSERT INTO bars_short (symbol, series, ts, open, high, low, close, volume, vwap,
                notional, trades, open_time_ns, close_time, close_time_ns, revision, reason, source,
                partition, ordinal)
            VALUES ('A', '1m', to_timestamp(\(minute * 60)), \(price(prices.first)),
                \(price(prices.max())), \(price(prices.min())), \(price(prices.last)),
                \(prices.count), \(vwap), \(sum), \(prices.count),
                \(minute * 60)::bigint * 1000000000, to_timestamp(\(minute * 60 + 60)),
                \(minute * 60 + 60)::bigint * 1000000000, \(ordinal), '\(reason)', 'test', 0,
                \(ordinal));
            """
    }

    /// Returns a person's record about the trade with this ordinal.
    private static func change(
        _ of: Int, second: Int, _ change: String, price: Int? = nil, ordinal: Int
    ) -> String {
        let values = price.map { "\($0), 1" } ?? "NULL, NULL"
        return """
            INSERT INTO trade_changes (ts, event_time_ns, symbol, of_source, of_ordinal, change,
                price, size, requester, note, receive_time, receive_time_ns, source, partition,
                epoch, ordinal)
            VALUES (to_timestamp(\(second)), \(second)::bigint * 1000000000, 'A', 'test', \(of),
                '\(change)', \(values), 'me', 'why', to_timestamp(0), 9, 'manual', 0, 1,
                \(ordinal));
            """
    }

    /// Rows by what they show.
    private typealias Cases = KeyValuePairs<String, [String]>

    private static let plain = [
        trade(1, second: 1, price: 10, id: 1), trade(2, second: 2, price: 30, id: 2),
        trade(3, second: 3, price: 20, id: 3), trade(4, second: 70, price: 5, id: 4),
        bar(1, [5], ordinal: 2),
    ]
    private static let bust = trade(5, second: 2, price: 30, id: 2, action: 2)
    private static let correction = trade(6, second: 3, price: 25, id: 3, action: 1)
    private static let lateTrade = trade(7, second: 4, price: 90, id: 7)
    private static let backfill = trade(8, second: 0, price: 1, id: 8, flags: 4)
    /// Trades and bars of another source of the symbol, with ids of its own.
    private static let other = [
        trade(1, second: 1, price: 11, id: 1), trade(2, second: 70, price: 6, id: 2),
        bar(1, [6], ordinal: 12),
    ].map(ofOther)
    /// What a person filled in has no flag of the provider.
    private static let filled = trade(1, second: 4, price: 40, id: 9)
    private static let bustOfFirst = trade(1, second: 1, price: 10, id: 1, action: 2)

    /// Without a fault.
    private static let right: Cases = [
        "a late tick that is listed is in no bar": [
            bar(0, [10, 30, 20], ordinal: 1), lateTrade, late(7, ordinal: 3),
        ],
        "a late tick that a repair counted": [
            bar(0, [10, 30, 20, 90], ordinal: 4, reason: "repair"), lateTrade,
            late(7, ordinal: 3),
        ],
        "a late tick that came behind the repair": [
            bar(0, [10, 20], ordinal: 3, reason: "bust"), bust, lateTrade, late(7, ordinal: 4),
        ],
        "a bust": [bar(0, [10, 20], ordinal: 3, reason: "bust"), bust],
        "a correction": [bar(0, [10, 30, 25], ordinal: 3, reason: "bust"), correction],
        "what was filled in": [bar(0, [1, 10, 30, 20], ordinal: 3, reason: "backfill"), backfill],
        "what was filled in while the window was open": [
            bar(0, [1, 10, 30, 20], ordinal: 1), backfill,
        ],
        "what was filled in and not repaired yet": [bar(0, [10, 30, 20], ordinal: 1), backfill],
        "a bar that was withdrawn": [
            bar(0, [10, 30, 20], ordinal: 1), trade(9, second: 130, price: 7, id: 9),
            trade(10, second: 130, price: 7, id: 9, action: 2),
            bar(2, [], ordinal: 4, reason: "bust"), bar(3, [], ordinal: 5),
        ],
        "a window whose only trade was taken back while it was open": [
            bar(0, [10, 30, 20], ordinal: 1), trade(9, second: 130, price: 7, id: 9),
            trade(10, second: 130, price: 7, id: 9, action: 2), bar(3, [8], ordinal: 5),
            trade(11, second: 190, price: 8, id: 11),
        ],
        "a series behind a filter is not one of all trades": [
            bar(0, [10, 20], ordinal: 1),
            "UPDATE bars_short SET excluded_filter = 1 WHERE ts = to_timestamp(0);",
        ],
        "a tick of a person, in the bar of the source that it names": [
            bar(0, [10, 30, 20, 40], ordinal: 3, reason: "backfill"),
            ofOther(bar(0, [11], ordinal: 13)), byHand(filled, of: "test"),
        ] + other,
        "a tick of a person that names no source": [
            bar(0, [10, 30, 20, 40], ordinal: 3, reason: "backfill"), byHand(filled),
        ],
        "ticks of a person are the last ones of their time": [
            bar(0, [10, 30, 20, 41, 40], ordinal: 3, reason: "backfill"),
            byHand(trade(1, second: 3, price: 41), of: "test"),
            byHand(trade(2, second: 3, price: 40), of: "test"),
        ],
        "a bust by a person of a trade of all sources": [
            bar(0, [30, 20], ordinal: 3, reason: "bust"), byHand(bustOfFirst),
        ] + other,
        "a bust by a person of another source's trade": [
            bar(0, [10, 30, 20], ordinal: 3, reason: "bust"),
            byHand(bustOfFirst, of: "other"),
        ] + other,
        "a person's correction after the source's": [
            bar(0, [10, 30, 26], ordinal: 3, reason: "bust"), correction,
            byHand(trade(1, second: 3, price: 26, id: 3, action: 1), of: "test"),
        ],
        "a person's correction before the source's": [
            bar(0, [10, 30, 25], ordinal: 3, reason: "bust"),
            byHand(trade(1, second: 3, price: 26, id: 3, action: 1), of: "test"), correction,
        ],
        "a correction after the cancel of the same trade": [
            bar(0, [10, 31, 20], ordinal: 3, reason: "bust"), bust,
            trade(6, second: 2, price: 31, id: 2, action: 1),
        ],
        "a trade that a person cancelled": [
            bar(0, [10, 20], ordinal: 3, reason: "bust"),
            change(2, second: 2, "cancel", ordinal: 1),
        ],
        "a trade that is restored": [
            bar(0, [10, 30, 20], ordinal: 4, reason: "bust"),
            change(2, second: 2, "cancel", ordinal: 1),
            change(2, second: 2, "restore", ordinal: 2),
        ],
        "a trade that a person corrected after the provider cancelled it": [
            bar(0, [10, 40, 20], ordinal: 4, reason: "bust"), bust,
            change(2, second: 2, "correct", price: 40, ordinal: 1),
        ],
        "a change of a trade with another time, and one that says nothing": [
            bar(0, [10, 30, 20], ordinal: 4, reason: "bust"),
            change(2, second: 3, "cancel", ordinal: 1),
            change(1, second: 1, "correct", ordinal: 2), change(1, second: 1, "9", ordinal: 3),
        ],
    ]

    /// With a fault.
    private static let wrong: Cases = [
        "a late tick that is neither listed nor counted": [
            bar(0, [10, 30, 20], ordinal: 1), lateTrade,
        ],
        "a repair that forgot the bust": [
            bar(0, [10, 30, 20], ordinal: 3, reason: "repair"), bust,
        ],
        "a repair that forgot the correction": [
            bar(0, [10, 30, 20], ordinal: 3, reason: "bust"), correction,
        ],
        "a repair that forgot what was filled in": [
            bar(0, [10, 30, 20], ordinal: 3, reason: "backfill"), backfill,
        ],
        "a tick of a person, in the bar of another source": [
            bar(0, [10, 30, 20], ordinal: 3, reason: "backfill"),
            ofOther(bar(0, [11, 40], ordinal: 13, reason: "backfill")),
            byHand(filled, of: "test"),
        ] + other,
        "a repair that forgot the bust by a person": [
            bar(0, [10, 30, 20], ordinal: 3, reason: "bust"), byHand(bustOfFirst, of: "test"),
        ],
        "a trade that a person cancelled is still in the bar": [
            bar(0, [10, 30, 20], ordinal: 3, reason: "bust"),
            change(2, second: 2, "cancel", ordinal: 1),
        ],
        "a trade that is restored is not in the bar": [
            bar(0, [10, 20], ordinal: 4, reason: "bust"),
            change(2, second: 2, "cancel", ordinal: 1),
            change(2, second: 2, "restore", ordinal: 2),
        ],
    ]

    @Test("bars of a group have the ticks of its sources")
    func groups() throws {
        let database = try TestDatabase.migrated("audit_groups", mode: .plain)
        try database.takeAllTimes()
        let rows =
            [
                Self.bar(0, [10, 30, 40], ordinal: 1, reason: "backfill"),
                Self.bar(1, [5], ordinal: 2),
            ].map { $0.replacing("'test'", with: "'group'") } + [
                Self.trade(1, second: 1, price: 10, id: 1),
                Self.ofOther(Self.trade(1, second: 2, price: 30, id: 1)),
                Self.byHand(Self.filled, of: "other"),
                // A member's trade that another member takes back.
                Self.trade(5, second: 5, price: 99, id: 50),
                Self.ofOther(Self.trade(6, second: 5, price: 99, id: 50, action: 2)),
                Self.trade(4, second: 70, price: 5, id: 4),
            ]
        try database.psql(rows.joined(separator: "\n"))
        try database.psql(
            "INSERT INTO source_groups VALUES (0, 'test', 'group'), (0, 'other', 'group')")
        try Audit.expect("bars_equal_sql", "trades_counted_once", in: database)
        try database.psql("DELETE FROM source_groups")
        for name in ["bars_equal_sql", "trades_counted_once"] {
            let found = try Audit.check(name, in: database)
            #expect(found.contains("|f|"), "\(name): \(found)")
        }
    }

    @Test("late ticks, busts, corrections and backfill, and changes of single trades")
    func mended() throws {
        let database = try TestDatabase.migrated("audit_mended", mode: .plain)
        try database.takeAllTimes()
        /// Expects that a check of the audit finds these rows right, or wrong.
        func expect(_ rows: [String], _ name: String, _ audit: String, isRight: Bool) throws {
            try database.psql(
                "TRUNCATE trade_rows, changes_by_id, bars_short, late_ticks, trade_changes; "
                    + (Self.plain + rows).joined(separator: "\n"))
            let found = try Audit.check(audit, in: database)
            let fields = found.split(separator: "|", omittingEmptySubsequences: false)
            #expect(fields[2] == (isRight ? "t" : "f"), "\(name): \(audit): \(found)")
        }
        for (name, rows) in Self.right {
            try expect(rows, name, "bars_equal_sql", isRight: true)
            try expect(rows, name, "trades_counted_once", isRight: true)
        }
        for (name, rows) in Self.wrong { try expect(rows, name, "bars_equal_sql", isRight: false) }
    }

    @Test("a window that was open when the tape was made again has no bar, and one before it has")
    func restored() throws {
        let database = try TestDatabase.migrated("audit_restored", mode: .plain)
        try database.takeAllTimes()
        try database.psql(Self.plain.joined(separator: "\n"))
        /// Returns what the audit says when the tape was lost at this second.
        func audited(fromSecond second: Int) throws -> String {
            try database.psql(
                """
                TRUNCATE gaps; INSERT INTO gaps (sink, input, partition, source, reason, kind,
                    from_time, from_time_ns, to_time, to_time_ns, state, receive_time, epoch,
                    ordinal)
                VALUES ('store', 'ticks', 0, 'test', 'tape_lost', 'any', to_timestamp(\(second)),
                    \(second)::bigint * 1000000000, to_timestamp(\(second + 5)),
                    \(second + 5)::bigint * 1000000000, 'open', to_timestamp(\(second + 5)), 2, 5)
                """)
            return try Audit.check("trades_counted_once", in: database)
        }
        let note = "not counted: 1 windows with 3 trades, whose bars the tape lost (docs/backup.md)"
        #expect(try audited(fromSecond: 50) == "1|1|t|\(note)")
        // The bar of that window was made, and the database never had it.
        #expect(try audited(fromSecond: 61) == "1|1|t|\(note)")
        // The database has a later bar of before the loss.
        #expect(
            try audited(fromSecond: 130)
                == "4|1|f|A of test 1m 1970-01-01 00:00:00+00: 0 of 3 trades")
        // The first new tick is of a window that opened after the gap.
        try database.psql(
            [
                Self.trade(6, second: 130, price: 7), Self.trade(7, second: 190, price: 8),
                Self.trade(8, second: 250, price: 9), Self.bar(4, [9], ordinal: 3),
            ].joined())
        let two = note.replacing("1 windows with 3 trades", with: "2 windows with 4 trades")
        #expect(
            try audited(fromSecond: 50)
                == "3|2|f|A of test 1m 1970-01-01 00:03:00+00: 0 of 1 trades; \(two)")
    }
}
