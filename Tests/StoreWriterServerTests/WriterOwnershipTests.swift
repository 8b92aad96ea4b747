import MarketModel
import Membership
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import MembershipTransport
@testable import StoreWriter

@Suite("Partitions of the store writer that come and go")
struct WriterOwnershipTests {
    @Test("a writer that owns nothing is ready, and writes nothing")
    func nothing() throws {
        let bench = try WriterBench("writer_o1")
        var ticks = try TestTicks(bench)
        let member = HandMembership(bench.records)
        let other = HandMembership(bench.records, takes: [0, 1, 2, 3])
        let idle = try bench.start(membership: member)
        let busy = try bench.start(membership: other)
        try ticks.store(packets: 4)
        #expect(eventually { idle.isReady && busy.isReady }, "\(idle.reasons) \(busy.reasons)")
        #expect(idle.service.metric("mds_worker_batches_written_total") == 0)
        #expect(member.heard.isEmpty)
        #expect(other.records.epoch(Partition(0)) == 1)
        try idle.stop()
        try busy.stop()
    }

    @Test(
        "two writers exchange partitions under load: each ordinal is one row",
        arguments: [UInt64.random(in: 0 ... .max), 7])
    func exchange(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let bench = try WriterBench("writer_x\(seed % 1_000_000)")
        let members = [
            HandMembership(bench.records, takes: [0, 1, 2, 3]), HandMembership(bench.records),
        ]
        let writers = try members.map {
            try bench.start(["WRITER_BATCH_ROWS": "40"], membership: $0)
        }
        let packets = 120
        let load = try PublishedLoad(bench, partitions: 4, packets: packets)
        var owner = [0, 0, 0, 0]
        for _ in 0..<24 {
            let partition = Int(random.next() % 4)
            let (old, new) = (owner[partition], 1 - owner[partition])
            switch random.next() % 3 {
            case 0:
                // Handed over in order.
                #expect(members[old].release(partition), "seed \(seed)")
                members[new].take(partition)
            case 1:
                // Taken from an owner that does not know; the database fences it.
                members[new].take(partition)
                #expect(eventually { members[new].hasOpened(partition) }, "seed \(seed)")
                members[old].drop(partition)
            default:
                // Ordered, and withdrawn before it can answer.
                members[new].take(partition)
                members[old].drop(partition)
            }
            owner[partition] = new
            if random.next() % 2 == 0 {
                #expect(eventually { members[new].hasOpened(partition) }, "seed \(seed)")
            }
        }
        try load.waitUntilPublished()
        let total = packets * PublishedLoad.ticksPerPacket
        // An owner that was fenced by the other's late claim has reported it, and takes the
        // partition again.
        let isComplete = eventually {
            for partition in 0..<4 where members[owner[partition]].hasLost(partition) {
                if !members[owner[partition]].holds(Partition(partition)) {
                    members[owner[partition]].take(partition)
                }
            }
            return bench.isComplete([total, total, total, total], within: 0.5)
        }
        #expect(isComplete, "seed \(seed): \(bench.shown)")
        for writer in writers { #expect(try writer.stop() == .success) }
        #expect(try bench.missing() == "0", "seed \(seed)")
    }

    @Test(
        "a writer that is not steady reads and writes nothing, and goes on with what it still has")
    func paused() throws {
        let bench = try WriterBench("writer_o2")
        var ticks = try TestTicks(bench)
        let member = HandMembership(bench.records, takes: [0, 1, 2, 3])
        let other = HandMembership(bench.records)
        let first = try bench.start(membership: member)
        let second = try bench.start(membership: other)
        try ticks.store(packets: 4)
        member.steady(false)
        #expect(eventually { first.log.contains("writer.paused") })
        try ticks.publish(packets: 4)
        other.take([Partition(0), Partition(1)])
        #expect(bench.isComplete([200, 200, 100, 100]), "\(bench.shown)")
        member.drop(0)
        member.drop(1)
        // Nothing is read or written before it is steady, not even what is newly handed to it.
        #expect(other.release(1))
        member.take(1)
        try ticks.publish(packets: 4)
        #expect(bench.isComplete([300, 200, 100, 100]), "\(bench.shown)")
        member.steady(true)
        ticks.expectStored()
        #expect(!member.hasLost(0) && !member.hasLost(1))
        try bench.stopAndAudit(first, second)
    }

    @Test("a writer that wakes up as an owner that it is no more is fenced, and says so")
    func fencedInItsSleep() throws {
        let bench = try WriterBench("writer_o3")
        var ticks = try TestTicks(bench)
        let member = HandMembership(bench.records, takes: [0, 1, 2, 3])
        let other = HandMembership(bench.records)
        let first = try bench.start(membership: member)
        let second = try bench.start(membership: other)
        try ticks.store(packets: 2)
        other.take([Partition(1), Partition(3)])
        #expect(eventually { other.hasOpened(1) && other.hasOpened(3) })
        try ticks.store(packets: 30)
        #expect(eventually { member.hasLost(1) && member.hasLost(3) })
        #expect(first.service.metric("mds_writer_fenced_total") == 2)
        #expect(first.log.contains("claimed it at epoch 2"))
        #expect(eventually { first.isReady }, "\(first.reasons)")
        try bench.stopAndAudit(first, second)
    }

    @Test(
        "all partitions of a take-over are claimed in one round trip, at the record's epoch"
    )
    func oneRoundTrip() throws {
        let bench = try WriterBench("writer_o5")
        let member = HandMembership(bench.records)
        // From the start, so that no thread has seen it steady before all orders are given.
        member.steady(false)
        let running = try bench.start(["WRITER_THREADS": "1"], membership: member)
        #expect(eventually { running.log.contains("writer.database.opened") })
        member.take((0..<4).map { Partition($0) })
        member.steady(true)
        #expect(eventually { (0..<4).allSatisfy { member.hasOpened($0) } })
        try bench.database.expect(
            "SELECT count(*), count(DISTINCT claimed_at), max(owner_epoch) FROM sink_positions",
            "8|1|1")
        #expect(running.service.metric("mds_writer_takeover_seconds_count") == 4)
        // The database has a higher epoch than the records.
        try bench.database.psql("UPDATE sink_positions SET owner_epoch = 41 WHERE partition = 2")
        #expect(member.release(2))
        member.take(2)
        #expect(eventually { member.hasOpened(2) })
        #expect(member.records.epoch(Partition(2)) == 42)
        try running.stop()
    }

    @Test("a stop hands everything over, with what was read")
    func stopHandsOver() throws {
        let bench = try WriterBench("writer_o6")
        var ticks = try TestTicks(bench)
        let member = HandMembership(bench.records, takes: [0, 1, 2, 3])
        let running = try bench.start(
            ["WRITER_BATCH_WAIT": "60s", "WRITER_BATCH_ROWS": "20000"], isEarly: false,
            membership: member)
        try ticks.publish(packets: 4)
        #expect(
            eventually {
                let depth = (0..<4).compactMap {
                    running.service.metric("mds_coord_queue_depth{thread=\"\($0)\"}")
                }
                return depth.reduce(0, +) == 400
            })
        #expect(try running.stop() == .success)
        #expect(ticks.areStored(within: 0), "\(bench.shown)")
        #expect(member.hasLeft)
        #expect(member.heard.count { if case .released = $0 { true } else { false } } == 4)
    }

    @Test("what is not handed over in time is left to the lease")
    func leftBehind() throws {
        let bench = try WriterBench("writer_o7")
        let running = try bench.start(membership: SilentMembership())
        #expect(eventually { running.isReady }, "\(running.reasons)")
        #expect(try running.stop() == .success)
        #expect(running.log.contains("writer.left_behind"))
    }

    @Test("without the database a partition is given away at once, and another has all of it")
    func releasedWithoutDatabase() throws {
        let server = try PostgresServer()
        let bench = try WriterBench("writer_o8", server: server)
        var ticks = try TestTicks(bench)
        let member = HandMembership(bench.records, takes: [0, 1, 2, 3])
        let running = try bench.start(membership: member)
        try ticks.store(packets: 2)
        server.stopImmediately()
        try ticks.publish(packets: 2)
        #expect(eventually { !running.isReady })
        for partition in 0..<4 { #expect(member.release(partition)) }
        member.take((0..<4).map { Partition($0) })
        #expect(member.release(3))
        member.take(3)
        try server.restart()
        ticks.expectStored()
        #expect(eventually { running.isReady }, "\(running.reasons)")
        try bench.stopAndAudit(running)
    }

    @Test("a session that is lost is followed by a claim that another owner's is not undone by")
    func refusedAgain() throws {
        let bench = try WriterBench("writer_o9")
        let member = HandMembership(bench.records, takes: [0, 1, 2, 3])
        let running = try bench.start(membership: member)
        #expect(eventually { (0..<4).allSatisfy { member.hasOpened($0) } })
        try bench.database.psql("SELECT claim_position('store', 'bars', 2, 9, 'somebody else')")
        try bench.database.terminate()
        var ticks = try TestTicks(bench)
        #expect(
            try eventually {
                // A lost session is noticed by the next write.
                try ticks.publish(packets: 1)
                return member.hasLost(2)
            })
        try bench.database.expect(
            "SELECT owner, owner_epoch FROM sink_positions "
                + "WHERE (input, partition) = ('bars', 2)", "somebody else|9")
        #expect(!member.hasLost(0) && !member.hasLost(1) && !member.hasLost(3))
        // As a membership does whose record still names this process.
        member.take(2)
        #expect(eventually { member.hasOpened(2) })
        ticks.expectStored()
        try bench.stopAndAudit(running)
    }

    @Test("an order of an earlier tenure changes nothing, and is answered")
    func staleOrders() throws {
        let bench = try WriterBench("writer_o10")
        var ticks = try TestTicks(bench, partitions: 1)
        let member = HandMembership(bench.records)
        let running = try bench.start(membership: member)
        member.take(0)
        let first = member
        // Taken again without a release in between. The later tenure applies.
        first.take(0)
        #expect(eventually { member.hasOpened(0) })
        member.sendRaw(.release(Partition(0), tenure: 1))
        member.sendRaw(.drop(Partition(0), tenure: 1))
        #expect(
            eventually {
                member.heard.contains { if case .released(_, 1) = $0 { true } else { false } }
            })
        try ticks.store(packets: 2)
        #expect(member.holds(Partition(0)))
        try running.stop()
    }

    @Test("writers share the partitions out by themselves, and one that stops hands its own over")
    func group() throws {
        let bench = try WriterBench("writer_o12", nats: NatsServer())
        try bench.makeOwners()
        var ticks = try TestTicks(bench)
        func start(_ name: String) throws -> RunningService {
            let environment = ["MDS_MEMBER": name, "MDS_LEASE": "2s"]
            let service = try TestService(
                Main.description, bench.environment().merging(environment) { $1 })
            return try service.start { try Main.run($0) }
        }
        func held(_ writer: RunningService) -> Double {
            (0..<4).reduce(0) {
                $0 + (writer.service.metric("mds_writer_partitions{thread=\"\($1)\"}") ?? 0)
            }
        }
        let first = try start("a")
        try ticks.publish(packets: 4)
        ticks.expectStored("\(first.log.text)")
        let second = try start("b")
        #expect(
            eventually { held(first) == 2 && held(second) == 2 },
            "\(held(first)) \(held(second))")
        try ticks.store(packets: 4)
        #expect(try first.stop() == .success)
        #expect(!first.log.contains("writer.left_behind"), "\(first.log.text)")
        try ticks.store(packets: 4)
        #expect(eventually { held(second) == 4 && second.isReady }, "\(second.reasons)")
        #expect(try second.stop() == .success)
        #expect(first.service.metric("mds_writer_fenced_total") == nil)
        #expect(try bench.missing() == "0")
    }

    @Test("a group that cannot be joined ends the writer with the reason")
    func cannotJoin() throws {
        let bench = try WriterBench("writer_o11")
        struct Refused: Error {}
        let running = try bench.start(join: { _ in throw Refused() })
        #expect(throws: Refused.self) { _ = try running.exitCode() }
    }
}

/// A membership that never reports that it has left.
private struct SilentMembership: WriterMembership {
    func leave() {}
    var hasLeft: Bool { false }
    func close() {}
}
