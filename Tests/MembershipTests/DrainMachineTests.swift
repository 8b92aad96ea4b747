import MarketModel
import Membership
import Primitives
import Testing

@Suite("One member that a person drains, step by step")
struct DrainMachineTests {
    private static func cause(isForced: Bool = false) -> DrainCause {
        DrainCause(
            reason: "kernel", requester: "ops@host", asked: Timestamp(nanoseconds: 7),
            isForced: isForced)
    }

    /// A member with two partitions, and what else is there when it is drained.
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        /// The other member's state and rank; `nil`: there is none.
        var other: MemberState?
        var rank: UInt64 = 1
        var isForced = false
        /// How many partitions it hands over, and its state afterwards.
        let handsOver: Int
        let ends: MemberState
    }

    @Test(
        "it hands over what another member of its rank can take, or all that it is forced to",
        arguments: [
            Case(testDescription: "ready", other: .ready, handsOver: 2, ends: .drained),
            Case(
                testDescription: "a higher rank", other: .ready, rank: 2, handsOver: 2,
                ends: .drained),
            Case(testDescription: "alone", handsOver: 0, ends: .draining),
            Case(testDescription: "alone and forced", isForced: true, handsOver: 2, ends: .drained),
            Case(testDescription: "joining", other: .joining, handsOver: 0, ends: .draining),
            Case(testDescription: "resuming", other: .resuming, handsOver: 0, ends: .draining),
            Case(testDescription: "drained, too", other: .drained, handsOver: 0, ends: .draining),
            Case(testDescription: "draining, too", other: .draining, handsOver: 0, ends: .draining),
            Case(
                testDescription: "a lower rank", other: .ready, rank: 0, handsOver: 0,
                ends: .draining),
            Case(
                testDescription: "a lower rank and forced", other: .ready, rank: 0, isForced: true,
                handsOver: 2, ends: .drained),
        ])
    func handsOver(each: Case) throws {
        var rig = try MachineRig.begun(partitions: 2, rank: 1)
        #expect(rig.machine.state == .ready && rig.machine.held.count == 2)
        rig.bucket.drain(rig.machine.settings.member, Self.cause(isForced: each.isForced))
        // It also sends heartbeats, so that it is not taken for dead.
        for sequence in 1...60 as ClosedRange<UInt64> {
            if let other = each.other {
                var heartbeat = try rig.other(other, sequence)
                heartbeat.rank = each.rank
                rig.handle(.heartbeat(heartbeat))
            }
            rig.pass(40)
            for case .release(let partition, let tenure) in rig.orders {
                rig.handle(.answer(.released(partition, tenure: tenure)))
            }
        }
        let released = rig.orders.count { if case .release = $0 { true } else { false } }
        #expect(released == each.handsOver)
        #expect(rig.machine.state == each.ends)
        #expect(rig.machine.held.count == 2 - each.handsOver)
        #expect(rig.notes.contains(.drainAsked(Self.cause(isForced: each.isForced))))
        let last = try #require(rig.sent.last)
        #expect(last.state == each.ends && last.drain == Self.cause(isForced: each.isForced))
    }

    @Test("a drained member claims nothing, although all is free, until it is released")
    func released() throws {
        var rig = try MachineRig(partitions: 2)
        rig.bucket.drain(rig.machine.settings.member, Self.cause())
        rig.begin()
        rig.pass(20_000)
        #expect(rig.machine.state == .drained && rig.orders.isEmpty)
        rig.bucket.drain(rig.machine.settings.member, nil)
        rig.pass(2_000)
        #expect(rig.machine.state == .ready && rig.machine.held.count == 2)
        #expect(rig.notes.contains(.drainEnded) && rig.sent.last?.drain == nil)
    }

    @Test("a claim that is stored after the request gives the partition back")
    func claimUnderWay() throws {
        var rig = try MachineRig()
        rig.writesArrive = false
        rig.begin()
        let claim = try #require(rig.heldWrites.first)
        rig.bucket.drain(rig.machine.settings.member, Self.cause())
        rig.pass(1_200)
        #expect(rig.machine.state == .drained)
        rig.writesArrive = true
        rig.arrive(claim)
        rig.pass(100)
        #expect(rig.orders.isEmpty && rig.bucket.entries[0]?.record?.state == .free)
    }

    @Test("it stays drained over a new link, and a bucket without the request releases it")
    func links() throws {
        var rig = try MachineRig()
        rig.bucket.drain(rig.machine.settings.member, Self.cause())
        rig.begin()
        rig.handle(.connected)
        rig.pass(4_000)
        #expect(rig.machine.state == .drained)
        #expect(rig.notes.count { $0 == .drainAsked(Self.cause()) } == 1)
        rig.bucket.remake()
        rig.pass(10_000)
        #expect(rig.machine.state == .ready && rig.machine.held.count == 1)
    }

    @Test("a request that cannot be read asks for nothing, and is reported")
    func refused() throws {
        var rig = try MachineRig.begun()
        rig.bucket.isDrainDamaged = true
        rig.bucket.drain(rig.machine.settings.member, Self.cause())
        rig.pass(2_000)
        #expect(rig.machine.state == .ready && rig.machine.held.count == 1)
        #expect(rig.notes.contains(.refusedDrain(SimulatedBucket.damaged)))
    }

    @Test("who leaves or pauses while it is drained says so first")
    func states() throws {
        var rig = try MachineRig()
        rig.bucket.drain(rig.machine.settings.member, Self.cause())
        rig.begin()
        rig.hearsItself = false
        rig.pass(1_000)
        #expect(rig.machine.state == .paused && rig.sent.last?.drain == Self.cause())
        rig.hearsItself = true
        rig.pass(1_000)
        #expect(rig.machine.state == .drained)
        rig.handle(.leave)
        #expect(rig.machine.state == .gone)
    }
}
