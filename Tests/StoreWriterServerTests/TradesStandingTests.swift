import Primitives
import Seeds
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import StoreWriter

/// What trades count as after cancels and corrections, in SQL: as the operators count them,
/// now and as it was known at a time.
@Suite("Trades after cancels and corrections")
struct TradesStandingTests {
    /// Rows in the order of the tape.
    private struct Rows {
        private(set) var sql = ""
        private var ordinals: [String: Int] = [:]

        /// `received` is in seconds.
        mutating func add(
            _ id: Int, _ price: Int, _ action: Int = 0, by source: String = "a",
            of named: String? = nil, received: Int = 0, on time: String = "2024-03-05 10:00Z",
            provider: String = ""
        ) {
            let ordinal = ordinals[source, default: 0] + 1
            ordinals[source] = ordinal
            sql += """
                INSERT INTO trades (ts, event_time_ns, symbol, price, size, action, provider_id,
                    receive_time, receive_time_ns, source, partition, epoch, ordinal, of_source,
                    provider)
                VALUES ('\(time)', 5, 'A', \(price), 1, \(action), \(id),
                    to_timestamp(\(received)), \(received)::bigint * 1000000000, '\(source)', 0, 1,
                    \(ordinal), \(named.map { "'\($0)'" } ?? "NULL"), '\(provider)');
                """
        }
    }

    private func standing(_ name: String, _ rows: Rows, _ more: String = "") throws -> String {
        try standing(name, rows.sql, more)
    }

    private func standing(_ name: String, _ rows: String, _ more: String) throws -> String {
        let database = try TestDatabase.migrated("standing_\(name)", mode: .plain)
        try database.takeAllTimes()
        try database.psql(
            "INSERT INTO source_groups VALUES (0, 'a', 'us'), (0, 'b', 'us'); " + more + rows)
        return try database.psql(
            """
            SELECT string_agg(format('%s %s', tick_id, price), ', ' ORDER BY tick_id)
            FROM md_market.trades_effective
            """)
    }

    @Test("a person's trade is changed by people alone")
    func peoplesTrades() throws {
        var rows = Rows()
        rows.add(1, 60, by: "manual", of: "a")
        rows.add(2, 61, by: "manual", of: "b")
        rows.add(1, 60, 2)
        rows.add(2, 62, 1, by: "manual", of: "us")
        #expect(try standing("peoples", rows) == "manual/0/1 60, manual/0/2 62")
    }

    @Test("a person's trade without a source is changed with the one that it belongs to")
    func sourceless() throws {
        var rows = Rows()
        // The only source with bars of its symbol.
        rows.add(1, 60, by: "manual")
        rows.add(2, 61, by: "manual")
        rows.add(1, 62, 1, by: "manual", of: "a")
        rows.add(2, 61, 2, by: "manual", of: "c")
        let bars = """
            SELECT make_time_partition('bars_short', '2024-03-05');
            INSERT INTO bars_short (symbol, series, ts, volume, notional, trades, open_time_ns,
                close_time, close_time_ns, revision, source, partition, ordinal)
            SELECT 'A', '1m', '2024-03-05 10:00Z', 1, 1, 1, 0, '2024-03-05 10:01Z', 0, 1, source,
                0, 1
            FROM unnest('{us}'::text[]) AS source;
            """
        #expect(try standing("sourceless", rows, bars) == "manual/0/1 62, manual/0/2 61")
        // Of two, the one whose provider is the same.
        rows.add(3, 70, by: "a", provider: "")
        rows.add(4, 71, by: "c", provider: "q")
        let two = bars.replacing("{us}", with: "{us,c}")
        #expect(
            try standing("sourceless_two", rows, two)
                == "a/0/1 70, c/0/1 71, manual/0/1 62, manual/0/2 61")
        let same = rows.sql.replacing("'q'", with: "''")
        #expect(
            try standing("sourceless_same", same, two)
                == "a/0/1 70, c/0/1 71, manual/0/1 60, manual/0/2 61")
    }

    @Test("a change of any time concerns the trade with its id")
    func times() throws {
        var rows = Rows()
        rows.add(1, 70)
        rows.add(2, 71)
        rows.add(1, 70, 2, on: "2024-03-06 11:00Z")
        #expect(try standing("times", rows) == "a/0/2 71")
    }

    /// Compares what trades count as with the bars, of each source or group, symbol and window.
    private static let difference = """
        SELECT count(*),
            string_agg(format('%s %s %s: %s, not %s', symbol, owner, start, told, made), '; ')
        FROM (SELECT symbol, owner, series,
                date_bin(width, ts, '2000-01-01Z') AS start, sum(size) AS told
            FROM market.trades_effective
            CROSS JOIN (VALUES ('1s', interval '1 s'), ('1m', '1 min')) AS s (series, width)
            -- Of a person's trade that may be of several sources, no bar is made.
            WHERE owner IS NOT NULL
            GROUP BY 1, 2, 3, 4) AS t
        FULL JOIN (SELECT symbol, source AS owner, series, ts AS start, sum(volume) AS made
            FROM market.candles GROUP BY 1, 2, 3, 4) AS b USING (symbol, owner, series, start)
        WHERE told IS DISTINCT FROM made
        """

    /// Writes the ticks of a world, and returns when the tape took each packet.
    private func write(_ world: CancelWorld, to scene: StoreScene) throws -> [Timestamp] {
        var taken: [Timestamp] = []
        for part in world.packets.chunked(17) {
            // A time of its own for each batch, in a second of its own. In whole microseconds, as
            // SQL has times: there it would be known up to a microsecond later.
            let sent = part.map(\.header.sendTime).max() ?? .undefined
            let whole = Timestamp(nanoseconds: (sent.nanoseconds + 999) / 1_000 * 1_000)
            scene.tapeTime = max(
                whole, (taken.last ?? whole).advanced(byNanoseconds: 2_000_000_000))
            taken += part.map { _ in scene.tapeTime }
            try scene.write(part.map(\.sent))
        }
        return taken
    }

    /// Compares what counted at times with the packets that were known then.
    private func expectKnown(
        _ world: CancelWorld, _ taken: [Timestamp], _ seed: UInt64, _ namespace: String,
        in scene: StoreScene
    ) throws {
        var random = SeededRandom(seed: seed)
        let times =
            [taken.first ?? .undefined]
            + (0..<12).map { _ in
                (taken.randomElement(using: &random) ?? .undefined).advanced(
                    byNanoseconds: Int64.random(in: -1...80_000_000_000, using: &random) / 1_000
                        * 1_000)
            }
        for time in times {
            let oracle = StandingOracle(world.packets, at: time) { taken[$0] }
            let found = try scene.psql(
                """
                SELECT tick_id, trunc(price * 1000000000), trunc(size * 100000000)
                FROM \(namespace)_market.trades_effective_as_of(
                    timestamptz 'epoch' + \(time.nanoseconds / 1_000) * interval '1 us',
                    '{AAPL,MSFT}', '2023-11-14', '2023-11-16', true) ORDER BY tick_id COLLATE "C"
                """
            ).replacing("|", with: " ")
            #expect(found == oracle.text, "seed \(seed) at \(time)")
        }
    }

    @Test(
        "the sizes of trades that count are the volume of bars, and at each time those known then")
    func world() throws {
        var events: Set<CancelWorld.Event> = []
        for (number, seed) in Seeds(kept: [1, 2], weight: 0.05).all().enumerated() {
            let world = CancelWorld(seed: seed, steps: 400)
            events.formUnion(world.events)
            let bars = try CancelBars(world.packets)
            let ticks = try StoreScene("standing_world_\(number)")
            let output = try StoreScene("", input: .bars, on: ticks.bench)
            let taken = try write(world, to: ticks)
            for packet in bars.packets() { try output.write([packet.sent]) }
            let namespace = ticks.bench.tape.names.namespace
            let difference = try ticks.psql(
                Self.difference.replacing("market.", with: "\(namespace)_market."))
            #expect(difference == "0|", "seed \(seed): \(difference)")
            try expectKnown(world, taken, seed, namespace, in: ticks)
            for name in ["bars_equal_sql", "trades_counted_once"] {
                let found = try Audit.check(name, in: ticks.bench.database)
                let fields = found.split(separator: "|", omittingEmptySubsequences: false)
                #expect(fields[2] == "t" && fields[0] != "0", "seed \(seed): \(name): \(found)")
            }
        }
        #expect(Seeds.least() == 0 || events == Set(CancelWorld.Event.allCases))
    }
}

extension SealedPacket {
    fileprivate var sent: [UInt8] { withBytes { $0.array } }
}

extension Array {
    fileprivate func chunked(_ count: Int) -> [ArraySlice<Element>] {
        stride(from: 0, to: self.count, by: count).map {
            self[$0..<Swift.min($0 + count, self.count)]
        }
    }
}
