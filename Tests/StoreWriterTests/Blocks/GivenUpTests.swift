import MarketModel
import Membership
import Primitives
import StoreIntents
import TapeCodec
import Testing

@testable import StoreWriter

/// Declared batches of which the tape was purged.
@Suite struct GivenUpTests {
    private static let wait: Int64 = 31_000_000_000

    @Test(
        "where every other row of a batch is there, no row is named, and each ordinal counts once",
        arguments: ["clickhouse", "questdb"])
    func everyOther(kind: String) throws {
        let tape = try BlockTape(packets: 6, ticks: 150)
        let world = try BlockWorld(kind: kind, tape, isPurging: true)
        // It dies after the rows of one table.
        world.planned = (.insert, 0, .killedAfter)
        #expect(!world.live(world.session(), 1))
        tape.purge(below: 6)
        let session = world.session()
        #expect(!world.live(session, .max) && world.waits == 1)
        world.pass(Self.wait)
        #expect(world.live(session, .max))
        #expect(world.problems().isEmpty, "\(world.problems())")
        #expect(world.lostRanges >= 75 && world.gapCount >= 75)
        // When the gaps are filled, rows and counts agree.
        #expect(world.accounted == 900)
    }

    @Test(
        "a whole batch for other tables is not given up while its last packet is there",
        arguments: ["clickhouse", "questdb"])
    func otherTables(kind: String) throws {
        let tape = try BlockTape(packets: 12, ticks: 4)
        let world = try BlockWorld(kind: kind, tape, isPurging: false)
        try declareSecond(in: world)
        tape.purge(below: world.position + 1)
        try world.set(["STORE_TABLES": "trades"])
        let other = world.session()
        for _ in 1...2 {
            #expect(!world.live(other, .max))
            #expect(world.failures.last?.contains("let the writer run once as it was") == true)
            other.close()
            world.pass(Self.wait)
        }
        try world.set([:])
        #expect(world.live(world.session(), .max))
        #expect(world.lostRanges == 0 && world.problems().isEmpty, "\(world.problems())")
    }

    @Test(
        "a batch of which the tape is purged while it is read is given up, and differs not",
        arguments: ["clickhouse", "questdb"])
    func purgedMeanwhile(kind: String) throws {
        let tape = try BlockTape(packets: 12, ticks: 4)
        let world = try BlockWorld(kind: kind, tape, isPurging: true)
        world.planned = (.intent, 0, .killedAfter)
        // Its first batch has all packets.
        #expect(!world.live(world.session(), 1, packets: 12))
        tape.purgeAtRead = 5
        let session = world.session()
        #expect(!world.live(session, .max) && world.waits == 1 && world.failures.count == 1)
        world.pass(Self.wait)
        #expect(world.live(session, .max))
        #expect(world.lostRanges > 0 && world.problems().isEmpty, "\(world.problems())")
    }

    @Test(
        "rows of a table that is switched off by then are counted, and not named",
        arguments: ["clickhouse", "questdb"])
    func fewerTables(kind: String) throws {
        let tape = try BlockTape(packets: 12, ticks: 4)
        let world = try BlockWorld(kind: kind, tape, isPurging: true)
        world.planned = (.position, 0, .killedBefore)
        #expect(!world.live(world.session(), 1))
        tape.purge(below: 12)
        try world.set(["STORE_TABLES": "trades"])
        let other = world.session()
        #expect(!world.live(other, 0) && world.waits == 1)
        world.pass(Self.wait)
        #expect(world.live(other, 0) && world.lostRanges == 0)
        try world.set([:])
        #expect(world.live(world.session(), .max))
        #expect(world.problems().isEmpty, "\(world.problems())")
    }

    @Test(
        "a store that is needed no more makes its batch again, though the packet before it is gone",
        arguments: ["clickhouse", "questdb"])
    func neededNoMore(kind: String) throws {
        let tape = try BlockTape(packets: 12, ticks: 4)
        let world = try BlockWorld(kind: kind, tape, isPurging: false)
        try world.set(["STORE_NEEDED": "true"])
        try declareSecond(in: world)
        tape.purge(below: world.position + 1)
        #expect(!world.live(world.session(), .max))
        #expect(world.failures.last?.contains("STORE_NEEDED=false") == true)
        try world.set(["STORE_NEEDED": "false"])
        #expect(world.live(world.session(), .max))
        #expect(world.lostRanges == 0 && world.problems().isEmpty, "\(world.problems())")
    }

    /// Stores a batch, and dies with another one that is declared.
    private func declareSecond(in world: BlockWorld) throws {
        world.planned = (.intent, 1, .killedAfter)
        #expect(!world.live(world.session(), 2))
        #expect(world.position > 0 && world.planned == nil)
    }

    @Test(
        "the wait for late inserts begins anew with each batch, and keeps no other place waiting",
        arguments: ["clickhouse", "questdb"])
    func waits(kind: String) throws {
        let tape = try BlockTape(packets: 12, ticks: 4)
        let world = try BlockWorld(kind: kind, tape, isPurging: true)
        world.planned = (.intent, 0, .killedAfter)
        #expect(!world.live(world.session(), 1))
        tape.purge(below: 5)
        let first = world.session()
        let other = SinkPlace(input: .bars, partition: Partition(1))
        try first.open()
        let rows = try first.claim(
            [BlockWorld.place, other].map { SinkClaim(place: $0, epoch: 1, knownEpoch: nil) })
        #expect(rows.map(\.isClaimed) == [true, true])
        #expect(rows.map { $0.waits != nil } == [true, false])

        // Another owner gives it up, and declares the next one.
        let second = world.session()
        #expect(!world.live(second, .max) && world.waits == 1)
        world.pass(Self.wait)
        world.planned = (.insert, 0, .killedBefore)
        #expect(!world.live(second, .max) && world.waits == 1)
        tape.purge(below: 12)
        let lost = world.lostRanges
        #expect(lost > 0)
        // The first one has seen the first batch gone long ago, but not this one.
        #expect(!world.live(first, .max) && world.waits == 2 && world.lostRanges == lost)
        world.pass(Self.wait)
        #expect(world.live(first, .max))
        #expect(world.problems().isEmpty, "\(world.problems())")
    }

    @Test("tables that lag behind keep no other place waiting, and are looked at again later")
    func lag() throws {
        let tape = try BlockTape(packets: 12, ticks: 4)
        let world = try BlockWorld(kind: "questdb", tape, isPurging: true)
        world.planned = (.position, 0, .killedBefore)
        #expect(!world.live(world.session(), 1))
        tape.purge(below: 12)
        let session = world.session()
        #expect(!world.live(session, .max) && world.waits == 1)
        world.pass(Self.wait)
        world.lag(looks: 2)
        let other = SinkPlace(input: .bars, partition: Partition(1))
        let rows = try session.claim(
            [BlockWorld.place, other].map { SinkClaim(place: $0, epoch: 9, knownEpoch: nil) })
        #expect(rows.map { $0.waits != nil } == [true, false])
        #expect(rows.first?.waits?.reason.contains("lag behind") == true)
        #expect(!world.live(session, .max) && world.waits == 2 && world.failures.count == 1)
        #expect(world.live(session, .max) && world.lostRanges == 0)
        #expect(world.problems().isEmpty, "\(world.problems())")
    }

    @Test(
        "what a batch has named that is gone, too, is not named again",
        arguments: ["clickhouse", "questdb"])
    func named(kind: String) throws {
        let tape = try BlockTape(packets: 12, ticks: 10)
        let world = try BlockWorld(kind: kind, tape, isPurging: true)
        world.planned = (.insert, 0, .killedAfter)
        #expect(!world.live(world.session(), 1))
        tape.purge(below: 5)
        let second = world.session()
        #expect(!world.live(second, .max) && world.waits == 1)
        world.pass(Self.wait)
        // The first position is that after the batch that is given up.
        world.planned = (.position, 1, .killedBefore)
        #expect(!world.live(second, .max))
        #expect(world.planned == nil && world.gapCount > 0)
        tape.purge(below: 12)
        let third = world.session()
        #expect(!world.live(third, .max) && world.waits == 2)
        world.pass(Self.wait)
        #expect(world.live(third, .max))
        #expect(world.problems().isEmpty, "\(world.problems())")
        #expect(world.accounted == 120)
    }

    @Test("what is lost is told, too, where the answer to the write of it is lost")
    func told() throws {
        let tape = try BlockTape(packets: 12, ticks: 10)
        let world = try BlockWorld(kind: "clickhouse", tape, isPurging: true)
        world.planned = (.intent, 0, .killedAfter)
        #expect(!world.live(world.session(), 1))
        tape.purge(below: 12)
        let session = world.session()
        #expect(!world.live(session, .max) && world.waits == 1)
        world.pass(Self.wait)
        world.planned = (.position, 0, .killedAfter)
        #expect(!world.live(session, .max) && world.lostRanges == 0)
        session.close()
        #expect(world.live(session, .max) && world.lostRanges == 1)
        #expect(world.problems().isEmpty, "\(world.problems())")
    }

    @Test("the holes of a batch that another owner makes again are told")
    func toldHoles() throws {
        var random = SeededRandom(seed: 1)
        let tape = try BlockTape(packets: 60, &random)
        try #require(!tape.holes.isEmpty)
        let world = try BlockWorld(kind: "clickhouse", tape, isPurging: false)
        world.planned = (.insert, 0, .killedAfter)
        #expect(!world.live(world.session(), 1, packets: 60) && world.toldHoles == 0)
        #expect(world.live(world.session(), 1) && world.toldHoles == tape.holes.count)
        #expect(world.problems().isEmpty, "\(world.problems())")
    }

    @Test(
        "letters of a batch that another owner stores, or gives up, are kept no longer",
        arguments: [false, true])
    func letters(isPurged: Bool) throws {
        let tape = try BlockTape(packets: 12, ticks: 4)
        let world = try BlockWorld(
            kind: "clickhouse", tape, isPurging: isPurged, refusing: [1])
        world.planned = (.position, 0, .killedBefore)
        let first = world.session()
        #expect(!world.live(first, 1) && first.kept.count == 1)
        if isPurged {
            tape.purge(below: 12)
            #expect(!world.live(first, .max) && world.waits == 1 && first.kept.count == 1)
            world.pass(Self.wait)
        } else {
            #expect(world.live(world.session(), .max))
        }
        #expect(world.live(first, .max) && first.kept.isEmpty)
        // In the other case its record is lost for the store.
        #expect(world.keptLetters == [1] && world.countedLetters == (isPurged ? [] : [1]))
        #expect(world.problems().isEmpty, "\(world.problems())")
    }

    @Test("a partition that waits is claimed again at its time")
    func slot() {
        func at(_ seconds: Int64) -> MonotonicTime {
            MonotonicTime(nanoseconds: seconds * 1_000_000_000)
        }
        var slot = WorkerSlot(Partition(1))
        #expect(!slot.isToClaim(at: at(1)))
        slot.take(Claim(tenure: 1, epoch: 1, previous: nil, wasReleased: false), now: at(1))
        #expect(slot.isToClaim(at: at(1)))
        slot.wait(until: at(31))
        slot.sessionLost()
        #expect(!slot.isToClaim(at: at(30)) && slot.isToClaim(at: at(31)))
        slot.forget()
        slot.take(Claim(tenure: 2, epoch: 2, previous: nil, wasReleased: false), now: at(2))
        #expect(slot.isToClaim(at: at(2)))
    }
}
