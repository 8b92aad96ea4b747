import Primitives
import Seeds
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import StoreWriter

/// What trades count as after cancels and corrections, in SQL: as the operators count them.
@Suite("Trades after cancels and corrections")
struct TradesStandingTests {
    /// Rows in the order of the tape.
    private struct Rows {
        private(set) var sql = ""
        private var ordinals: [String: Int] = [:]

        /// `received` is in seconds.
        mutating func add(
            _ id: Int, _ price: Int, _ action: Int = 0, by source: String = "a",
            of named: String? = nil, received: Int = 0, on time: String = "2024-03-05 10:00Z"
        ) {
            let ordinal = ordinals[source, default: 0] + 1
            ordinals[source] = ordinal
            sql += """
                INSERT INTO trades (ts, event_time_ns, symbol, price, size, action, provider_id,
                    receive_time, receive_time_ns, source, partition, epoch, ordinal, of_source)
                VALUES ('\(time)', 5, 'A', \(price), 1, \(action), \(id),
                    to_timestamp(\(received)), \(received)::bigint * 1000000000, '\(source)', 0, 1,
                    \(ordinal), \(named.map { "'\($0)'" } ?? "NULL"));
                """
        }
    }

    private func standing(_ name: String, _ rows: Rows) throws -> String {
        let database = try TestDatabase.migrated("standing_\(name)", mode: .plain)
        try database.takeAllTimes()
        try database.psql(
            "INSERT INTO source_groups VALUES (0, 'a', 'us'), (0, 'b', 'us'); " + rows.sql)
        return try database.psql(
            """
            SELECT string_agg(format('%s %s', tick_id, price), ', ' ORDER BY tick_id)
            FROM md_market.trades_effective
            """)
    }

    @Test("the last change on the tape counts, whichever it is")
    func last() throws {
        var rows = Rows()
        for id in [77, 78, 79] { rows.add(id, id) }
        // In error: it stands with another price.
        rows.add(77, 77, 2)
        rows.add(77, 10, 1)
        rows.add(78, 11, 1)
        rows.add(78, 12, 1)
        rows.add(79, 13, 1)
        rows.add(79, 79, 2)
        #expect(try standing("last", rows) == "a/0/1 10, a/0/2 12")
    }

    @Test("a member of a group changes what another one sent, and no one else does")
    func members() throws {
        var rows = Rows()
        rows.add(1, 20)
        rows.add(2, 21)
        rows.add(1, 20, 2, by: "b")
        rows.add(2, 22, 1, by: "c")
        rows.add(1, 30, by: "c")
        #expect(try standing("members", rows) == "a/0/2 21, c/0/2 30")
    }

    @Test(
        "of a person and the provider the later one on the tape counts, whatever their clocks say")
    func people() throws {
        var rows = Rows()
        for id in 1...4 { rows.add(id, 40 + id) }
        rows.add(1, 50, by: "c")
        rows.add(1, 51, 1, received: 600)
        rows.add(1, 52, 1, by: "manual", of: "b", received: 500)
        rows.add(2, 53, 1, by: "manual", of: "us", received: 600)
        rows.add(2, 54, 1, received: 500)
        // Of all sources of the symbol, and of another one.
        rows.add(3, 43, 2, by: "manual")
        rows.add(1, 50, 2, by: "manual", of: "c")
        rows.add(4, 44, 2, by: "manual", of: "c")
        #expect(try standing("people", rows) == "a/0/1 52, a/0/2 54, a/0/4 44")
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
            GROUP BY 1, 2, 3, 4) AS t
        FULL JOIN (SELECT symbol, source AS owner, series, ts AS start, sum(volume) AS made
            FROM market.candles GROUP BY 1, 2, 3, 4) AS b USING (symbol, owner, series, start)
        WHERE told IS DISTINCT FROM made
        """

    @Test("the sizes of trades that count are the volume of bars, of every symbol and window")
    func world() throws {
        var events: Set<CancelWorld.Event> = []
        for (number, seed) in Seeds(kept: [1, 2], weight: 0.05).all().enumerated() {
            let world = CancelWorld(seed: seed, steps: 400)
            events.formUnion(world.events)
            let bars = try CancelBars(world.packets)
            let ticks = try StoreScene("standing_world_\(number)")
            let output = try StoreScene("", input: .bars, on: ticks.bench)
            for part in world.packets.chunked(17) { try ticks.write(part.map(\.sent)) }
            for packet in bars.packets() { try output.write([packet.sent]) }
            let namespace = ticks.bench.tape.names.namespace
            let difference = try ticks.psql(
                Self.difference.replacing("market.", with: "\(namespace)_market."))
            #expect(difference == "0|", "seed \(seed): \(difference)")
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
