import MarketModel
import Membership
import Primitives
import Testing

@Suite("One member, step by step")
struct MembershipMachineTests {
    private typealias Rig = MachineRig
    private static let lease = MachineRig.lease

    @Test("a member takes what is free when half a lease has passed, and is steady for a lease")
    func joins() throws {
        var rig = try Rig()
        rig.handle(.connected)
        rig.pass(240)
        #expect(rig.machine.state == .joining && rig.orders.isEmpty)
        rig.pass(20)
        #expect(rig.machine.state == .ready && rig.machine.held == [Partition(0)])
        let claim = try #require(rig.firstClaim, "\(rig.orders)")
        #expect(claim == Claim(tenure: 1, epoch: 1, previous: nil, wasReleased: true))
        #expect(rig.steadyUntil > rig.now && rig.steadyUntil <= rig.now + Self.lease)
    }

    /// Another member, and how many of two partitions an owner of rank 0 and semantics 6 keeps
    /// beside it.
    struct Rival: Sendable {
        var rank: UInt64 = 0
        var semantics: UInt64?
        var keeps: Int
    }

    @Test(
        "the highest rank gets the partitions, and of equal ranks the highest semantics",
        arguments: [
            Rival(keeps: 2), Rival(semantics: 5, keeps: 2), Rival(semantics: 6, keeps: 1),
            Rival(semantics: 7, keeps: 0), Rival(rank: 1, keeps: 0),
        ])
    func precedence(rival: Rival) throws {
        var rig = try Rig.begun(partitions: 2, semantics: 6)
        #expect(rig.machine.held.count == 2)
        var other = try rig.other(.ready, 1)
        (other.rank, other.semantics) = (rival.rank, rival.semantics)
        rig.handle(.heartbeat(other))
        rig.pass(100)
        let released = rig.orders.count { if case .release = $0 { true } else { false } }
        #expect(released == 2 - rival.keeps)
        #expect(rig.sent.allSatisfy { $0.semantics == 6 })
    }

    @Test("after a pause nothing goes on before each record is written once more")
    func confirms() throws {
        var rig = try Rig.begun()
        let revision = rig.bucket.last
        rig.hearsItself = false
        rig.pass(600)
        #expect(rig.machine.state == .paused && rig.steadyUntil == .distantPast)
        #expect(rig.machine.held == [Partition(0)])
        rig.hearsItself = true
        rig.writesArrive = false
        rig.pass(300)
        #expect(rig.machine.state == .resuming && rig.steadyUntil == .distantPast)
        #expect(rig.heldWrites.count == 1 && rig.heldWrites.first?.record.epoch == 1)
        rig.writesArrive = true
        for write in rig.heldWrites { rig.arrive(write) }
        rig.pass(40)
        #expect(rig.machine.state == .ready && rig.steadyUntil > rig.now)
        #expect(rig.bucket.last == revision + 1 && rig.orders.count == 1)
    }

    @Test("while a thread hangs it is as one that does not hear itself, whatever comes back to it")
    func hangs() throws {
        var rig = try Rig.begun()
        let revision = rig.bucket.last
        rig.handle(.hangs(true))
        #expect(rig.machine.state == .paused && rig.steadyUntil == .distantPast)
        rig.pass(2_000)
        #expect(rig.machine.state == .paused && rig.steadyUntil == .distantPast)
        #expect(rig.sent.last?.state == .paused && rig.bucket.last == revision)
        // No other member wanted the partition, so it continues after writing its record again.
        rig.handle(.hangs(false))
        rig.pass(300)
        #expect(rig.machine.state == .ready && rig.steadyUntil > rig.now)
        #expect(rig.machine.held == [Partition(0)] && rig.orders.count == 1)
        #expect(rig.bucket.last == revision + 1)
    }

    @Test("who hangs judges nobody: it takes no partition, also of a member that fell silent")
    func hangsBesideSilentOne() throws {
        var rig = try Rig.besideOwner()
        rig.pass(300)
        rig.handle(.hangs(true))
        rig.pass(5_000)
        #expect(rig.machine.held.isEmpty && rig.orders.isEmpty)
        rig.handle(.hangs(false))
        rig.pass(2_000)
        #expect(rig.machine.held == [Partition(0)])
    }

    @Test("who finds another one's record after a pause drops the partition, before it is steady")
    func drops() throws {
        var rig = try Rig.begun()
        rig.hearsItself = false
        rig.pass(600)
        try rig.giveToOther()
        rig.hearsItself = true
        rig.handle(.heartbeat(try rig.other(.ready, 1)))
        rig.pass(200)
        #expect(rig.machine.held.isEmpty && rig.machine.state == .ready)
        #expect(rig.orders.last == .drop(Partition(0), tenure: 1))
    }

    @Test("a member that says paused is as good as silent; one that goes on speaking is not")
    func pausedPeer() throws {
        for state in [MemberState.paused, .resuming] {
            var rig = try Rig.besideOwner()
            for sequence in 2..<60 {
                rig.pass(20)
                rig.handle(.heartbeat(try rig.other(state, UInt64(sequence))))
            }
            #expect(rig.machine.held.isEmpty == (state == .resuming), "\(state)")
        }
    }

    @Test(
        "a record that its owner wrote while the link stood still is proof of life for a lease",
        arguments: [true, false])
    func wroteMeanwhile(speaks: Bool) throws {
        var rig = try Rig.besideOwner()
        rig.pass(480)
        rig.handle(.heartbeat(try rig.other(.ready, 2)))
        rig.handle(.heartbeat(try rig.other(.paused, 3)))
        rig.pass(400)
        // The link stalls. The other member comes back and writes its record again, and this record
        // is read before its messages arrive.
        rig.hearsItself = false
        try rig.giveToOther(epoch: 5)
        rig.pass(200)
        #expect(rig.machine.records.first?.record.epoch == 5)
        // The link delivers what had waited, which proves an earlier silence.
        rig.hearsItself = true
        for heartbeat in rig.underWay { rig.handle(.heartbeat(heartbeat)) }
        #expect(rig.machine.state == .ready && rig.orders.isEmpty && rig.bucket.last == 2)
        for sequence in 4..<100 {
            if speaks { rig.handle(.heartbeat(try rig.other(.ready, UInt64(sequence)))) }
            rig.pass(20)
            // A lease after the read is enough; a second read is not needed.
            guard speaks || sequence < 32 else { break }
        }
        #expect(rig.machine.held.isEmpty == speaks)
        #expect(rig.bucket.entries[0]?.record?.epoch == (speaks ? 5 : 6))
    }

    @Test("a bucket that was put back is noticed through others when it has as many writes again")
    func putBack() throws {
        var rig = try Rig(partitions: 2)
        rig.bucket.keepCopy()
        try rig.giveToOther()
        rig.handle(.connected)
        rig.handle(.heartbeat(try rig.other(.ready, 1)))
        rig.pass(400)
        let last = rig.bucket.last
        // The other member, not this one, finds the bucket empty and fills it.
        rig.bucket.restoreCopy()
        for _ in 0..<last { try rig.giveToOther(epoch: 6) }
        rig.pass(40)
        #expect(rig.machine.records.first?.record.epoch == 4)
        rig.handle(.heartbeat(try rig.other(.ready, 2, records: 0)))
        rig.handle(.heartbeat(try rig.other(.ready, 3, records: last)))
        // It is read twice.
        rig.pass(20)
        #expect(rig.machine.records.first?.record.epoch == 6)
        // It passes that on once.
        let words = rig.sent.filter { $0.records == 0 && $0.state == .ready }
        #expect(words.count == 1, "\(rig.sent)")
        rig.handle(.heartbeat(try rig.other(.ready, 4, records: 0)))
        rig.handle(.heartbeat(try rig.other(.ready, 5, records: last)))
        rig.pass(100)
        #expect(rig.sent.count { $0.records == 0 && $0.state == .ready } == 1)
    }

    @Test("a bucket that was put back is noticed by oneself, too, and an empty one is no other")
    func putBackUnseen() throws {
        var rig = try Rig.begun(partitions: 2)
        rig.pass(2_000)
        #expect(!rig.notes.contains(.bucketReplaced) && rig.machine.held.count == 2)
        let last = rig.bucket.last
        rig.bucket.remake(isSame: true)
        for _ in 0..<last { try rig.giveToOther(epoch: 6) }
        rig.pass(9_000)
        #expect(rig.notes.count { $0 == .bucketReplaced } == 1)
        #expect(rig.machine.held.count == 2 && rig.bucket.entries[1]?.record?.epoch == 2)
    }

    @Test("a bucket whose new leader lags is no other one; one that stays behind is")
    func laggingBucket() throws {
        for isLasting in [false, true] {
            var rig = try Rig(partitions: 2)
            rig.bucket.isReplicated = true
            rig.bucket.keepCopy()
            rig.begin()
            rig.pass(2_000)
            #expect(rig.machine.held.count == 2)
            let present = rig.bucket
            rig.bucket.restoreCopy()
            rig.pass(29_000)
            #expect(rig.machine.held.count == 2 && !rig.notes.contains(.bucketReplaced))
            if !isLasting { rig.bucket = present }
            rig.pass(20_000)
            #expect(rig.notes.contains(.bucketReplaced) == isLasting)
            #expect(rig.machine.held.count == 2, "held still, or claimed anew")
            let drops = rig.orders.count { if case .drop = $0 { true } else { false } }
            #expect(drops == (isLasting ? 2 : 0))
        }
    }

    @Test("an owner that was never heard keeps its partition for the settling time, and no longer")
    func settles() throws {
        var rig = try Rig()
        try rig.giveToOther()
        rig.handle(.connected)
        rig.pass(2_980)
        #expect(rig.machine.held.isEmpty)
        rig.pass(200)
        let claim = try #require(rig.firstClaim, "\(rig.orders)")
        #expect(claim.epoch == 5 && claim.previous?.text == "b" && !claim.wasReleased)
    }

    /// An owner that has ended, and whether a process that starts follows it without waiting.
    struct Ended: Sendable {
        var member = "a"
        var place: UInt64?
        /// Where the new process is started.
        var here: UInt64? = 9
        let isFollowed: Bool
    }

    @Test(
        "a process that is started in its place again follows the one before it without waiting",
        arguments: [
            Ended(place: 9, isFollowed: true), Ended(place: 8, isFollowed: false),
            Ended(isFollowed: false), Ended(here: nil, isFollowed: false),
            Ended(place: 9, here: nil, isFollowed: false),
            Ended(member: "b", place: 9, isFollowed: false),
        ])
    func places(ended: Ended) throws {
        var rig = try Rig(partitions: 4, place: ended.here)
        var record = OwnershipRecord(
            owner: try #require(MemberName(ended.member)), instance: 3, epoch: 4,
            since: Timestamp(nanoseconds: 1), state: .held)
        record.place = ended.place
        for number in 1...3 { rig.give(Partition(number), record) }
        // Another member is alive, and was not heard yet.
        try rig.giveToOther()
        // It hears itself and reads the records without any time passing. Two assignments come a
        // moment apart.
        rig.handle(.connected)
        rig.now += 1_000_000
        rig.handle(.time)
        #expect((rig.machine.state == .ready) == ended.isFollowed)
        #expect(rig.machine.held.isEmpty != ended.isFollowed)
        #expect(!rig.machine.held.contains(Partition(0)))
        for case .take(let partition, let claim) in rig.orders {
            #expect(claim.epoch == 5 && claim.previous == record.owner && !claim.wasReleased)
            #expect(rig.bucket.entries[partition.number]?.record?.place == 9)
        }
    }

    @Test("a claim whose answer was lost is read, and claimed once more")
    func lostAnswer() throws {
        var rig = try Rig()
        rig.writesArrive = false
        rig.begin()
        let write = try #require(rig.heldWrites.first)
        _ = rig.bucket.write(write)
        rig.writesArrive = true
        rig.handle(.written(write.partition, id: write.id, .unsettled("no answer")))
        #expect(rig.orders.isEmpty)
        rig.pass(100)
        let claim = try #require(rig.firstClaim, "\(rig.orders)")
        // The partition had no owner, so the lost claim interrupted nothing.
        #expect(claim == Claim(tenure: 1, epoch: 2, previous: nil, wasReleased: true))
    }

    @Test("answers of an earlier tenure, and answers that come twice, change nothing")
    func oldAnswers() throws {
        var rig = try Rig.begun()
        rig.handle(.answer(.released(Partition(0), tenure: 99)))
        rig.handle(.answer(.lost(Partition(0), tenure: 0, reason: "old")))
        rig.handle(.answer(.opened(Partition(5), tenure: 1, epoch: 3)))
        rig.handle(.answer(.opened(Partition(0), tenure: 1, epoch: UInt64.max)))
        #expect(rig.machine.held == [Partition(0)] && rig.bucket.entries[0]?.record?.epoch == 1)
        rig.handle(.leave)
        #expect(rig.orders.last == .release(Partition(0), tenure: 1))
        #expect(!rig.machine.hasLeft)
        rig.handle(.answer(.released(Partition(0), tenure: 1)))
        rig.handle(.answer(.released(Partition(0), tenure: 1)))
        #expect(rig.machine.hasLeft && rig.bucket.entries[0]?.record?.state == .free)
        #expect(rig.machine.nextDeadline == .never)
    }

    @Test("what others have written is read, and not repeated before the next heartbeat")
    func repeatsNothing() throws {
        var rig = try Rig.besideOwner()
        rig.pass(400)
        rig.handle(.heartbeat(try rig.other(.ready, 2)))
        // A heartbeat has just been sent; the next one is due 125 ms later.
        let before = rig.sent.count
        while rig.sent.count == before { rig.pass(20) }
        try rig.giveToOther(epoch: 5)
        rig.handle(.heartbeat(try rig.other(.ready, 3, records: rig.bucket.last)))
        rig.pass(80)
        #expect(rig.sent.count == before + 1)
        rig.pass(60)
        #expect(rig.sent.count == before + 2 && rig.sent.last?.records == rig.bucket.last)
    }

    @Test(
        "what others wait for is reported within a millisecond, and in a large group within ten",
        arguments: [(1, 1), (4, 2), (60, 10)])
    func spacing(members: Int, milliseconds: Int64) throws {
        var rig = try Rig.begun()
        for number in 0..<members {
            rig.handle(.heartbeat(try Self.heartbeat(number, .joining)))
        }
        rig.now += 20_000_000
        rig.handle(.asked)
        let (sent, time) = (rig.sent.count, rig.now)
        rig.now += 100_000
        rig.handle(.asked)
        #expect(rig.sent.count == sent)
        #expect(rig.machine.nextDeadline == time + milliseconds * 1_000_000)
        rig.now = rig.machine.nextDeadline
        rig.handle(.time)
        #expect(rig.sent.count == sent + 1)
    }

    @Test("a full group forgets its dead before it ignores anybody")
    func fullGroup() throws {
        var rig = try Rig.begun()
        let states: [MemberState] = [.gone, .ready]
        for number in 0..<MembershipMachine.peersMax {
            rig.handle(.heartbeat(try Self.heartbeat(number, states[number % 2])))
        }
        let half = MembershipMachine.peersMax / 2
        for number in 0..<half {
            let newcomer = try Self.heartbeat(MembershipMachine.peersMax + number, .ready)
            rig.handle(.heartbeat(newcomer))
        }
        #expect(rig.machine.others.count == MembershipMachine.peersMax)
        #expect(!rig.notes.contains { if case .tooManyMembers = $0 { true } else { false } })
        let last = try Self.heartbeat(2 * MembershipMachine.peersMax, .ready)
        rig.handle(.heartbeat(last))
        #expect(rig.notes.contains(.tooManyMembers(last.member)))
    }

    private static func heartbeat(
        _ number: Int, _ state: MemberState
    ) throws -> MemberHeartbeat {
        MemberHeartbeat(
            member: try #require(MemberName("m\(number)")), instance: UInt64(number) + 100,
            state: state, rank: 0, since: Timestamp(nanoseconds: 1), sequence: 1, records: 0,
            held: [], release: "1", leaseNanoseconds: Self.lease)
    }
}
