internal import Primitives

/// The pairs of partitions and members by their scores. With a hundred members and a thousand
/// partitions there are a hundred thousand, and each change of the members needs them. So they are
/// not sorted: each partition has its best pair on a heap, and the next best one is looked for only
/// when the member of the best one is full.
struct AssignmentRanking {
    private struct Pair {
        let score: UInt64
        let partition: Int
        let member: Int

        /// Whether this pair is taken earlier.
        func precedes(_ other: Pair) -> Bool {
            if score != other.score { return score > other.score }
            return partition != other.partition
                ? partition < other.partition : member < other.member
        }
    }

    /// By partition and by member. A score is mixed of the two.
    private let partitionKeys: [UInt64]
    private let memberKeys: [UInt64]
    private let share: Int
    /// This many more members get one partition more than the others.
    private var extras: Int
    private var loads: [Int]
    /// The members that have room, in the order of their names.
    private var open: [Int]
    /// The best pair is the first one; each one precedes the two below it.
    private var heap: [Pair] = []

    init(_ partitions: Int, _ members: [MemberName]) {
        partitionKeys = (0..<partitions).map {
            SeededRandom.mixed(UInt64($0) &+ 0x9e37_79b9_7f4a_7c15)
        }
        memberKeys = members.map { Checksum.of($0.text) }
        share = partitions / members.count
        extras = partitions % members.count
        loads = [Int](repeating: 0, count: members.count)
        open = Array(members.indices)
        heap.reserveCapacity(partitions)
    }

    /// Returns the member of each partition.
    consuming func places() -> [Int] {
        var places = [Int](repeating: -1, count: partitionKeys.count)
        for partition in partitionKeys.indices { push(best(partition)) }
        while let pair = heap.first {
            // Members with room stay so until the last partition has one: the shares add up.
            guard hasRoom(pair.member) else {
                replaceFirst(by: best(pair.partition))
                continue
            }
            take(pair.member)
            places[pair.partition] = pair.member
            removeFirst()
        }
        return places
    }

    private func hasRoom(_ member: Int) -> Bool {
        loads[member] < share || loads[member] == share && extras > 0
    }

    private mutating func take(_ member: Int) {
        let hadExtras = extras > 0
        if loads[member] == share { extras -= 1 }
        loads[member] += 1
        // The last extra leaves no room to members that have their share.
        guard hadExtras && extras == 0 || !hasRoom(member) else { return }
        open = open.filter(hasRoom)
    }

    /// Returns the pair with the highest score among the members that have room.
    private func best(_ partition: Int) -> Pair {
        let key = partitionKeys[partition]
        var member = open[0]
        var score = SeededRandom.mixed(memberKeys[member] ^ key)
        for other in open.dropFirst() {
            let mixed = SeededRandom.mixed(memberKeys[other] ^ key)
            if mixed > score { (member, score) = (other, mixed) }
        }
        return Pair(score: score, partition: partition, member: member)
    }

    // MARK: the heap

    private mutating func push(_ pair: Pair) {
        heap.append(pair)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard pair.precedes(heap[parent]) else { break }
            heap[child] = heap[parent]
            child = parent
        }
        heap[child] = pair
    }

    private mutating func removeFirst() {
        let last = heap.removeLast()
        if !heap.isEmpty { replaceFirst(by: last) }
    }

    private mutating func replaceFirst(by pair: Pair) {
        var parent = 0
        while 2 * parent + 1 < heap.count {
            var child = 2 * parent + 1
            if child + 1 < heap.count, heap[child + 1].precedes(heap[child]) { child += 1 }
            guard heap[child].precedes(pair) else { break }
            heap[parent] = heap[child]
            parent = child
        }
        heap[parent] = pair
    }
}
