import PostgresClient
import TestSupport
import Testing

@testable import StoreWriter

@Suite("Who only reads the database")
struct ReaderRoleTests {
    /// Returns a database whose migration was given a reader, and a login role that is a member of
    /// it.
    private func database(_ name: String, _ mode: DatabaseMode) throws -> TestDatabase {
        let database = try TestDatabase(name, mode: mode)
        try database.migrateForReaders(times: 2)
        return database
    }

    @Test("a member of the reader sees every table and view", arguments: DatabaseMode.usual)
    func reads(mode: DatabaseMode) throws {
        let database = try database("reader_reads", mode)
        try database.psql("SELECT make_time_partition('trades', now())")
        try database.insertTrades(3, from: "now()")
        let reader = try database.connect(
            database.readersMember, searchPath: database.schema.searchPath)
        let relations = try database.psql(
            """
            SELECT relname FROM pg_class WHERE relnamespace = 'md'::regnamespace
                AND relkind IN ('r', 'p', 'v', 'm') AND NOT relispartition ORDER BY 1
            """
        ).split(separator: "\n")
        #expect(relations.count > 20)
        for relation in relations {
            try reader.execute("SELECT count(*) FROM \(relation)")
        }
        try reader.expect("SELECT count(*) FROM trades", "3")
        try reader.expect("SELECT mode FROM store_mode()", mode.name)
        for question in [
            "SELECT replay_state('store', 'ticks', 1, 's', 1, 'ticks')",
            "SELECT is_retired('trade_rows', now(), now())",
        ] {
            #expect(try reader.execute(question).rowCount == 1, "\(question)")
        }
    }

    @Test("it changes nothing, by no statement and no function", arguments: DatabaseMode.usual)
    func changesNothing(mode: DatabaseMode) throws {
        let database = try database("reader_bounds", mode)
        let reader = try database.connect(
            database.readersMember, searchPath: database.schema.searchPath)
        for forbidden in [
            "INSERT INTO quotes (ts, symbol) VALUES (now(), 'A')",
            "UPDATE bars_short SET close = 1",
            "DELETE FROM trades", "TRUNCATE trade_rows", "DROP TABLE trade_rows",
            "DROP SCHEMA md CASCADE",
            "CREATE TABLE mine (i integer)", "ALTER TABLE trade_rows ADD COLUMN i integer",
            "SELECT claim_position('store', 'ticks', 1, 1)",
            "SELECT make_time_partition('trades', now())", "SELECT make_coming_partitions(7)",
            "SELECT apply_retention('trades', interval '1 day', 1)",
            "SELECT note_replayed('store', 'ticks', 1, 's', 1)",
            "SELECT begin_replay('store', 'ticks', 1, 's', 1, 'ticks')",
        ] {
            reader.refusal(of: forbidden, .insufficientPrivilege)
        }
    }

    @Test("without the setting nobody gets anything")
    func none() throws {
        let database = try TestDatabase("reader_none", mode: .plain)
        try database.migrate()
        try database.expect(
            """
            SELECT count(*) FROM information_schema.role_table_grants
            WHERE table_schema = 'md'
                AND grantee NOT IN ('\(database.migrator)', '\(database.writer)')
            """, "0")
    }
}
