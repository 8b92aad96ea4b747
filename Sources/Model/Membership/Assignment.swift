package import MarketModel

/// The assignment of partitions to members. All processes that know the same members compute the
/// same one. The members' loads differ by at most one.
///
/// Every (partition, member) pair has a score that follows from the two names alone. Pairs are
/// taken from the highest score down as long as the member has room. So a member that comes or goes
/// changes little for the others. Members of different releases share partitions out together, so
/// the result for the same names must never change.
package struct Assignment: Equatable, Sendable {
    /// The members' names, sorted, each once.
    package let members: [MemberName]
    /// The index in `members` of each partition's member.
    private let places: [Int]

    /// Duplicate names count once. Without members no partition has one.
    package init(partitions: Int, members names: some Sequence<MemberName>) {
        members = Set(names).sorted()
        places = members.isEmpty ? [] : AssignmentRanking(partitions, members).places()
    }

    /// Returns the partition's member; `nil` when there is no member.
    package func member(of partition: Partition) -> MemberName? {
        guard places.indices.contains(partition.number) else { return nil }
        return members[places[partition.number]]
    }

    /// Returns the numbers of the partitions that belong to this member.
    func partitions(of member: MemberName) -> Set<Int> {
        guard let place = members.firstIndex(of: member) else { return [] }
        return Set(places.indices.filter { places[$0] == place })
    }
}
