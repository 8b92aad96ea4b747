import Membership
import NatsTransport
import PostgresClient
import Primitives
import ServiceTestSupport
import TapeKeeping
import TestSupport
import Testing

@testable import StoreWriter

/// A database of two servers: a primary that commits only what its standby has flushed, and that
/// standby.
@Suite("A database that fails over", .serialized)
struct FailoverTests {
    private static func hosts(_ servers: [PostgresServer]) -> [String: String] {
        ["POSTGRES_HOST": servers.map { "127.0.0.1:\($0.port)" }.joined(separator: ",")]
    }

    /// Returns what a server has of the ticks.
    private static func stored(on database: TestDatabase) throws -> String {
        try database.psql(
            "SELECT sum(rows), sum(ordinals), min(first_ordinal), max(last_ordinal) "
                + "FROM stored_ticks")
    }

    @Test("no row is lost, and none goes to the earlier primary, which is listed first")
    func promotion() throws {
        let primary = try PostgresServer()
        let standby = try PostgresServer(standbyOf: primary)
        func setStandbys(_ names: String) throws {
            try primary.psql("ALTER SYSTEM SET synchronous_standby_names = '\(names)'")
            try primary.psql("SELECT pg_reload_conf()")
        }
        try setStandbys("*")
        var faults = try FaultBench("failover", server: primary)
        let writer = try WriterProcess(faults.bench, Self.hosts([primary, standby]))
        try faults.publish()
        try #require(faults.isComplete(), "\(writer.log)")

        primary.stopImmediately()
        try standby.promote()
        try faults.publish()
        let copy = try TestDatabase(
            existing: faults.database.name, faults.database.schema.text, standby)
        func isComplete() throws -> Bool {
            let all = 4 * faults.published
            return try eventually {
                try Self.stored(on: copy) == "\(all)|\(all)|1|\(faults.published)"
            }
        }
        #expect(try isComplete(), "\(writer.log)")
        #expect(writer.count("writer.server.promoted") >= 1)

        // The earlier primary is back, and accepts writes. It waits for no standby.
        try primary.restart()
        try setStandbys("")
        let before = try Self.stored(on: faults.database)
        try copy.terminate()
        try faults.publish()
        #expect(try isComplete(), "\(writer.log)")
        #expect(try Self.stored(on: faults.database) == before)
        #expect(eventually { writer.count("writer.server.refused") >= 1 })
        #expect(writer.stop() == 0, "\(writer.log)")
        try copy.expect("SELECT sum(abs(missing)) FROM sink_audit", "0")
    }

    @Test("a group of tables that waits apart catches up at the promoted server")
    func apart() throws {
        let primary = try PostgresServer()
        let standby = try PostgresServer(standbyOf: primary)
        try primary.psql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        try primary.psql("SELECT pg_reload_conf()")
        var faults = try FaultBench("failapart", server: primary)
        let writer = try WriterProcess(faults.bench, Self.hosts([primary, standby]))
        try faults.publish()
        try #require(faults.isComplete(), "\(writer.log)")
        try faults.database.psql(
            """
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                RAISE EXCEPTION 'not now' USING ERRCODE = '42501'; END $$;
            CREATE TRIGGER blocked BEFORE INSERT ON trade_rows
                FOR EACH STATEMENT EXECUTE FUNCTION refuse()
            """)
        try faults.publish()
        let apart = "SELECT coalesce(string_agg(DISTINCT table_group, ','), '') FROM apart_groups"
        try faults.database.expectSoon(apart, "ticks", "\(writer.log)")
        primary.stopImmediately()
        try standby.promote()
        try faults.publish()
        let copy = try TestDatabase(
            existing: faults.database.name, faults.database.schema.text, standby)
        let all = 4 * faults.published
        try copy.expectSoon(
            "SELECT sum(waiting) > 0, sum(last_ordinal) FROM sink_audit WHERE input = 'ticks'",
            "t|\(all)", "\(writer.log)")
        try copy.expect(apart, "ticks")
        try copy.psql("DROP TRIGGER blocked ON trade_rows")
        try copy.expectSoon(
            "SELECT sum(rows), sum(ordinals) FROM stored_ticks", "\(all)|\(all)", "\(writer.log)")
        try copy.expectSoon(apart, "", "\(writer.log)")
        #expect(writer.stop() == 0, "\(writer.log)")
        try copy.expect("SELECT sum(abs(missing)), sum(waiting) FROM sink_audit", "0|0")
    }

    // MARK: one session

    private static func note(
        _ scene: StoreScene, _ change: (inout DatabaseServer) -> Void
    ) throws {
        let store = try DatabaseServerStore(scene.client, of: .store)
        let stored = try store.read()
        var server = try #require(stored.server)
        change(&server)
        let outcome = try store.write(server, after: stored)
        guard case .stored = outcome else {
            Issue.record("the record was not written")
            return
        }
    }

    @Test("a session ends before its next commit when another writer has seen a promotion")
    func superseded() throws {
        let scene = try StoreScene("writer_superseded")
        try scene.write(scene.packets([1]))
        let packets = scene.packets([2])
        try Self.note(scene) { $0.timeline += 1 }
        scene.fence.refresh()
        let error = scene.failure(try scene.batch(packets))
        guard case .refused(_, let reason) = error?.ofDatabase else {
            Issue.record("not refused: \(String(describing: error))")
            return
        }
        #expect(reason.contains("timeline 1, but was replaced"), "\(reason)")
        #expect(error?.category == .retryable)
        try scene.expect("SELECT count(*) FROM trades", "1")
        let refused = #expect(throws: StoreError.self) { try scene.store.checkAlive() }
        #expect(refused?.ofDatabase != nil)
        // Nor is a new session opened with it.
        scene.store.close()
        let again = #expect(throws: StoreError.self) { try scene.store.open() }
        #expect(again?.ofDatabase != nil)
        #expect(scene.service.metric("mds_store_refused_servers") == 1)
        #expect(scene.service.metric("mds_store_timeline") == 2)
    }

    @Test("a server that was never a copy is refused until a person takes it")
    func foreign() throws {
        let scene = try StoreScene("writer_foreign")
        scene.store.close()
        let own = try #require(try DatabaseServerStore(scene.client, of: .store).read().server)
        try Self.note(scene) { $0.system ^= 1 }
        let error = #expect(throws: StoreError.self) { try scene.store.open() }
        #expect(error?.ofDatabase?.description.contains("tapeline database accept") == true)
        try Self.note(scene) { $0 = own }
        try scene.claim()
        #expect(scene.service.metric("mds_store_refused_servers") == 0)
    }

    @Test("a claim that a promotion lost is made again; one that another owner has is refused")
    func claims() throws {
        let scene = try StoreScene("writer_lostclaims")
        func claim(known: Int64) throws -> SinkRow {
            try #require(
                try scene.store.claim([
                    SinkClaim(place: scene.place, epoch: UInt64(known) + 1, knownEpoch: known)
                ]).first)
        }
        func set(_ epoch: Int) throws {
            try scene.psql("UPDATE sink_positions SET owner = 'other', owner_epoch = \(epoch)")
        }
        try set(3)
        let again = try claim(known: 7)
        #expect(again.isClaimed && again.position.ownerEpoch == 8)
        for epoch in [8, 9] {
            try set(epoch)
            let refused = try claim(known: 8)
            #expect(!refused.isClaimed && refused.position.owner == "other")
        }
    }
}
