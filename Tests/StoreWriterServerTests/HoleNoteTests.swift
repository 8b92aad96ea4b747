import PostgresClient
import Primitives
import ServiceTestSupport
import TestSupport
import Testing

@testable import StoreWriter

@Suite("A hole of the tape that cannot be noted") struct HoleNoteTests {
    @Test(
        "the group of the table of gaps waits apart, without a row for it, and no other rows wait",
        arguments: [true, false])
    func noted(isLocked: Bool) throws {
        let bench = try WriterBench("writer_note_\(isLocked)")
        var source = try bench.source(0)
        let writer = try bench.start()
        var ordinals = 0
        func publish() throws {
            WriterBench.fill(&source, ticks: 10)
            try source.publish(watermark: Timestamp(nanoseconds: WriterBench.start))
            ordinals += 10
        }
        func expectRows() throws {
            try bench.database.expectSoon(
                "SELECT (SELECT count(*) FROM trades) + (SELECT count(*) FROM quotes)",
                "\(ordinals)", "\(writer.reasons)")
        }
        try publish()
        try expectRows()
        let locker = try bench.database.connect(
            bench.database.migrator, searchPath: bench.database.schema.searchPath)
        if isLocked {
            try locker.script(
                "BEGIN; LOCK TABLE gaps IN EXCLUSIVE MODE", timeout: .seconds(10))
        } else {
            try bench.database.psql(
                """
                CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    RAISE EXCEPTION 'not now' USING ERRCODE = '42501'; END $$;
                CREATE TRIGGER blocked BEFORE INSERT ON gaps
                    FOR EACH STATEMENT EXECUTE FUNCTION refuse()
                """)
        }
        source.skip = 5
        try publish()
        try expectRows()
        let groups = "SELECT DISTINCT table_group, table_name FROM apart_groups"
        try bench.database.expect(groups, "rest|gaps")
        let holes = "SELECT first_ordinal, last_ordinal, reason, is_waiting FROM book_gaps"
        try bench.database.expect(holes, "11|15|hole|t")
        #expect(try bench.missing() == "0")
        // It is tried again, each time later, and not with each batch.
        for _ in 0..<20 {
            try publish()
            try expectRows()
        }
        #expect(writer.log.text.split(separator: "writer.group.apart").count <= 6)
        if isLocked {
            try locker.script("ROLLBACK", timeout: .seconds(10))
        } else {
            try bench.database.psql("DROP TRIGGER blocked ON gaps")
        }
        try publish()
        try expectRows()
        try bench.database.expectSoon(holes, "11|15|hole|f", "\(writer.reasons)")
        try bench.database.expectSoon("SELECT count(*) FROM apart_groups", "0", "apart")
        try bench.stopAndAudit(writer)
    }
}
