import EngineKit
import Primitives
import Testing

@Suite("What was used in the last minute")
struct MinuteWindowTests {
    private static let second: Int64 = 1_000_000_000

    @Test("what was used in the last minute, to the second")
    func window() {
        var window = MinuteWindow()
        func at(_ seconds: Int64) -> MonotonicTime {
            MonotonicTime(nanoseconds: seconds * Self.second)
        }
        #expect(window.sum(at(-5)) == 0)
        window.add(1, at(-5))
        window.add(2, at(0))
        window.add(4, at(54))
        #expect(window.sum(at(54)) == 7 && window.sum(at(55)) == 6 && window.sum(at(60)) == 4)
        window.add(8, at(60))
        #expect(window.sum(at(60)) == 12 && window.sum(at(113)) == 12 && window.sum(at(114)) == 8)
        window.add(16, at(1_000))
        #expect(window.sum(at(1_000)) == 16 && window.sum(at(1_060)) == 0)
    }

    @Test("the window agrees with a list of all uses", arguments: 1...UInt64(20))
    func windowOfAll(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var window = MinuteWindow()
        var all: [(second: Int64, count: Int)] = []
        var second: Int64 = 0
        for _ in 0..<500 {
            let isLong = Int.random(in: 0...20, using: &random) == 0
            second += Int64.random(in: 0...(isLong ? 90 : 3), using: &random)
            let count = Int.random(in: 0...9, using: &random)
            let now = MonotonicTime(nanoseconds: second * Self.second)
            window.add(count, now)
            all.append((second, count))
            let known = all.filter { $0.second > second - 60 }.reduce(0) { $0 + $1.count }
            #expect(window.sum(now) == known, "seed \(seed)")
        }
    }
}
