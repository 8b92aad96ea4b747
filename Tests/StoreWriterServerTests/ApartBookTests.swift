import PostgresClient
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StoreSinks
import TestSupport
import Testing

@testable import StoreWriter

@Suite("The books of a group of tables that waits apart")
struct ApartBookTests {
    @Test(
        "an earlier owner cannot move a group, nor can a step that begins elsewhere or goes too far"
    )
    func fenced() throws {
        let scene = try ApartScene("writer_gfence", partitions: 1)
        let writer = try scene.begin()
        try scene.leave(packets: 5)
        try scene.expectGaps()
        try writer.stop()
        let session = try scene.database.connectWriter()
        func advance(epoch: Int, from: String, to: String) throws {
            try session.execute(
                """
                SELECT advance_group('store', 'ticks', (
                    SELECT jsonb_agg(to_jsonb(g) || jsonb_build_object('owner_epoch',
                        g.owner_epoch + \(epoch), 'from_sequence', \(from), 'sequence', \(to)))
                FROM apart_groups g WHERE (input, partition) = ('ticks', 0)))
                """, timeout: .seconds(10))
        }
        for (epoch, from, to) in [
            (-1, "g.sequence", "g.sequence + 1"), (1, "g.sequence", "g.sequence + 1"),
            (0, "g.sequence - 1", "g.sequence + 1"), (0, "g.sequence", "1000000"),
            (0, "g.sequence", "g.sequence"), (0, "g.sequence", "g.sequence - 1"),
            (0, "null", "g.sequence + 1"), (0, "g.sequence", "null"),
            (0, "g.sequence", "g.sequence + 1, 'stream_created_ns', 1"),
        ] {
            let error = #expect(throws: PostgresError.self, "\(epoch) \(from) \(to)") {
                try advance(epoch: epoch, from: from, to: to)
            }
            #expect(
                error?.sqlState == .fenced, "\(epoch) \(from) \(to) \(String(describing: error))")
        }
        try advance(epoch: 0, from: "g.sequence", to: "g.sequence + 1")
        try scene.database.expect(
            "SELECT DISTINCT g.owner_epoch = p.owner_epoch FROM apart_groups g "
                + "JOIN sink_positions p USING (sink, input, partition)", "t")
        // Nor is it taken back where it is not the position, whatever the owner says.
        let error = #expect(throws: PostgresError.self) {
            try session.execute(
                """
                SELECT advance_positions('store', (
                    SELECT jsonb_agg(to_jsonb(p) - 'sources' || jsonb_build_object('joined',
                        jsonb_build_object('ticks', g.sequence)))
                    FROM apart_groups g JOIN sink_positions p USING (sink, input, partition)
                    WHERE (input, partition) = ('ticks', 0)))
                """, timeout: .seconds(10))
        }
        #expect(error?.sqlState == .backwards, "\(String(describing: error))")
        try scene.database.psql("SELECT claim_position('store', 'ticks', 0, 50)")
        try scene.database.expect(
            "SELECT owner_epoch FROM apart_groups WHERE (input, partition) = ('ticks', 0)", "50")
    }

    @Test("records that are left to no group are a fault of the books, and are not committed")
    func leftToNone() throws {
        let scene = try ApartScene("writer_gnone", partitions: 1)
        let writer = try scene.begin()
        try scene.leave(packets: 5)
        try scene.expectGaps()
        try writer.stop()
        try Audit.expect("books_balanced", in: scene.database)
        let forgotten = "DELETE FROM apart_groups"
        let found = try Audit.check("books_balanced", in: scene.database, after: forgotten)
        #expect(
            found.contains("|f|") && found.contains("left to tables that wait apart"), "\(found)")
        let more = "UPDATE sink_source_ordinals SET apart = apart - 1000, skipped = skipped + 1000"
        #expect(try Audit.check("books_balanced", in: scene.database, after: more).contains("|f|"))
        let session = try scene.database.connectWriter()
        try scene.database.psql(forgotten)
        let error = #expect(throws: PostgresError.self) {
            try session.execute(
                """
                SELECT advance_positions('store', (
                    SELECT jsonb_agg(to_jsonb(p) || jsonb_build_object('sources', (
                        SELECT jsonb_agg(to_jsonb(o)) FROM sink_source_ordinals o
                        WHERE (o.sink, o.input, o.partition) = (p.sink, p.input, p.partition))))
                    FROM sink_positions p WHERE (input, partition) = ('ticks', 0)))
                """, timeout: .seconds(10))
        }
        #expect(error?.sqlState == .backwards, "\(String(describing: error))")
    }

    @Test("what a group has lost without a name is a fault, and is not committed")
    func lostUnnamed() throws {
        let scene = try ApartScene("writer_glost", partitions: 1)
        let writer = try scene.begin()
        try scene.leave(packets: 5)
        try scene.expectGaps()
        try writer.stop()
        let session = try scene.database.connectWriter()
        // The group says that it has read all, and has written nothing.
        try scene.database.psql(
            """
            UPDATE apart_groups g SET sequence = p.sequence, sources = (
                SELECT jsonb_agg(to_jsonb(o) || '{"written": 0, "dead_lettered": 0}')
                FROM sink_source_ordinals o
                WHERE (o.sink, o.input, o.partition) = (p.sink, p.input, p.partition))
            FROM sink_positions p
            WHERE (p.sink, p.input, p.partition) = (g.sink, g.input, g.partition)
            """)
        func join(_ more: String) throws {
            try session.execute(
                """
                SELECT advance_positions('store', (
                    SELECT jsonb_agg(to_jsonb(p) || jsonb_build_object('joined',
                        jsonb_build_object('ticks', p.sequence), 'sources', (
                            SELECT jsonb_agg(to_jsonb(o) || jsonb_build_object('apart', 0,
                                'skipped', o.skipped + o.apart))
                            FROM sink_source_ordinals o
                            WHERE (o.sink, o.input, o.partition)
                                = (p.sink, p.input, p.partition))) \(more))
                    FROM sink_positions p WHERE (input, partition) = ('ticks', 0)))
                """, timeout: .seconds(10))
        }
        let error = #expect(throws: PostgresError.self) { try join("") }
        #expect(error?.sqlState == .backwards, "\(String(describing: error))")
        // Where not all tables are switched on, the rest may be theirs.
        try join("|| '{\"joined_partly\": true}'")
        try scene.database.expect("SELECT count(*) FROM apart_groups", "0")
    }

    @Test("a group that is given up is lost with a name, also what its writer has not read")
    func givenUp() throws {
        let scene = try ApartScene("writer_ggive")
        let writer = try scene.begin()
        try scene.leave(packets: 5)
        try scene.expectGaps()
        // Of a source that began later, the group has no count.
        try scene.database.psql(
            """
            UPDATE apart_groups SET sources = '[]' WHERE (input, partition) = ('ticks', 0)
            """)
        // Its writer is about to commit, and the giving up waits for it.
        try scene.holdGroup()
        let session = try scene.database.connect(
            scene.database.migrator, searchPath: scene.database.schema.searchPath)
        let error = #expect(throws: PostgresError.self) {
            try session.execute("SET lock_timeout = '100ms'", timeout: .seconds(10))
            try giveUp(["ticks"], session)
        }
        #expect(error?.sqlState == .lockNotAvailable)
        try scene.unlock()
        // Others wait than a person has seen: among them none.
        let last = try scene.database.psql(
            "SELECT last_ordinal FROM sink_audit WHERE (input, partition) = ('ticks', 0)")
        for seen in [[], ["rest"], ["rest", "ticks"]] {
            let refused = #expect(throws: PostgresError.self) { try giveUp(seen, session) }
            #expect(refused?.sqlState == SQLState(rawValue: "TL004"), "\(seen)")
        }
        try giveUp(["ticks"], session)
        let gone = #expect(throws: PostgresError.self) { try giveUp(["ticks"], session) }
        #expect(gone?.sqlState == SQLState(rawValue: "TL004"))
        try scene.database.expect(
            "SELECT first_ordinal, last_ordinal, detail FROM gaps WHERE reason = 'group_hole'",
            "1|\(last)|ticks")
        try scene.database.expect(
            """
            SELECT skipped > 0, waiting, missing FROM sink_audit
            WHERE (input, partition) = ('ticks', 0)
            """, "t|0|0")
        try scene.database.expect(
            "SELECT partition FROM version_losses WHERE (input, reason) = ('ticks', 'hole')", "0")
        try scene.database.expect(
            """
            SELECT DISTINCT partition, table_group, is_waiting FROM book_gaps
            WHERE reason = 'group_hole'
            """, "0|ticks|f")
        // The owner goes on, and the other partition has lost nothing.
        try scene.publish(packets: 2)
        try scene.mend("trade_rows")
        try scene.expectApart("")
        try scene.expectGaps()
        try scene.bench.stopAndAudit(writer)
        try scene.database.expect(
            "SELECT sum(waiting), sum(skipped) FROM sink_audit WHERE partition = 1", "0|0")
        try Audit.expect(
            "ticks_stored_once", "rows_as_booked", "books_balanced", in: scene.database)
    }

    private func giveUp(_ seen: [String], _ session: PostgresConnection) throws {
        let groups = seen.map { "\"\($0)\"" }.joined(separator: ", ")
        try session.execute(
            "SELECT give_up_apart('store', 'ticks', 0, '[\(groups)]')", timeout: .seconds(10))
    }

    @Test("a hole is noted at once where the tables of gaps come back as others are left")
    func holeOfReturn() throws {
        let scene = try ApartScene("writer_gback", partitions: 1)
        let writer = try scene.begin()
        try writer.stop()
        try exchange(scene, "rest", noting: "hole", for: "ticks")
        try scene.database.expect("SELECT table_group, gaps FROM apart_groups", "ticks|[]")
        try scene.database.expect(
            """
            SELECT string_agg(first_ordinal || '-' || last_ordinal, ' ' ORDER BY first_ordinal)
            FROM gaps WHERE reason = 'hole' AND ordinal IS NULL
            """, "90-91 95-97")
    }

    @Test("holes of a group that comes back are noted later where that of gaps is left just then")
    func holeOfLeaving() throws {
        let scene = try ApartScene("writer_gaway", partitions: 1)
        let writer = try scene.begin()
        try writer.stop()
        try scene.refuse("gaps")
        try exchange(scene, "ticks", noting: "group_hole", for: "rest")
        try scene.database.expect("SELECT table_group, table_name FROM apart_groups", "rest|gaps")
        try scene.database.expect(
            """
            SELECT string_agg(concat_ws(' ', first_ordinal, last_ordinal, table_group), ', '
                ORDER BY first_ordinal) FROM book_gaps WHERE is_waiting
            """, "90 91 ticks, 95 97")
    }

    /// Takes back a group that has a hole to note, and leaves another one, in one transaction that
    /// has a hole of the tape.
    private func exchange(
        _ scene: ApartScene, _ back: String, noting reason: String, for left: String
    ) throws {
        let place = "WHERE (p.input, p.partition) = ('ticks', 0)"
        try scene.database.psql(
            """
            INSERT INTO apart_groups (sink, input, partition, owner, owner_epoch,
                stream_created_ns, sequence, packet_epoch, packet_ordinal, packet_crc,
                table_group, table_name, reason, since_ns, gaps)
            SELECT sink, input, partition, owner, owner_epoch, stream_created_ns, sequence,
                packet_epoch, packet_ordinal, packet_crc, '\(back)', 'gaps', 'no', 5,
                '[{"source": "test", "first_ordinal": 90, "last_ordinal": 91,
                    "reason": "\(reason)", "detail": "\(reason == "hole" ? "" : back)"}]'
            FROM sink_positions p \(place)
            """)
        try scene.database.connectWriter().execute(
            """
            SELECT advance_positions('store', (
                SELECT jsonb_agg(to_jsonb(p) || jsonb_build_object(
                    'joined', jsonb_build_object('\(back)', p.sequence),
                    'apart', jsonb_build_array(jsonb_build_object('table_group', '\(left)',
                        'sources', jsonb_build_array(), 'table_name', 'gaps', 'reason', 'no',
                        'since_ns', 6)),
                    'gaps', jsonb_build_array(jsonb_build_object('source', 'test',
                        'first_ordinal', 95, 'last_ordinal', 97, 'reason', 'hole'))))
                FROM sink_positions p \(place)))
            """, timeout: .seconds(10))
    }

    @Test("no table is switched on while others wait apart, because its records were skipped")
    func switchedOn() throws {
        let scene = try ApartScene("writer_gwide", partitions: 1)
        let tables = SinkName.allCases.filter { $0 != .quotes }
        let narrow = ["STORE_TABLES": tables.map(\.rawValue).joined(separator: ",")]
        let first = try scene.bench.start(narrow)
        try scene.storeGaps(packets: 2)
        try scene.leave(packets: 2)
        try scene.expectGaps()
        try first.stop()
        let wide = try scene.bench.start()
        #expect(
            eventually {
                wide.reasons.contains { $0.contains("STORE_TABLES has quotes more than before") }
            }, "\(wide.reasons)")
        try wide.stop()
        try scene.mend("trade_rows")
        let back = try scene.bench.start(narrow)
        try scene.storeGaps(packets: 1)
        try scene.expectApart("")
        let quotes = "SELECT count(*) > 0 FROM quotes"
        try scene.database.expect(quotes, "f")
        try back.stop()
        let again = try scene.bench.start()
        try scene.storeGaps(packets: 1)
        try scene.database.expect(quotes, "t")
        try scene.bench.stopAndAudit(again)
        try Audit.expect(
            "ticks_stored_once", "rows_as_booked", "books_balanced", in: scene.database)
    }

    @Test("a hole on the tape is noted later, when the table of gaps is the blocked one")
    func hole() throws {
        let scene = try ApartScene("writer_ghole")
        let writer = try scene.begin()
        try scene.refuse("gaps")
        try scene.publish(packets: 2)
        try scene.expectApart("rest")
        scene.skip(5)
        try scene.publish(packets: 2)
        try scene.expectTicks()
        try scene.expectApart("rest")
        let noted = "SELECT count(*) FROM gaps WHERE reason = 'hole' AND ordinal IS NULL"
        try scene.database.expect(noted, "0")
        #expect(writer.isReady, "\(writer.reasons)")
        try scene.mend("gaps")
        try scene.expectGaps()
        try scene.database.expectSoon(noted, "2", "noted")
        try scene.expectApart("")
        try scene.bench.stopAndAudit(writer)
        try Audit.expect(
            "ticks_stored_once", "rows_as_booked", "books_balanced", in: scene.database)
    }
}
