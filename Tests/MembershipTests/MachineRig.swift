import MarketModel
import Primitives
import Testing

@testable import Membership

/// A machine whose heartbeats come back immediately and whose bucket works, unless the test
/// says otherwise.
struct MachineRig {
    static let lease: Int64 = 500_000_000

    var machine: MembershipMachine
    var now = MonotonicTime(nanoseconds: 1_000_000_000)
    var bucket = SimulatedBucket()
    /// The creation of the bucket that was read last.
    var made = 0
    var hearsItself = true
    /// Own heartbeats that a stalled link has not brought back.
    var underWay: [MemberHeartbeat] = []
    /// All heartbeats of the machine.
    var sent: [MemberHeartbeat] = []
    var notes: [MembershipNote] = []
    /// False keeps writes in `heldWrites`, until `arrive`.
    var writesArrive = true
    var heldWrites: [RecordWrite] = []
    var orders: [OwnershipOrder] = []
    var steadyUntil = MonotonicTime.distantPast

    init(
        partitions: Int = 1, rank: UInt64 = 0, semantics: UInt64? = nil, place: UInt64? = nil
    ) throws {
        var settings = MembershipMachine.Settings(
            member: try #require(MemberName("a")), instance: 7, leaseNanoseconds: Self.lease,
            partitions: partitions, rank: rank, since: Timestamp(nanoseconds: 5),
            release: "1")
        settings.semantics = semantics
        settings.place = place
        machine = MembershipMachine(settings)
    }

    mutating func handle(_ event: MembershipMachine.Event) {
        var effects: [MembershipMachine.Effect] = []
        machine.handle(
            event, at: .init(monotonic: now, wall: Timestamp(nanoseconds: now.nanoseconds)),
            into: &effects)
        for effect in effects { carryOut(effect) }
    }

    private mutating func carryOut(_ effect: MembershipMachine.Effect) {
        switch effect {
        case .send(let heartbeat):
            sent.append(heartbeat)
            hearsItself ? handle(.heartbeat(heartbeat)) : underWay.append(heartbeat)
        case .read(let number, let after):
            handle(
                .records(
                    bucket.read(
                        number: number, after: after, known: &made,
                        by: machine.settings.member)))
        case .write(let write): writesArrive ? arrive(write) : heldWrites.append(write)
        case .order(let order): orders.append(order)
        case .steady(let until): steadyUntil = until
        case .note(let note): notes.append(note)
        case .ask, .left: break
        }
    }

    /// Lets a write arrive at the bucket, and tells the machine its outcome.
    mutating func arrive(_ write: RecordWrite) {
        let outcome = bucket.write(write).map { WriteOutcome.stored(revision: $0) }
        handle(.written(write.partition, id: write.id, outcome ?? .conflict))
    }

    /// Lets time pass in the steps of a clock.
    mutating func pass(_ milliseconds: Int64) {
        for _ in 0..<(milliseconds / 20) {
            now += 20_000_000
            handle(.time)
        }
    }

    /// Connects, and lets pass what a beginning takes.
    mutating func begin() {
        handle(.connected)
        pass(400)
    }

    /// Returns a member that has begun.
    static func begun(
        partitions: Int = 1, rank: UInt64 = 0, semantics: UInt64? = nil
    ) throws -> MachineRig {
        var rig = try MachineRig(partitions: partitions, rank: rank, semantics: semantics)
        rig.begin()
        return rig
    }

    /// Returns a connected member beside an owner of partition 0, who has just spoken.
    static func besideOwner(partitions: Int = 1) throws -> MachineRig {
        var rig = try MachineRig(partitions: partitions)
        try rig.giveToOther()
        rig.handle(.connected)
        rig.handle(.heartbeat(try rig.other(.ready, 1)))
        return rig
    }

    /// The claim of the first order, if that is to take a partition.
    var firstClaim: Claim? {
        if case .take(_, let claim)? = orders.first { claim } else { nil }
    }

    /// Returns a heartbeat of the other member, the owner of partition 0.
    func other(
        _ state: MemberState, _ sequence: UInt64, records: UInt64 = 1, lease: Int64 = Self.lease
    ) throws -> MemberHeartbeat {
        MemberHeartbeat(
            member: try #require(MemberName("b")), instance: 9, state: state, rank: 0,
            since: Timestamp(nanoseconds: 1), sequence: sequence, records: records,
            held: [Partition(0)], release: "1", leaseNanoseconds: lease)
    }

    /// Gives the other member a record, as if it had claimed by itself.
    mutating func giveToOther(epoch: UInt64 = 4) throws {
        give(
            Partition(0),
            OwnershipRecord(
                owner: try #require(MemberName("b")), instance: 9, epoch: epoch,
                since: Timestamp(nanoseconds: 1), state: .held))
    }

    /// Stores a record that another process has written.
    mutating func give(_ partition: Partition, _ record: OwnershipRecord) {
        _ = bucket.write(
            RecordWrite(
                id: 0, partition: partition, record: record,
                expected: bucket.entries[partition.number]?.revision ?? 0))
    }
}
