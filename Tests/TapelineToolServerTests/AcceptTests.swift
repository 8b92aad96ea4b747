import Membership
import Foundation
import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// Tape data are destroyed while a writer works, and a person accepts it. Afterwards exactly the
/// destroyed ordinals are named, nothing else is lost, and nothing is stored twice.
@Suite("tapeline position accept, with a writer at work", .serialized)
struct AcceptTests {
    enum Writer: CaseIterable { case living, restarted }

    /// A bench whose writer has stored ordinals 1 to 50 of partition 0, and 1 to 25 of partition 1.
    private struct Scene {
        let bench: AcceptBench
        var zero: TestSource
        var one: TestSource
        var writer: RunningService

        init(_ name: String) throws {
            bench = try AcceptBench(name)
            zero = try bench.source(0)
            one = try bench.source(1)
            writer = try bench.startWriter()
            try AcceptBench.publish(&zero, packets: 10)
            try AcceptBench.publish(&one, packets: 5)
            try bench.expectRows(0, "1-50")
            try bench.expectRows(1, "1-25")
        }

        mutating func restart() throws {
            try writer.stop()
            writer = try bench.startWriter()
        }

        func expectStopped(_ reason: String) {
            let isStopped = eventually {
                writer.reasons.contains { $0.contains(reason) }
            }
            #expect(isStopped, "\(writer.reasons)")
        }

        func expectEnd() throws {
            #expect(eventually { writer.isReady }, "\(writer.reasons)")
            try writer.stop()
            try bench.expectCleanAudit()
            let verified = try bench.tapeline("position", "verify", "--group", "store")
            #expect(verified.code == .success, "\(verified.output)")
        }
    }

    @Test(
        "a purged stream, the gateway alive: what nobody had read is named",
        arguments: Writer.allCases)
    func purged(kind: Writer) throws {
        var scene = try Scene("purged_\(kind)")
        let stream = scene.bench.tape.names.tickStream(0)
        // Ordinals 51 to 60 are published without a writer, and are purged.
        try scene.writer.stop()
        try AcceptBench.publish(&scene.zero, packets: 2)
        try scene.bench.api("STREAM.PURGE.\(stream)")
        scene.zero.epoch = 2
        try AcceptBench.publish(&scene.zero, packets: 2)
        scene.writer = try scene.bench.startWriter()
        scene.expectStopped("was purged")
        let shown = try scene.bench.tapeline("position", "show", "--json", "--partition", "0")
        let states = try #require(try shown.json()["positions"]?.array).compactMap {
            $0["state"]?.string
        }
        #expect(states.contains("purged away"), "\(shown.output)")
        #expect(try scene.bench.tapeline("position", "verify", "--group=store").code == .failure)
        if kind == .restarted { try scene.writer.stop() }
        let accepted = try scene.bench.tapeline("position", "accept", "--yes", "--json")
        #expect(try accepted.json()["destroyed"]?.int == 10, "\(accepted.output)")
        #expect(try scene.bench.gaps == "test/0 51-60 tape_lost")
        if kind == .restarted { scene.writer = try scene.bench.startWriter() }
        try scene.bench.expectRows(0, "1-50 61-70")
        // The other partition continued all the time.
        try AcceptBench.publish(&scene.one, packets: 1)
        try scene.bench.expectRows(1, "1-30")
        try scene.expectEnd()
        #expect(try scene.bench.gaps == "test/0 51-60 tape_lost")
    }

    @Test("a stream that was deleted and made anew", arguments: Writer.allCases)
    func recreated(kind: Writer) throws {
        var scene = try Scene("recreated_\(kind)")
        let names = scene.bench.tape.names
        try scene.bench.api("STREAM.DELETE.\(names.tickStream(0))")
        try scene.bench.tape.client.ensureTickStreams(bytesMax: TestTape.streamBytes)
        // A gateway that knows what was acknowledged, and 5 more that no reader read.
        scene.zero.skip = 5
        scene.zero.epoch = 2
        try AcceptBench.publish(&scene.zero, packets: 3)
        if kind == .restarted { try scene.restart() }
        scene.expectStopped("the stream was created again")
        let accepted = try scene.bench.tapeline(
            "position", "accept", "--yes", "--json", "--partition", "0")
        #expect(try accepted.json()["destroyed"]?.int == 5, "\(accepted.output)")
        try scene.bench.expectRows(0, "1-50 56-70")
        #expect(try scene.bench.gaps == "test/0 51-55 tape_lost")
        try scene.expectEnd()
    }

    @Test("a store put back, with new messages behind it", arguments: Writer.allCases)
    func putBack(kind: Writer) throws {
        var scene = try Scene("putback_\(kind)")
        try scene.bench.snapshot()
        try AcceptBench.publish(&scene.zero, packets: 4)
        try AcceptBench.publish(&scene.one, packets: 1)
        try scene.bench.expectRows(0, "1-70")
        try scene.bench.expectRows(1, "1-30")
        if kind == .restarted { try scene.writer.stop() }
        // 71 to 80 are acknowledged, never read, and destroyed.
        if kind == .restarted { try AcceptBench.publish(&scene.zero, packets: 2) }
        try scene.bench.restoreSnapshot()
        scene.zero.epoch = 2
        scene.one.epoch = 2
        if kind == .living { scene.zero.skip = 10 }
        try AcceptBench.publish(&scene.zero, packets: 8)
        if kind == .restarted { scene.writer = try scene.bench.startWriter() }
        scene.expectStopped("the tape was restored from a backup")
        let accepted = try scene.bench.tapeline("position", "accept", "--yes", "--json")
        #expect(try accepted.json()["destroyed"]?.int == 10, "\(accepted.output)")
        try scene.bench.expectRows(0, "1-70 81-120")
        #expect(try scene.bench.gaps == "test/0 71-80 tape_lost")
        try AcceptBench.publish(&scene.one, packets: 1)
        try scene.bench.expectRows(1, "1-35")
        try scene.expectEnd()
    }

    @Test("a gateway that has forgotten: what comes twice is left out, counted and named")
    func givenTwice() throws {
        var scene = try Scene("twice")
        try scene.bench.snapshot()
        try AcceptBench.publish(&scene.zero, packets: 4)
        try scene.bench.expectRows(0, "1-70")
        try scene.bench.restoreSnapshot()
        var other = try scene.bench.source(0)
        other.skip = 50
        other.epoch = 2
        try AcceptBench.publish(&other, packets: 2, life: 2)
        scene.expectStopped("the tape")
        let accepted = try scene.bench.tapeline("position", "accept", "--yes", "--json")
        #expect(try accepted.json()["given_twice"]?.int == 10, "\(accepted.output)")
        #expect(try accepted.json()["destroyed"]?.int == 0)
        #expect(eventually { scene.writer.isReady }, "\(scene.writer.reasons)")
        // The rest of the repeated ordinals, and a packet across their end; also after a restart in
        // the middle.
        try AcceptBench.publish(&other, packets: 1, life: 2)
        #expect(
            try eventually { try scene.bench.gaps == "test/0 51-65 given_twice" },
            "the ordinals that came twice are named")
        try scene.restart()
        other.skip = 2
        try AcceptBench.publish(&other, packets: 3, life: 2)
        try scene.bench.expectRows(0, "1-82")
        #expect(
            try scene.bench.gaps == "test/0 51-65 given_twice, test/0 68-70 given_twice")
        #expect(
            try scene.bench.query(
                "SELECT given_twice, last_ordinal, tape_ordinal, epoch FROM sink_source_ordinals "
                    + "WHERE partition = 0") == "18|82|82|2")
        // Each row is from the life in which its ordinal came first.
        #expect(
            try scene.bench.query(
                "SELECT bool_and((price = 1) = (ordinal <= 70)) FROM trades WHERE partition = 0")
                == "t")
        try scene.expectEnd()
    }

    @Test(
        "the tape is purged while tables wait apart: they are given up when that is asked for",
        arguments: [true, false])
    func apart(isNeeded: Bool) throws {
        var scene = try Scene("apart_\(isNeeded)")
        let needed = ["STORE_NEEDED": "\(isNeeded)"]
        _ = try scene.bench.query(
            """
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                RAISE EXCEPTION 'not now' USING ERRCODE = '42501'; END $$;
            CREATE TRIGGER blocked BEFORE INSERT ON trade_rows
                FOR EACH STATEMENT EXECUTE FUNCTION refuse()
            """)
        try AcceptBench.publish(&scene.zero, packets: 2)
        let reached = "SELECT max(last_ordinal) FROM sink_source_ordinals WHERE partition = 0"
        try scene.bench.expect("60") { try scene.bench.query(reached) }
        try scene.writer.stop()
        try scene.bench.api("STREAM.PURGE.\(scene.bench.tape.names.tickStream(0))")
        scene.zero.epoch = 2
        try AcceptBench.publish(&scene.zero, packets: 2)
        scene.writer = try scene.bench.startWriter(needed)
        func accept(_ more: [String] = []) throws -> Said {
            try Said(
                ["position", "accept", "--partition", "0", "--yes", "--json"] + more,
                scene.bench.environment)
        }
        if isNeeded {
            scene.expectStopped("was purged")
            #expect(complaint { try accept() }.contains("the tables of ticks wait apart at ticks"))
        } else {
            // It reads on by itself, and so that is nothing to accept.
            try scene.bench.expect("70") { try scene.bench.query(reached) }
            #expect(try accept().json()["given_up"]?.array?.isEmpty == true)
        }
        #expect(try scene.bench.gaps.isEmpty)
        let accepted = try accept(["--apart"])
        _ = try scene.bench.query("DROP TRIGGER blocked ON trade_rows")
        let given = try #require(try accepted.json()["given_up"]?.array)
        #expect(given.count == 1 && given[0]["tables"]?.array?.first?.string == "ticks")
        #expect(try accepted.json()["destroyed"]?.int == 0, "\(accepted.output)")
        let last = isNeeded ? 60 : 70
        #expect(try scene.bench.gaps == "test/0 51-\(last) group_hole")
        // The writer notices it without a packet.
        let apart = "mds_store_group_apart{group=\"ticks\"}"
        #expect(
            eventually { scene.writer.service.metric(apart) == 0 },
            "\(String(describing: scene.writer.service.metric(apart)))")
        // The group of the other partition has lost nothing.
        try AcceptBench.publish(&scene.zero, packets: 2)
        try AcceptBench.publish(&scene.one, packets: 1)
        try scene.bench.expectRows(0, isNeeded ? "1-50 61-80" : "1-50 71-80")
        try scene.bench.expectRows(1, "1-30")
        try scene.bench.expect("0") {
            try scene.bench.query("SELECT count(*) FROM apart_groups")
        }
        try scene.expectEnd()
    }

    @Test("a hole on the tape is a row of gaps beside the packet behind it")
    func hole() throws {
        var scene = try Scene("hole")
        scene.zero.skip = 7
        try AcceptBench.publish(&scene.zero, packets: 1)
        try scene.bench.expectRows(0, "1-50 58-62")
        #expect(try scene.bench.gaps == "test/0 51-57 hole")
        #expect(eventually { scene.writer.log.count(of: "writer.gap.stored") == 1 })
        #expect(
            scene.writer.service.metric("mds_writer_gap_ticks_total{reason=\"hole\"}") == 7)
        try scene.expectEnd()
    }

    @Test("where all holds nothing is accepted, and nothing is changed without consent")
    func nothing() throws {
        let scene = try Scene("nothing")
        let accepted = try scene.bench.tapeline("position", "accept", "--yes")
        #expect(accepted.output.hasPrefix("nothing to accept: all of 2 positions hold"))
        let verified = try scene.bench.tapeline("position", "verify", "--json")
        #expect(try verified.json()["holds"]?.bool == true)
        #expect(verified.code == .success)
        let table = try scene.bench.tapeline("position", "show", "--group", "store").output
        #expect(table.contains("store     ticks    0"))
        #expect(table.contains("last ordinals: test 50"))
        try scene.writer.stop()
    }

    @Test("a position that moved meanwhile is not changed")
    func guarded() throws {
        var scene = try Scene("guarded")
        let database = try Deployment.find(
            TapeTarget(), environment: scene.bench.environment, executable: "/x"
        ).openDatabase()
        defer { database.close() }
        let books = StorePositions(.store, database)
        let wrong = StorePositions(try #require(GroupName("store-b")), database)
        let refusal = #expect(throws: ToolError.self) { try wrong.positions() }
        #expect(refusal?.description.contains("is that of store, not of store-b") == true)
        let seen = try #require(
            try books.positions().first { $0.input == .ticks && $0.partition.number == 0 })
        let plan = try Acceptance(
            seen, tapeSources: [], streamCreated: .undefined, lastSequence: 0
        ) { _, _ in nil }
        try AcceptBench.publish(&scene.zero, packets: 1)
        try scene.bench.expectRows(0, "1-55")
        #expect(complaint { try books.accept(plan) }.contains("run it again"))
        // The database itself refuses a gap that does not fit.
        try scene.writer.stop()
        let now = try #require(
            try books.positions().first { $0.input == .ticks && $0.partition.number == 0 })
        var untrue = try Acceptance(
            now, tapeSources: [], streamCreated: .undefined, lastSequence: 0
        ) { _, _ in nil }
        untrue.changes[0].lastOrdinal = 90
        #expect(throws: ToolError.self) { try books.accept(untrue) }
        untrue.changes[0].lost = 57...90
        #expect(throws: ToolError.self) { try books.accept(untrue) }
        #expect(try scene.bench.gaps.isEmpty)
        try scene.bench.expectCleanAudit()
    }
}
