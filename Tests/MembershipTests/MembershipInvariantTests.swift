import MarketModel
import Primitives
import Testing

@testable import Membership

@Suite("What a membership never does") struct MembershipInvariantTests {
    private static let own: MemberName = {
        guard let name = MemberName("a") else { preconditionFailure("a letter is a name") }
        return name
    }()

    private static func slots() -> MembershipSlots {
        MembershipSlots(
            MembershipMachine.Settings(
                member: own, instance: 7, leaseNanoseconds: 1_000, partitions: 2,
                rank: 0, since: Timestamp(nanoseconds: 5), release: "1"))
    }

    private static func record(_ epoch: UInt64, of instance: UInt64 = 7) -> OwnershipRecord {
        OwnershipRecord(
            owner: own, instance: instance, epoch: epoch,
            since: Timestamp(nanoseconds: 5), state: .held)
    }

    /// Slots that hold partition 0 by a claim with epoch 3.
    private static func holding() -> MembershipSlots {
        var slots = slots()
        let peers = MembershipPeers(of: own)
        let write = slots.write(0, record(3), .claim, generation: 0, link: 1)
        guard let pending = slots.ended(Partition(0), write.id),
            slots.stored(0, pending, 9, peers)
        else { return slots }
        _ = slots.take(0, pending, peers)
        return slots
    }

    @Test("a claim that was stored is a tenure")
    func holds() {
        let slots = Self.holding()
        #expect(slots.held == [0] && slots.namesMe(0) && slots.holdChanges == 1)
        #expect(slots[0].hold?.epoch == 3 && slots[0].epochFloor == 3 && slots[0].revision == 9)
    }

    @Test("it does not write a record while a write of it is in progress")
    func trapsSecondWrite() async {
        await #expect(processExitsWith: .failure) {
            var slots = MembershipInvariantTests.slots()
            for epoch in 1...2 as ClosedRange<UInt64> {
                _ = slots.write(
                    0, MembershipInvariantTests.record(epoch), .claim, generation: 0, link: 1)
            }
        }
    }

    @Test("it does not claim with an epoch that was used")
    func trapsUsedEpoch() async {
        await #expect(processExitsWith: .failure) {
            var slots = MembershipInvariantTests.holding()
            _ = slots.write(
                0, MembershipInvariantTests.record(3), .claim, generation: 0, link: 1)
        }
    }

    @Test("it does not write another process's record")
    func trapsOtherRecord() async {
        await #expect(processExitsWith: .failure) {
            var slots = MembershipInvariantTests.slots()
            _ = slots.write(
                0, MembershipInvariantTests.record(1, of: 8), .claim, generation: 0, link: 1)
        }
    }

    @Test("it does not begin a hand-over twice")
    func trapsSecondRelease() async {
        await #expect(processExitsWith: .failure) {
            var slots = MembershipInvariantTests.holding()
            for _ in 0..<2 { _ = slots.release(0, at: MonotonicTime(nanoseconds: 1)) }
        }
    }
}
