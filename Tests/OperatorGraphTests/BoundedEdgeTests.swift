import OperatorGraph
import Primitives
import Testing

@Suite("BoundedEdge")
struct BoundedEdgeTests {
    private func edge(_ overflow: LiveEdge.Overflow) -> BoundedEdge<Int> {
        BoundedEdge(LiveEdge(capacity: 3, overflow: overflow, high: 3, low: 1))
    }

    private func drained(_ edge: inout BoundedEdge<Int>) -> [Int] {
        var elements: [Int] = []
        while let (element, _) = edge.take() { elements.append(element) }
        return elements
    }

    @Test("what happens to the fourth of three")
    func overflow() {
        let expected: [(LiveEdge.Overflow, BoundedEdge<Int>.Offered, [Int], UInt64)] = [
            (.block, .mustWait, [1, 2, 3], 0), (.dropNewest, .dropped, [1, 2, 3], 1),
            (.dropOldest, .replacedOldest, [2, 3, 4], 1), (.error, .overflowed, [1, 2, 3], 0),
        ]
        for (policy, outcome, left, dropped) in expected {
            var edge = edge(policy)
            for element in 1...3 { _ = edge.offer(element) }
            let (offered, _) = edge.offer(4)
            #expect(offered == outcome, "\(policy)")
            #expect(edge.depth == 3)
            #expect(edge.dropped == dropped, "\(policy)")
            let elements = drained(&edge)
            #expect(elements == left, "\(policy)")
        }
    }

    @Test("each crossing of a mark is told once")
    func marks() {
        var edge = BoundedEdge<Int>(LiveEdge(capacity: 6, overflow: .dropNewest, high: 4, low: 2))
        let rises = (0..<8).map { edge.offer($0).1 }
        #expect(rises == [nil, nil, nil, .roseToHigh, nil, nil, nil, nil])
        let falls = (0..<4).map { _ in edge.take()?.transition }
        #expect(falls == [nil, nil, nil, .fellToLow])
        #expect(!edge.isHigh)
        let again = (0..<2).map { edge.offer($0).1 }
        #expect(again == [nil, .roseToHigh])
    }

    @Test("keeps the order of a plain queue", arguments: [1, 2, 3] as [UInt64])
    func order(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var edge = BoundedEdge<Int>(LiveEdge(capacity: 7, overflow: .block, high: 5, low: 1))
        var naive: [Int] = []
        for number in 0..<5_000 {
            if Bool.random(using: &random) {
                let isTaken = edge.offer(number).0 == .taken
                #expect(isTaken == (naive.count < 7), "seed \(seed)")
                if isTaken { naive.append(number) }
            } else {
                let expected = naive.isEmpty ? nil : naive.removeFirst()
                let found = edge.take()?.element
                #expect(found == expected, "seed \(seed)")
            }
            #expect(edge.depth == naive.count)
        }
    }

    @Test("a rule beyond its limits is held at them")
    func limits() {
        let edge = BoundedEdge<Int>(LiveEdge(capacity: 0, overflow: .block, high: 9, low: 9))
        #expect(edge.capacity == 1)
        #expect(edge.rule == LiveEdge(capacity: 1, overflow: .block, high: 1, low: 0))
    }
}
