/// The cheapest explanation of the differences between two sequences: values of the first one that
/// were left out, and values that were added. A value that may be missing costs nothing to leave
/// out.
struct BrokerAlignment {
    /// Indices in the first sequence whose values are not in the second and must not be missing.
    private(set) var lost: [Int] = []
    /// Indices in the first sequence whose values are not in the second and may be missing.
    private(set) var missing: [Int] = []
    /// Indices in the second sequence whose values are not in the first.
    private(set) var added: [Int] = []
    /// Whether there are more differences than a person can read, so that the rest was not checked.
    private(set) var isGivenUp = false

    static let differencesMax = 100

    private struct Node {
        var first: Int
        var second: Int
        var parent: Int
    }

    /// `isFree` returns whether the value at an index of the first sequence may be missing.
    init(_ first: [Int], _ second: [Int], isFree: (Int) -> Bool) {
        var nodes = [Node(first: 0, second: 0, parent: -1)]
        var seen: Set<Int> = []
        // Nodes reached at the present cost, and at one more.
        var cheap = [0]
        var dear: [Int] = []
        var cost = 0
        while cost <= Self.differencesMax {
            while let index = cheap.popLast() {
                var (i, j) = (nodes[index].first, nodes[index].second)
                // A value that must be there and is there is never better left out.
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
                    // The end of the run of equal values, then the step.
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

    /// Follows the path back from the end. A step in only one sequence is a difference.
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
