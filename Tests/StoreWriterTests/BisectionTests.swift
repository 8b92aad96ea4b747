import Primitives
import Testing

@testable import StoreWriter

@Suite("Finding the rows that a database refuses")
struct BisectionTests {
    /// The database's report about the first bad row of a range.
    enum Hints: CaseIterable { case none, right, wrong, outside }

    /// Runs the machine against a database that refuses these rows. Returns the number of attempts.
    private func search(
        _ count: Int, bad: Set<Int>, hints: Hints = .none
    ) -> (found: [Int], tries: Int, good: [Int]) {
        var machine = Bisection(count: count)
        var tries = 0
        var good: [Int] = []
        var decided = 0
        while let range = machine.next {
            tries += 1
            if range.isEmpty || range.lowerBound < decided {
                Issue.record("\(range) behind \(decided)")
                break
            }
            let first = range.first { bad.contains($0) }
            guard let first else {
                good += Array(range)
                decided = range.upperBound
                machine.good()
                continue
            }
            switch hints {
            case .none: machine.bad()
            case .right: machine.bad(hint: first)
            case .wrong: machine.bad(hint: range.upperBound - 1)
            case .outside: machine.bad(hint: range.upperBound + 7)
            }
        }
        return (machine.found, tries, good)
    }

    @Test("nothing to try")
    func empty() {
        let machine = Bisection(count: 0)
        #expect(machine.next == nil && machine.found.isEmpty)
    }

    @Test(
        "the tries in order, and what is found",
        arguments: [
            (1, [], [0..<1]), (1, [0], [0..<1]),
            (4, [], [0..<4]), (4, [0], [0..<4, 0..<2, 0..<1, 1..<2, 2..<4]),
            (4, [3], [0..<4, 0..<2, 2..<4, 2..<3, 3..<4]),
            (3, [1], [0..<3, 0..<1, 1..<3, 1..<2, 2..<3]),
            (2, [0, 1], [0..<2, 0..<1, 1..<2]),
        ] as [(Int, [Int], [Range<Int>])])
    func order(count: Int, bad: [Int], tries: [Range<Int>]) {
        var machine = Bisection(count: count)
        var tried: [Range<Int>] = []
        while let range = machine.next {
            tried.append(range)
            if range.contains(where: bad.contains) { machine.bad() } else { machine.good() }
        }
        #expect(tried == tries)
        #expect(machine.found == bad)
    }

    @Test("a right hint: in front of it, itself, behind it")
    func hint() {
        var machine = Bisection(count: 10)
        machine.bad(hint: 6)
        #expect(machine.next == 0..<6)
        machine.good()
        #expect(machine.next == 6..<7)
        machine.bad()
        #expect(machine.next == 7..<10)
        machine.good()
        #expect(machine.next == nil && machine.found == [6])
    }

    @Test("one that was wrong is the last one that is believed")
    func wrongHint() {
        var machine = Bisection(count: 10)
        machine.bad(hint: 0)
        #expect(machine.next == 0..<1)
        machine.good()
        #expect(machine.next == 1..<10)
        machine.bad(hint: 1)
        #expect(machine.next == 1..<5)
        var other = Bisection(count: 10)
        other.bad(hint: 6)
        other.bad(hint: 5)
        #expect(other.next == 0..<3, "what stands in front of it should have been good")
    }

    @Test("one poison row of 5,000 costs three tries more with a hint, and log n without")
    func costOfOne() {
        let hinted = search(5_000, bad: [1_234], hints: .right)
        #expect(hinted.found == [1_234] && hinted.tries == 4)
        let blind = search(5_000, bad: [1_234])
        #expect(blind.found == [1_234] && blind.tries <= 2 * 13 + 1)
    }

    @Test("whatever is bad and whatever is said: exactly those are found, at a bounded cost")
    func random() {
        var random = SeededRandom(seed: 7)
        for round in 0..<150 {
            let count = Int(random.next() % 3_000) + 1
            let wanted = [0, 1, 2, 20, count / 10, count][Int(random.next() % 6)]
            var bad: Set<Int> = []
            for _ in 0..<wanted { bad.insert(Int(random.next() % UInt64(count))) }
            for hints in Hints.allCases {
                let (found, tries, good) = search(count, bad: bad, hints: hints)
                #expect(found == bad.sorted(), "round \(round), \(hints)")
                #expect(good.count + found.count == count && Set(good).isDisjoint(with: bad))
                let levels = Int.bitWidth - count.leadingZeroBitCount
                let most = (bad.count + 1) * (2 * levels + 3) + count / 32 + 4
                #expect(tries <= most, "round \(round), \(hints): \(tries) of \(most)")
            }
        }
    }

    @Test("each row of a blocked table is tried at some time")
    func probed() {
        for count in 2...5 {
            var tried: Set<Int> = []
            for _ in 0..<500 { tried.formUnion(BatchSalvage.probed(of: count)) }
            #expect(tried == Set(0..<count))
        }
    }
}
