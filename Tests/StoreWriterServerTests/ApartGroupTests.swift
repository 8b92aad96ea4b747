import Foundation
import MarketModel
import NatsTransport
import PostgresClient
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StoreSinks
import Synchronization
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import StoreWriter
@testable import TapeTransport

/// What a writer tells gateways: up to where the tape may be purged, by partition of ticks.
private final class Floor: Sendable {
    private let told = Mutex<[Int: (sequence: UInt64, durable: UInt64)]>([:])
    private let subscription = Mutex<NatsSubscription?>(nil)

    init(_ client: TapeClient) throws {
        let subscribed = try client.connection.subscribe(
            client.names.positions(group: "store"), pendingMessagesMax: 64
        ) { [weak self] message in
            do {
                let said = try PositionMessage(json: message.payload).positions
                self?.told.withLock { told in
                    for each in said where each.input == .ticks {
                        told[each.partition.number] = (each.sequence, each.durable)
                    }
                }
            } catch {
                Issue.record("\(error)")
            }
        }
        subscription.withLock { $0 = subscribed }
    }

    func of(_ partition: Int) -> (sequence: UInt64, durable: UInt64)? {
        told.withLock { $0[partition] }
    }
}

@Suite("A group of tables that is blocked waits alone")
struct ApartGroupTests {
    enum Block: String, CaseIterable { case refused, locked }

    @Test(
        "the rows of others go on, the books are right meanwhile, and it catches up",
        arguments: Block.allCases)
    func waits(block: Block) throws {
        let scene = try ApartScene("writer_g\(block.rawValue)")
        let floor = try Floor(scene.bench.tape.client)
        let writer = try scene.bench.start()
        try scene.publish(packets: 5)
        try scene.expectAll(writer)
        if block == .refused {
            try scene.refuse("trade_rows")
        } else {
            try scene.lock("trade_rows")
        }
        try scene.storeGaps(packets: 20)
        try scene.expectApart("ticks")
        try scene.storeGaps(packets: 20)
        let stored = try scene.database.psql("SELECT count(*) FROM trades")
        #expect(Int(stored) ?? .max < scene.ordinals, "nothing of the blocked table is stored")
        try scene.database.expect("SELECT DISTINCT table_name FROM apart_groups", "trades")
        #expect(try scene.database.psql("SELECT sum(waiting) > 0 FROM sink_audit") == "t")
        #expect(eventually { writer.degraded.contains { $0.contains("trades does not take") } })
        #expect(writer.isReady, "\(writer.reasons)")
        #expect((writer.service.metric("mds_store_group_apart{group=\"ticks\"}") ?? 0) > 0)
        // The tape is kept from where the group is.
        #expect(eventually { floor.of(0).map { $0.durable < $0.sequence } ?? false })
        let kept = try scene.database.psql(
            "SELECT sequence FROM apart_groups WHERE (input, partition) = ('ticks', 0)")
        #expect(floor.of(0)?.durable == UInt64(kept))

        if block == .refused { try scene.mend("trade_rows") } else { try scene.unlock() }
        try scene.expectAll(writer)
        let waited = writer.service.metric("mds_store_group_waits_total") ?? 0
        #expect(block == .refused ? waited == 0 : waited > 0)
        #expect(eventually { floor.of(0).map { $0.durable == $0.sequence } ?? false })
        #expect(eventually { writer.degraded.isEmpty }, "\(writer.degraded)")
        #expect(eventually { writer.log.contains("writer.group.joined") })
        try scene.publish(packets: 3)
        try scene.expectAll(writer)
        try scene.bench.stopAndAudit(writer)
        try Audit.expect(
            "ticks_stored_once", "rows_as_booked", "books_balanced", in: scene.database)
    }

    @Test("a trigger that raises for each row: its rows are searched apart, and few become letters")
    func raising() throws {
        let scene = try ApartScene("writer_graise")
        let writer = try scene.begin(["WRITER_DEAD_LETTERS_MAX": "20"])
        try scene.refuse("trade_rows", for: "ROW", code: "P0001")
        try scene.storeGaps(packets: 20)
        try scene.expectApart("ticks")
        try scene.storeGaps(packets: 20)
        try scene.mend("trade_rows")
        try scene.expectApart("")
        try scene.bench.stopAndAudit(writer)
        try scene.database.expect(
            "SELECT sum(waiting), sum(dead_lettered) <= 80 FROM sink_audit", "0|t")
        try Audit.expect(
            "ticks_stored_once", "rows_as_booked", "books_balanced", in: scene.database)
    }

    @Test("apart for refused rows, it sets none aside while its table takes none, however few")
    func fewAtATime() throws {
        let scene = try ApartScene("writer_gsmall", partitions: 1)
        let writer = try scene.begin()
        let tables = ["trade_rows", "quote_rows"]
        for table in tables { try scene.refuse(table, for: "ROW", code: "P0001") }
        try scene.publish(packets: ApartScene.packetsUntilApart)
        try scene.expectApart("ticks")
        for _ in 0..<10 {
            try scene.storeGaps(packets: 1)
        }
        try scene.expectApart("ticks")
        // It waits for the table of trades. Where that takes rows, refused quotes become letters.
        for table in tables.reversed() { try scene.mend(table) }
        try scene.expectApart("")
        #expect(eventually { writer.log.contains("writer.group.joined") })
        try scene.bench.stopAndAudit(writer)
        // Those of the last packet of the first ones, and of all later ones, are rows.
        let letters = (ApartScene.packetsUntilApart - 1) * ApartScene.count
        try scene.database.expect(
            "SELECT sum(waiting), sum(dead_lettered) <= \(letters) FROM sink_audit", "0|t")
        #expect(writer.log.count("writer.group.joined") == 1)
    }

    @Test("a table that takes none of its rows sends its group apart, while others of it take some")
    func otherTableTakes() throws {
        let scene = try ApartScene("writer_gquotes", partitions: 1)
        let writer = try scene.begin()
        try scene.refuse("trade_rows", for: "ROW", code: "P0001")
        // A batch each: its quotes are stored between the refused trades.
        for _ in 1..<ApartScene.packetsUntilApart {
            try scene.storeGaps(packets: 1)
        }
        try scene.expectApart("")
        let letters = (ApartScene.packetsUntilApart - 1) * ApartScene.trades
        try scene.database.expect(
            "SELECT sum(waiting), sum(dead_lettered) FROM sink_audit", "0|\(letters)")
        try scene.storeGaps(packets: 1)
        try scene.expectApart("ticks")
        try scene.database.expect("SELECT DISTINCT table_name FROM apart_groups", "trades")
        try scene.mend("trade_rows")
        try scene.expectApart("")
        try scene.bench.stopAndAudit(writer)
        try scene.database.expect(
            "SELECT sum(waiting), sum(dead_lettered) FROM sink_audit", "0|\(letters)")
    }

    @Test("a handful of refused rows of a table become letters, and its group does not wait apart")
    func handful() throws {
        let scene = try ApartScene("writer_gfew", partitions: 1)
        let writer = try scene.begin()
        try scene.refuse("trade_rows", for: "ROW", code: "23514")
        // Seven trades each: fewer than would send the group apart.
        try scene.publish(packets: 10)
        try scene.database.expectSoon(
            "SELECT sum(dead_lettered), sum(waiting), sum(missing) FROM sink_audit", "70|0|0",
            "letters")
        try scene.expectApart("")
        #expect(!writer.log.contains("writer.group.left"))
        try scene.mend("trade_rows")
        try scene.bench.stopAndAudit(writer)
    }

    @Test("where no group may be left, refused rows become letters up to the limit")
    func oneGroup() throws {
        let scene = try ApartScene("writer_gone", partitions: 1)
        try scene.refuse("trade_rows", for: "ROW", code: "23514")
        // 140 trades: more than would send a group apart.
        try scene.publish(packets: 20)
        let writer = try scene.bench.start(["STORE_TABLES": "trades,quotes"])
        try scene.database.expectSoon(
            "SELECT sum(dead_lettered), sum(waiting), sum(missing) FROM sink_audit", "140|0|0",
            "\(writer.reasons)")
        try scene.expectApart("")
        try scene.mend("trade_rows")
        try scene.bench.stopAndAudit(writer)
    }

    @Test("a second writer that waits goes on with a group that waits apart")
    func successor() throws {
        let scene = try ApartScene("writer_gnext", partitions: 1)
        try scene.bench.makeOwners()
        let first = try WriterProcess(scene.bench, member: "a")
        try scene.publish(packets: 2)
        try scene.expectAll()
        try scene.leave(packets: 10)
        let second = try WriterProcess(scene.bench, member: "b")
        try scene.storeGaps(packets: 10)
        first.kill()
        try scene.storeGaps(packets: 10)
        try scene.expectApart("ticks")
        try scene.mend("trade_rows")
        try scene.expectAll()
        #expect(second.stop() == 0, "\(second.log)")
        try Audit.expect(
            "ticks_stored_once", "rows_as_booked", "books_balanced", in: scene.database)
    }

    @Test("two groups wait apart at once, and come back one by one")
    func two() throws {
        let scene = try ApartScene("writer_gtwo")
        let writer = try scene.begin(["WRITER_THREADS": "1"])
        try scene.refuse("gaps")
        try scene.publish(packets: 2)
        try scene.expectApart("rest")
        try scene.refuse("trade_rows")
        try scene.publish(packets: 10)
        try scene.expectApart("rest,ticks")
        try scene.mend("gaps")
        try scene.expectGaps()
        try scene.expectApart("ticks")
        try scene.storeGaps(packets: 10)
        try scene.mend("trade_rows")
        try scene.expectAll(writer)
        try scene.bench.stopAndAudit(writer)
    }

    @Test("a writer that is started while a group waits apart goes on so")
    func restart() throws {
        let scene = try ApartScene("writer_grestart")
        let first = try scene.begin()
        try scene.leave(packets: 10)
        // As after a kill: nothing is handed over, and the sessions end.
        let member = HandMembership(scene.bench.records, takes: [0, 1, 2, 3])
        let second = try scene.bench.start(membership: member)
        #expect(eventually { (0..<4).allSatisfy { member.hasOpened($0) } })
        try scene.storeGaps(packets: 10)
        #expect(try first.stop() == .success)
        try scene.expectApart("ticks")
        try scene.database.terminate()
        try scene.storeGaps(packets: 10)
        try scene.mend("trade_rows")
        try scene.expectAll(second)
        try scene.bench.stopAndAudit(second)
        try Audit.expect("ticks_stored_once", "rows_as_booked", in: scene.database)
    }

    @Test("killed while a group waits apart, and again while it catches up")
    func killed() throws {
        let scene = try ApartScene("writer_gkill")
        try scene.bench.makeOwners()
        let first = try WriterProcess(scene.bench)
        try scene.publish(packets: 2)
        try scene.expectAll()
        try scene.leave(packets: 10)
        first.kill()
        try scene.publish(packets: 40)
        let second = try WriterProcess(scene.bench)
        try scene.expectGaps()
        try scene.mend("trade_rows")
        _ = eventually { second.count("writer.group.joined") > 0 }
        try scene.leave(packets: 40)
        try scene.mend("trade_rows")
        second.kill()
        let third = try WriterProcess(scene.bench)
        try scene.expectAll()
        #expect(third.stop() == 0, "\(third.log)")
        try Audit.expect("ticks_stored_once", "rows_as_booked", in: scene.database)
    }

    @Test("a partition is handed over, and back, while a group waits apart and catches up")
    func handOver() throws {
        let scene = try ApartScene("writer_ghand")
        let members = [
            HandMembership(scene.bench.records, takes: [0, 1, 2, 3]),
            HandMembership(scene.bench.records),
        ]
        let writers = try members.map { try scene.bench.start(membership: $0) }
        try scene.publish(packets: 2)
        try scene.expectAll(writers[0])
        try scene.leave(packets: 10)
        #expect(members[0].release(0))
        members[1].take(0)
        #expect(eventually { members[1].hasOpened(0) })
        try scene.storeGaps(packets: 10)
        // Taken from an owner that does not know, while its group catches up.
        try scene.mend("trade_rows")
        members[0].take(0)
        members[1].take(1)
        try scene.publish(packets: 10)
        #expect(eventually { members[0].hasOpened(0) && members[1].hasOpened(1) })
        members[1].drop(0)
        members[0].drop(1)
        try scene.expectAll(writers[0])
        try scene.bench.stopAndAudit(writers[0], writers[1])
        try Audit.expect("ticks_stored_once", "rows_as_booked", in: scene.database)
    }

    @Test("it comes back while packets flow", arguments: ["frugal", "quick"])
    func underFlow(latency: String) throws {
        let scene = try ApartScene("writer_gflow\(latency)")
        let writer = try scene.begin(["WRITER_LATENCY": latency])
        try scene.leave(packets: 5)
        try scene.mend("trade_rows")
        // Packets come until it is back.
        let isBack = try scene.publish(
            until: { writer.log.contains("writer.group.joined") }, max: 4_000)
        #expect(isBack, "\(writer.log.text.suffix(2_000))")
        try scene.expectAll(writer)
        try scene.bench.stopAndAudit(writer)
        try Audit.expect("ticks_stored_once", "rows_as_booked", in: scene.database)
    }

    @Test("where two groups are refused in the same way at once, all tables wait")
    func sameFault() throws {
        let scene = try ApartScene("writer_gsame", partitions: 1)
        let writer = try scene.begin()
        try scene.refuse("gaps")
        try scene.refuse("trade_rows")
        try scene.publish(packets: 5)
        #expect(eventually { writer.reasons.contains { $0.contains("not now") } })
        try scene.expectApart("")
        try scene.mend("gaps")
        try scene.mend("trade_rows")
        try scene.expectAll(writer)
        try scene.bench.stopAndAudit(writer)
    }

    @Test("the last group is not left: without it nothing would be stored")
    func lastGroup() throws {
        let scene = try ApartScene("writer_glast", partitions: 1)
        let writer = try scene.begin(["STORE_TABLES": "trades,quotes,gaps"])
        try scene.refuse("gaps")
        try scene.publish(packets: 2)
        try scene.expectApart("rest")
        try scene.refuse("trade_rows")
        try scene.publish(packets: 2)
        #expect(eventually { writer.reasons.contains { $0.contains("not now") } })
        try scene.expectApart("rest")
        try scene.mend("trade_rows")
        try scene.expectTicks()
        try scene.mend("gaps")
        try scene.expectAll(writer)
        try scene.bench.stopAndAudit(writer)
    }

    enum Wound: String, CaseIterable { case locked, altered }

    @Test(
        "a session that begins while a table is locked or altered writes the others",
        arguments: Wound.allCases)
    func reconnect(wound: Wound) throws {
        let scene = try ApartScene("writer_gr\(wound.rawValue)")
        let first = try scene.begin()
        try first.stop()
        if wound == .locked {
            try scene.lock("trade_rows", "ACCESS EXCLUSIVE")
        } else {
            try scene.database.psql("ALTER TABLE trade_rows RENAME COLUMN price TO cost")
        }
        let second = try scene.bench.start()
        try scene.storeGaps(packets: 10)
        try scene.expectApart("ticks")
        try scene.database.terminate()
        try scene.storeGaps(packets: 10)
        #expect(eventually { second.isReady }, "\(second.reasons)")
        if wound == .locked {
            try scene.unlock()
        } else {
            try scene.database.psql("ALTER TABLE trade_rows RENAME COLUMN cost TO price")
        }
        try scene.expectAll(second)
        try scene.bench.stopAndAudit(second)
        try Audit.expect("ticks_stored_once", "rows_as_booked", in: scene.database)
    }

    @Test("where packets are dropped, all tables wait, as no other reader may read them")
    func dropping() throws {
        let scene = try ApartScene("writer_gdrop", partitions: 1)
        try scene.refuse("trade_rows")
        try scene.publish(packets: 2)
        let writer = try scene.bench.start(["WRITER_OVERFLOW": "drop"])
        #expect(eventually { writer.reasons.contains { $0.contains("not now") } })
        try scene.database.expect("SELECT count(*) FROM apart_groups", "0")
        try scene.database.expect("SELECT count(*) FROM gaps", "0")
        try scene.mend("trade_rows")
        try scene.expectAll(writer)
        try scene.bench.stopAndAudit(writer)
    }
}
