import MarketModel
import Membership
import Primitives
import Testing

@Suite("Who is to own what")
struct AssignmentTests {
    private static func names(_ count: Int, seed: Int = 0) -> [MemberName] {
        (0..<count).compactMap { MemberName("worker-\(seed)-\($0)") }
    }

    private static func owners(
        _ partitions: Int, _ members: [MemberName]
    ) -> [MemberName?] {
        let assignment = Assignment(partitions: partitions, members: members)
        return (0..<partitions).map { assignment.member(of: Partition($0)) }
    }

    @Test("every partition has one member, and loads differ by one at most")
    func balance() {
        for partitions in [1, 2, 7, 16, 32, 33, 128] {
            for count in 1...12 {
                let members = Self.names(count, seed: partitions)
                let owners = Self.owners(partitions, members)
                #expect(owners.allSatisfy { $0 != nil })
                let loads = members.map { member in owners.count { $0 == member } }
                #expect((loads.max() ?? 0) - (loads.min() ?? 0) <= 1)
                #expect(loads.reduce(0, +) == partitions)
            }
        }
    }

    @Test("the order and number of names in the list do not matter; nobody, and beyond: nil")
    func pure() {
        let members = Self.names(5)
        let assignment = Assignment(partitions: 32, members: members)
        #expect(assignment == Assignment(partitions: 32, members: members.reversed() + members))
        #expect(assignment.member(of: Partition(32)) == nil)
        #expect(Assignment(partitions: 8, members: []).member(of: Partition(0)) == nil)
    }

    /// Returns the mean number of moves of a join and of a leave beyond those that balance
    /// requires.
    private static func moves(_ partitions: Int, _ count: Int) -> Double {
        var moved = 0
        var least = 0
        for seed in 0..<40 {
            let members = names(count + 1, seed: seed)
            let before = owners(partitions, Array(members.dropLast()))
            let after = owners(partitions, members)
            moved += zip(before, after).count { $0 != $1 }
            // At least the partitions that the additional member gets have to move.
            least += after.count { $0 == members.last }
        }
        return Double(moved) / Double(least)
    }

    @Test(
        "one that comes or goes moves little more than its own share",
        arguments: [(16, 2), (32, 1), (32, 2), (32, 4), (32, 8), (128, 8)])
    func moves(partitions: Int, count: Int) {
        let ratio = Self.moves(partitions, count)
        print("assignment: \(partitions) over \(count) + 1: \(ratio) of the least moves")
        #expect(ratio >= 1 && ratio <= 2.0, "\(ratio)")
    }

    @Test("names that differ little share no pattern")
    func spread() {
        // Two members get half of 64 partitions each. The names determine which half.
        let sets = (0..<20).map { seed in
            Set(
                Self.owners(64, Self.names(2, seed: seed)).enumerated()
                    .filter { $0.element?.text.hasSuffix("-0") == true }.map(\.offset))
        }
        #expect(Set(sets).count == 20)
    }

    /// The same by its definition: all pairs, sorted by their scores.
    private static func definition(_ partitions: Int, _ names: [MemberName]) -> [MemberName?] {
        let members = names.sorted()
        var pairs: [(score: UInt64, partition: Int, member: Int)] = []
        for (member, name) in members.enumerated() {
            for partition in 0..<partitions {
                let key = SeededRandom.mixed(UInt64(partition) &+ 0x9e37_79b9_7f4a_7c15)
                let score = SeededRandom.mixed(Checksum.of(name.text) ^ key)
                pairs.append((score, partition, member))
            }
        }
        pairs.sort { ($0.score, $1.partition, $1.member) > ($1.score, $0.partition, $0.member) }
        var extras = partitions % members.count
        var loads = [Int](repeating: 0, count: members.count)
        var owners = [MemberName?](repeating: nil, count: partitions)
        for pair in pairs where owners[pair.partition] == nil {
            let room = partitions / members.count - loads[pair.member]
            guard room > 0 || room == 0 && extras > 0 else { continue }
            if room == 0 { extras -= 1 }
            loads[pair.member] += 1
            owners[pair.partition] = members[pair.member]
        }
        return owners
    }

    @Test("it is what all releases compute: pairs in the order of their scores")
    func definition() {
        for partitions in [1, 2, 7, 32, 33, 129] {
            for count in [1, 2, 3, 7, 12, 40] {
                let members = Self.names(count, seed: partitions)
                #expect(Self.owners(partitions, members) == Self.definition(partitions, members))
            }
        }
        let members = Self.names(100)
        #expect(Self.owners(1_024, members) == Self.definition(1_024, members))
    }
}
