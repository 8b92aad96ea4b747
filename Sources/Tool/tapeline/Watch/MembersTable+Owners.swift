import Membership

extension MembersTable {
    /// Returns the partitions of a group that have no live owner. Those are the ones whose owner
    /// sends no heartbeats and, in the groups that share partitions, those that are free, whose
    /// record is damaged, or that have none. `partitions` is the number of all.
    func withoutOwner(_ group: GroupName, of partitions: Int) -> [Int] {
        let shares = shares(of: group)
        let isSharing = group.sharesPartitions
        let lost = shares.filter { $0.state == .held ? !$0.isHeard : isSharing }
            .flatMap(\.partitions)
        guard isSharing else { return lost.sorted() }
        let missing = Set(0..<max(0, partitions)).subtracting(shares.flatMap(\.partitions))
        return (lost + missing).sorted()
    }
}
