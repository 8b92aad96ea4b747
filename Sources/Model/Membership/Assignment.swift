package import MarketModel
internal import Primitives

/// The assignment of partitions to members. All processes that know the same members compute the
/// same one. The members' loads differ by at most one.
///
/// Every (partition, member) pair has a score that follows from the two names alone. Pairs are
/// taken from the highest score down as long as the member has room. So a member that comes or goes
/// changes little for the others.
package struct Assignment: Equatable, Sendable {
    /// The members' names, sorted, each once.
    package let members: [MemberName]
    /// The index in `members` of each partition's member.
    private let places: [Int]

    private struct Pair {
        let score: UInt64
        let partition: Int
        let member: Int
    }

    /// Duplicate names count once. Without members no partition has one.
    package init(partitions: Int, members names: some Sequence<MemberName>) {
        let members = Set(names).sorted()
        self.members = members
        guard !members.isEmpty else {
            places = []
            return
        }
        var pairs: [Pair] = []
        pairs.reserveCapacity(partitions * members.count)
        for (member, name) in members.enumerated() {
            let hash = Checksum.of(name.text)
            for partition in 0..<partitions {
                let score = SeededRandom.mixed(
                    hash ^ SeededRandom.mixed(UInt64(partition) &+ 0x9e37_79b9_7f4a_7c15))
                pairs.append(Pair(score: score, partition: partition, member: member))
            }
        }
        pairs.sort {
            ($0.score, $1.partition, $1.member) > ($1.score, $0.partition, $0.member)
        }
        places = Self.fill(pairs, partitions, members.count)
    }

    /// Returns the member of each partition. `pairs` are sorted by their scores.
    private static func fill(_ pairs: [Pair], _ partitions: Int, _ members: Int) -> [Int] {
        let share = partitions / members
        // This many members get one partition more than the others.
        var extras = partitions % members
        var loads = [Int](repeating: 0, count: members)
        var places = [Int](repeating: -1, count: partitions)
        for pair in pairs where places[pair.partition] < 0 {
            if loads[pair.member] == share {
                guard extras > 0 else { continue }
                extras -= 1
            } else if loads[pair.member] > share {
                continue
            }
            loads[pair.member] += 1
            places[pair.partition] = pair.member
        }
        return places
    }

    /// Returns the partition's member; `nil` when there is no member.
    package func member(of partition: Partition) -> MemberName? {
        guard places.indices.contains(partition.number) else { return nil }
        return members[places[partition.number]]
    }
}
