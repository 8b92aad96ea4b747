import Membership

extension MembersTable {
    /// The groups that share all partitions. The partitions of a source, and those of other
    /// readers, are free after their end.
    private static let sharing = [GroupName.operators, GroupName.store]

    /// Returns the partitions of a group that have no live owner. Those are the ones whose owner
    /// sends no heartbeats and, in the groups of operators and writers, those that are free, whose
    /// record is damaged, or that have none. `partitions` is the number of all.
    func withoutOwner(_ group: GroupName, of partitions: Int) -> [Int] {
        let shares = shares(of: group)
        let isSharing = Self.sharing.contains(group)
        let lost = shares.filter { $0.state == .held ? !$0.isHeard : isSharing }
            .flatMap(\.partitions)
        guard isSharing else { return lost.sorted() }
        let missing = Set(0..<max(0, partitions)).subtracting(shares.flatMap(\.partitions))
        return (lost + missing).sorted()
    }
}
