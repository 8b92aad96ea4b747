/// The cheapest way to explain one sequence by another: what was left out of the first, and what
/// was added to it. What may be missing costs nothing to leave out.
struct BrokerAlignment {
    /// Places in the first sequence that are not in the second, and may not be missing.
    private(set) var lost: [Int] = []
    /// Places that are not in the second, and may be missing.
    private(set) var missing: [Int] = []
    /// Places in the second sequence that are not in the first.
    private(set) var added: [Int] = []
    /// There are more differences than anybody wants to read: the rest was not looked at.
    private(set) var isGivenUp = false

    static let differencesMax = 100

    private struct Node {
        var first: Int
        var second: Int
        var parent: Int
    }

    /// `isFree`: may it be missing?
    init(_ first: [Int], _ second: [Int], isFree: (Int) -> Bool) {
        var nodes = [Node(first: 0, second: 0, parent: -1)]
        var seen: Set<Int> = []
        // Of nodes that were reached at the present cost, and at one more.
        var cheap = [0]
        var dear: [Int] = []
        var cost = 0
        while cost <= Self.differencesMax {
            while let index = cheap.popLast() {
                var (i, j) = (nodes[index].first, nodes[index].second)
                // What must be there and is there is never better left out.
                while i < first.count, j < second.count, first[i] == second[j], !isFree(i) {
                    i += 1
                    j += 1
                }
                guard seen.insert(i * (second.count + 1) + j).inserted else { continue }
                if i == first.count, j == second.count {
                    nodes.append(Node(first: i, second: j, parent: index))
                    read(nodes, isFree)
                    return
                }
                func step(_ first: Int, _ second: Int, isCheap: Bool) {
                    // Where the run of equal ones ended, then the step.
                    nodes.append(Node(first: i, second: j, parent: index))
                    nodes.append(Node(first: first, second: second, parent: nodes.count - 1))
                    if isCheap {
                        cheap.append(nodes.count - 1)
                    } else {
                        dear.append(nodes.count - 1)
                    }
                }
                if j < second.count { step(i, j + 1, isCheap: false) }
                guard i < first.count else { continue }
                step(i + 1, j, isCheap: isFree(i))
                if j < second.count, first[i] == second[j] { step(i + 1, j + 1, isCheap: true) }
            }
            (cheap, dear) = (dear, [])
            cost += 1
        }
        isGivenUp = true
    }

    /// Goes back from the end: a step in one sequence alone is a difference.
    private mutating func read(_ nodes: [Node], _ isFree: (Int) -> Bool) {
        var index = nodes.count - 1
        while nodes[index].parent >= 0 {
            let (node, parent) = (nodes[index], nodes[nodes[index].parent])
            let (here, there) = (node.first - parent.first, node.second - parent.second)
            if here == 1, there == 0 {
                if isFree(parent.first) {
                    missing.append(parent.first)
                } else {
                    lost.append(parent.first)
                }
            } else if here == 0, there == 1 {
                added.append(parent.second)
            }
            index = nodes[index].parent
        }
        lost.reverse()
        missing.reverse()
        added.reverse()
    }
}
