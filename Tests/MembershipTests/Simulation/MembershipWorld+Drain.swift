import MarketModel
import Membership
import Primitives

// Members that a person drains and releases.
extension MembershipWorld {
    /// The time that the hand-overs of a drained member take when the storm is over.
    var drainTime: Int64 { 2 * second + 3 * weather.planeMax + 3 * weather.recordMax }

    mutating func drainOrRelease() {
        guard isServerUp, Bool.random(using: &random),
            let index = members.indices.filter({ members[$0].isAlive }).randomElement(
                using: &random)
        else { return }
        let name = members[index].name
        guard bucket.drains[name] == nil else { return bucket.drain(name, nil) }
        bucket.drain(
            name,
            DrainCause(
                reason: "a person", requester: "p", asked: Timestamp(nanoseconds: now),
                isForced: Int.random(in: 0..<8, using: &random) == 0))
    }

    func wantedState(_ index: Int) -> MemberState {
        guard bucket.drains[members[index].name] != nil else { return .ready }
        return members[index].plane.open.isEmpty ? .drained : .draining
    }

    /// Returns the drained member that keeps the partition, because no other one of its rank lives.
    func keeper(of number: Int, _ rank: UInt64?) -> Int? {
        guard hasDrains else { return nil }
        return members.indices.first { index in
            let member = members[index]
            let isHigher = rank.map { member.machine.settings.rank > $0 } ?? true
            return member.isAlive && member.plane.open[number] != nil && isHigher
                && bucket.drains[member.name]?.isForced == false
        }
    }

    /// A member that is drained holds nothing, unless it had to keep it.
    mutating func auditDrained(_ eldest: [MemberName: Int], _ rank: UInt64?) {
        for (name, index) in eldest {
            guard let cause = bucket.drains[name], !members[index].plane.open.isEmpty else {
                continue
            }
            let isHigher = rank.map { members[index].machine.settings.rank > $0 } ?? true
            if cause.isForced || !isHigher { fail("\(index) is drained and holds something") }
        }
    }
}
